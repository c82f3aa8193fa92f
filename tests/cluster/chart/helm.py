"""Helm as the tests use it: the programs of `make cluster-tools`, and nothing of who runs them."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mooring_lab.api import tools

ROOT = Path(__file__).parents[3]
CHART, CRDS_CHART = ROOT / "charts" / "mooring", ROOT / "charts" / "mooring-crds"


class Helm:
    """Helm 3 or 4 for one API server; call it with the words of its command line."""

    def __init__(self, major: int, kubeconfig: Path, home: Path) -> None:
        """`home` is a folder for what Helm keeps on a machine; both may have one."""
        self.major = major
        self._program = tools.find(f"helm-{major}")
        self._home = home
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("HELM", "HTTP", "KUBE"))}
        folders = {f"HELM_{name}_HOME": str(home / f"{major}" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**kept, **folders, "HOME": str(home), "KUBECONFIG": str(kubeconfig)}

    def __call__(self, *words: str, timeout: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Run it to its end; its exit code is in the result."""
        return subprocess.run(
            [str(self._program), *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def must(self, *words: str, timeout: float = 180.0) -> str:
        """What it prints; the test fails where it does."""
        done = self(*words, timeout=timeout)
        assert done.returncode == 0, f"helm-{self.major} {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def values(self, values: Mapping[str, Any]) -> list[str]:
        """The flag that gives these values."""
        self._home.mkdir(exist_ok=True)
        path = self._home / "values.yaml"
        path.write_text(yaml.safe_dump(dict(values)))
        return ["--values", str(path)]
