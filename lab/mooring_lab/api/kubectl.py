"""kubectl as the lab and the tests use it: never with the configuration or the cache of who runs them."""

import os
import subprocess
from pathlib import Path

from mooring_lab.api import tools

#: Oldest first. The empty one is the newest, that of the API server.
VERSIONS = ("1.20", "1.32", "")


class Kubectl:
    """kubectl of one version for one API server; call it with the words of its command line."""

    def __init__(self, kubeconfig: Path, home: Path, version: str = "") -> None:
        """`home` is a folder for its caches; `version` is one of VERSIONS. LabError when that kubectl is missing."""
        self._program = tools.find(f"kubectl-{version}" if version else "kubectl")
        self._kubeconfig = kubeconfig
        self._home = home

    def command(self, *words: str) -> list[str]:
        """The command line, for who starts it himself (with `environment`)."""
        return [str(self._program), f"--kubeconfig={self._kubeconfig}", *words]

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "HTTP", "http"))}
        return {**kept, "HOME": str(self._home)}

    def __call__(
        self, *words: str, stdin: str | None = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; its exit code is in the result."""
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            input=stdin,
            # With neither a text nor a terminal it must not wait for somebody to type.
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
