"""What all pods of a node share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mooring_kube.client import Client
from mooring_lab.kubelet.document import PodKey
from mooring_lab.kubelet.facts import NodeFacts
from mooring_lab.kubelet.reporter import Reporter, Teller
from mooring_lab.kubelet.rules import Pace


@dataclass(frozen=True, slots=True)
class Services:
    """One kubelet's; `folder` is its own on this machine."""

    client: Client
    node: NodeFacts
    folder: Path
    pace: Pace
    reporter: Reporter
    teller: Teller
    log: Callable[[str], None]

    @property
    def pods(self) -> Path:
        return pods_folder(self.folder)

    def log_file(self, key: PodKey, name: str, attempt: int) -> Path:
        """Where a container's output goes; the first attempt is 0, as in a restart count."""
        return logs_folder(self.folder) / f"{key.namespace}_{key.name}_{key.uid}" / name / f"{attempt - 1}.log"


def pods_folder(folder: Path) -> Path:
    return folder / "pods"


def logs_folder(folder: Path) -> Path:
    """Stays when a pod has gone, until the lab does."""
    return folder / "logs"
