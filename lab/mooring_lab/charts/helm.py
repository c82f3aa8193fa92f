"""Helm as the tests and the generator use it: never with the configuration, the cache or the cluster of who runs it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mooring_lab.api import tools

#: The two that the charts are for, oldest first.
VERSIONS = ("3", "4")
_SOURCE = "# Source: "


class HelmError(Exception):
    """Helm refused; the text is what it said."""


class Helm:
    """Helm of one version; call it with the words of its command line."""

    def __init__(self, home: Path, version: str = VERSIONS[-1], kubeconfig: Path | None = None) -> None:
        """`home` is a folder for its caches. Without a kubeconfig no cluster can be reached.

        LabError when the program is missing.
        """
        self.version = version
        self._program = tools.find(f"helm-{version}")
        self._home = home
        self._kubeconfig = kubeconfig or Path(os.devnull)

    def __call__(self, *words: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run it to its end; its exit code is in the result."""
        return subprocess.run(
            [str(self._program), *words],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def template(self, chart: Path, *words: str, release: str = "mooring", namespace: str = "mooring-system") -> str:
        """What the chart renders to; HelmError when it refuses."""
        done = self("template", release, str(chart), "--namespace", namespace, *words)
        if done.returncode:
            raise HelmError(done.stderr.strip())
        return done.stdout

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("KUBE", "HELM", "HTTP", "XDG"))}
        own = {f"HELM_{what}_HOME": str(self._home / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        return {**kept, **own, "HOME": str(self._home), "KUBECONFIG": str(self._kubeconfig)}


def by_template(rendered: str) -> dict[str, Sequence[str]]:
    """The documents of `helm template`, by the template that each is of, in the order in which Helm gives them."""
    found: dict[str, list[str]] = {}
    for document in f"\n{rendered}".split("\n---\n"):
        text = document.strip("\n")
        if not text.startswith(_SOURCE):
            continue
        source, _, body = text.partition("\n")
        found.setdefault(source.removeprefix(_SOURCE), []).append(body.strip("\n") + "\n")
    return {template: tuple(documents) for template, documents in found.items()}
