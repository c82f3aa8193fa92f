"""The embedded API server as a process of this machine, so that the demo needs no Go."""

import os
import shutil
import sys
from pathlib import Path
from typing import Self

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError
from mooring_kube.resources import NAMESPACES
from mooring_lab.api import NAMESPACE
from mooring_lab.api.access import encoded, request_token, write_kubeconfig
from mooring_lab.api.certificates import Certificates
from mooring_lab.api.process import Program, free_ports
from mooring_lab.api.record import Record
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

# Thirty times what it takes on two busy cores.
_READY_SECONDS = 30.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.02


class EmbeddedApi:
    """An ApiServer in one Python process, all of it in one folder. It authorizes everybody to do everything.

    `history`: so many changes of each resource are remembered for watches; who is further behind is told 410.
    The log stays in the folder after `stop`.
    """

    def __init__(self, folder: Path, *, history: int = 4096) -> None:
        self.folder = folder.resolve()
        self._history = history
        self._certificates = Certificates(self.folder / "pki")
        self._data = self.folder / "data"
        self._record = Record(self.folder / "embedded.json")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The one that another process started in this folder; LabError when there is none."""
        api = cls(folder)
        api._record.read()
        return api

    @property
    def url(self) -> str:
        """Where it listens; LabError before it was started."""
        return str(self._record.read()["url"])

    @property
    def ca(self) -> Path:
        return self._certificates.ca

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    def start(self) -> None:
        """Start it and wait until it answers (about a second)."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "mooring_lab.api.embedded", f"--folder={self.folder}", f"--port={port}"]
        command.append(f"--history={self._history}")
        url = f"https://127.0.0.1:{port}"
        self._record.claim({"url": url, "command": command})
        try:
            self._data.mkdir(exist_ok=True, mode=0o700)
            self._certificates.write()
            admin = encoded(self._certificates.admin)
            user = {"client-certificate-data": admin, "client-key-data": admin}
            write_kubeconfig(self.kubeconfig, url, self.ca, user)
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it at once and remove everything but its log."""
        if self._record.path.exists():
            self.kill_server()
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self._certificates.folder, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)
        self._record.path.unlink(missing_ok=True)

    def kill_server(self) -> None:
        """SIGKILL; the journal stays."""
        self._program().end()

    def restart_server(self) -> None:
        """Start it anew on its journal."""
        self.kill_server()
        self._launch()

    def token(
        self,
        service_account: str,
        *,
        namespace: str = NAMESPACE,
        node: str | None = None,
        pod: str | None = None,
        seconds: int = 3600,
    ) -> str:
        """By TokenRequest."""
        return request_token(self.kubeconfig, service_account, namespace, node, pod, seconds)

    def kubeconfig_for(self, token: str, path: Path, *, server: str | None = None) -> Path:
        """With our authority, and `url` unless another server is named."""
        return write_kubeconfig(path, server or self.url, self.ca, {"token": token})

    def _program(self) -> Program:
        python = os.path.basename(self._record.read()["command"][0])
        return Program(python, f"--folder={self.folder}", self.folder / "embedded.log")

    def _launch(self) -> None:
        program = self._program()
        identity = program.start(self._record.read()["command"])
        client = Client(from_kubeconfig(self.kubeconfig), timeout_s=_ASK_SECONDS)

        def is_ready() -> bool:
            if not identity.alive():
                raise LabError(f"the embedded API server ended by itself{program.last_words()}")
            try:
                return bool(client.get(NAMESPACES, "default"))
            except KubeError:
                return False

        try:
            wait_until(is_ready, _READY_SECONDS, "the embedded API server to be ready", every=_POLL_SECONDS)
        except TimeoutError as error:
            raise LabError(f"{error}{program.last_words()}") from error
        finally:
            client.close()
