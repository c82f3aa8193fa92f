"""Containers of the images without a cluster: the chart's rights and read-only root, by the lab's kubelet's shim."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mooring_lab.kubelet import capabilities
from mooring_lab.kubelet.attempt import Attempt
from mooring_lab.kubelet.runspec import Identity, Mount, Root, RunSpec
from mooring_lab.kubelet.states import Exit
from mooring_lab.wait import wait_until

WORKLOADS = Path(__file__).parents[2] / "deploy" / "workloads"
STATE = "/var/lib/mooring"
CONFIG = "/etc/mooring/node.yaml"
SCRIPTS = "/etc/mooring/scripts"


@dataclass(frozen=True)
class Image:
    """An entry of the table of `scripts/image build`."""

    root: Path
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    uid: int
    gid: int

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> "Image":
        return cls(Path(entry["root"]), tuple(entry["entrypoint"]), entry["environment"], entry["user"], entry["group"])

    @property
    def program(self) -> str:
        return self.entrypoint[0]

    @property
    def component(self) -> str:
        return self.program.rpartition("-")[2]

    @property
    def layout(self) -> Path:
        """The OCI layout that it was unpacked from."""
        return self.root.parent / "oci"

    def config(self) -> dict[str, Any]:
        """What the image says of itself: User, Entrypoint, Env, Labels."""
        blob = self._blob(self._manifest()["config"])
        found: dict[str, Any] = json.loads(blob.read_text())["config"]
        return found

    def packed_bytes(self) -> int:
        """What is fetched from a registry."""
        return sum(layer["size"] for layer in self._manifest()["layers"])

    def files(self) -> Iterator[Path]:
        """All that is in it, links as such."""
        return self.root.rglob("*")

    def _manifest(self) -> dict[str, Any]:
        (entry,) = json.loads((self.layout / "index.json").read_text())["manifests"]
        found: dict[str, Any] = json.loads(self._blob(entry).read_text())
        return found

    def _blob(self, entry: Mapping[str, Any]) -> Path:
        return self.layout / "blobs" / str(entry["digest"]).replace(":", "/")


def workload(component: str) -> dict[str, Any]:
    """The chart's DaemonSet or Deployment, rendered with its default values."""
    documents = yaml.safe_load_all((WORKLOADS / f"{component}.yaml").read_text())
    found: dict[str, Any] = next(each for each in documents if each["kind"] in ("DaemonSet", "Deployment"))
    return found


def chart_security(component: str) -> Mapping[str, Any]:
    """The container's securityContext there."""
    (container,) = workload(component)["spec"]["template"]["spec"]["containers"]
    found: Mapping[str, Any] = container["securityContext"]
    return found


class Container:
    """One run of an image's program."""

    def __init__(self, folder: Path, image: Image) -> None:
        self.image = image
        self.folder = folder
        self._attempt = Attempt(folder / "attempt")
        self._log = folder / "log"

    def start(
        self,
        network: Path,
        arguments: Iterable[str] = (),
        *,
        mounts: Iterable[Mount] = (),
        also: Iterable[str] = (),
        without: Iterable[str] = (),
        argv: Sequence[str] = (),
    ) -> None:
        """With the chart's rights, `also` these and `without` those; `argv`: not the entrypoint and `arguments`."""
        security = chart_security(self.image.component)
        held = (capabilities.granted(security) | frozenset(also)) - frozenset(without)
        identity = Identity(
            security.get("runAsUser", self.image.uid),
            security.get("runAsGroup", self.image.gid),
            capabilities=capabilities.mask(held),
            no_new_privileges=not security["allowPrivilegeEscalation"],
        )
        self.folder.mkdir(parents=True)
        words = self.folder / "words"
        words.touch()
        spec = RunSpec(
            tuple(argv) or (*self.image.entrypoint, *arguments),
            tuple(sorted(self.image.environment.items())),
            "/",
            Root(str(self.image.root), read_only=security["readOnlyRootFilesystem"]),
            tuple(mounts),
            identity,
            str(network),
            "node",
            termination_message=str(words),
        )
        self._attempt.begin(spec, self._log)

    @property
    def started_at(self) -> float:
        """Seconds since the epoch, before its namespaces were made."""
        begun = self._attempt.wait_started()
        assert begun, self.log
        return begun.started_at

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def exec(self, *command: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as a probe does: the same user, capabilities and root."""
        self._attempt.wait_started()
        enter = [sys.executable, "-m", "mooring_lab.kubelet.enter", str(self._attempt.folder), str(seconds)]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=seconds + 30)

    def until(self, what: str, predicate: Callable[[], Any], seconds: float = 30.0) -> Any:
        try:
            return wait_until(predicate, seconds, what, every=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log}") from error

    def stop(self) -> Exit:
        """As kubelet ends it."""
        self._attempt.wait_started()
        self._attempt.signal(signal.SIGTERM)
        return self._attempt.wait_exit()

    def wait(self) -> Exit:
        return self._attempt.wait_exit()

    def close(self) -> None:
        self._attempt.signal(signal.SIGKILL)
        self._attempt.wait_exit()


def family(pid: int) -> Iterator[int]:
    """A process and all that it has forked."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))
