"""Looks at the folder of static pods' manifests (kubelet's staticPodPath), and has its pods run."""

import threading
from pathlib import Path

from mooring_lab.kubelet.bound import Bound
from mooring_lab.kubelet.document import Document
from mooring_lab.kubelet.services import Services
from mooring_lab.kubelet.static import is_manifest, static_pod

#: kubelet hears of a change by inotify, and looks every 20 s besides.
LOOK_S = 0.5


class Manifests(threading.Thread):
    """A file that is no pod, or is gone, ends what it was before; as with kubelet."""

    def __init__(self, folder: Path, services: Services, bound: Bound) -> None:
        super().__init__(name="manifests", daemon=True)
        self._folder = folder
        self._services = services
        self._bound = bound
        self._stopping = threading.Event()
        self._told: dict[str, str] = {}

    def run(self) -> None:
        while True:
            self._bound.static(self._pods())
            if self._stopping.wait(LOOK_S):
                return

    def stop(self) -> None:
        self._stopping.set()

    def _pods(self) -> list[Document]:
        found, told = [], {}
        for path in sorted(self._folder.glob("*")):
            if not is_manifest(path.name):
                continue
            try:
                found.append(static_pod(path.read_text(), self._services.node.name))
            except (OSError, ValueError) as error:
                told[path.name] = str(error)
                if self._told.get(path.name) != str(error):
                    self._services.log(f"{path}: {error}")
        self._told = told
        return found
