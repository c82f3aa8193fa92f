"""Which kubectl the lab uses, and running it against a lab's API server."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mooring_lab.api import tools
from mooring_lab.rights import LabError


def find() -> Path:
    """The one that was built with the cluster's tools, else this machine's, else Debian's beside the tools."""
    for name in ("kubectl", "kubectl-1.20"):
        try:
            return tools.find(name)
        except LabError:
            if name == "kubectl" and (here := shutil.which(name)):
                return Path(here)
    raise LabError("kubectl is missing; install it (Debian: apt-get install kubernetes-client) or make cluster-tools")


def run(kubeconfig: Path, arguments: Sequence[str], timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run it to its end; its exit code is in the result."""
    return subprocess.run(
        [str(find()), *arguments],
        env=environment(kubeconfig),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def environment(kubeconfig: Path) -> dict[str, str]:
    """This process's environment with that kubeconfig; kubectl's caches stay beside it."""
    return os.environ | {"KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache")}
