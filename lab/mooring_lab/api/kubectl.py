"""kubectl as the lab and the tests use it: never with the configuration or the cache of who runs them."""

import os
import shutil
import subprocess
from pathlib import Path

from mooring_lab.api import tools
from mooring_lab.rights import LabError

#: Oldest first. The empty one is the newest, that of the API server.
VERSIONS = ("1.20", "1.32", "")


def at_hand() -> Path:
    """Some kubectl: the one built with the servers, else this machine's, else Debian's beside the servers."""
    for name in ("kubectl", "kubectl-1.20"):
        try:
            return tools.find(name)
        except LabError:
            if name == "kubectl" and (here := shutil.which(name)):
                return Path(here)
    raise LabError("kubectl is missing; install it (Debian: apt-get install kubernetes-client) or make cluster-tools")


class Kubectl:
    """kubectl of one version for one API server; call it with the words of its command line."""

    def __init__(self, kubeconfig: Path, home: Path, version: str | None = "") -> None:
        """`home` is a folder for its caches; `version` is one of VERSIONS, None: whichever is at hand.

        LabError when there is none.
        """
        self._program = at_hand() if version is None else tools.find(f"kubectl-{version}" if version else "kubectl")
        self._kubeconfig = kubeconfig
        self._home = home

    def command(self, *words: str) -> list[str]:
        """The command line, for who starts it himself (with `environment`)."""
        return [str(self._program), f"--kubeconfig={self._kubeconfig}", *words]

    @property
    def environment(self) -> dict[str, str]:
        """What every kubectl of the lab gets: no kubeconfig and no proxy of the user's."""
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("KUBE", "HTTP"))}
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
