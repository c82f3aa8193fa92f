"""A real API server: etcd, kube-apiserver and kube-controller-manager as processes of this machine.

There is no scheduler and no kubelet: pods and nodes are what their writers say they are.
"""

import http.client
import json
import shutil
import signal
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError
from mooring_kube.resources import SERVICE_ACCOUNTS
from mooring_lab.api import NAMESPACE, commands, tools
from mooring_lab.api.access import encoded, request_token, write_kubeconfig
from mooring_lab.api.process import Program, free_ports
from mooring_lab.api.record import Record
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

_ETCD, _SERVER, _CONTROLLERS = "etcd", "kube-apiserver", "kube-controller-manager"
# Ten times what they take on two busy cores.
_READY_SECONDS = 90.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.05


class RealApi:
    """An ApiServer of real programs, all of it in one folder.

    `server_flags` come last on kube-apiserver's command line and so win; `names` are further names (DNS or IP)
    for its certificate. The logs stay in the folder after `stop`.
    """

    def __init__(self, folder: Path, *, server_flags: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        self.folder = folder.resolve()
        self._server_flags = tuple(server_flags)
        self._names = tuple(names)
        self._certificates = commands.certificates(self.folder)
        self._record = Record(self.folder / "real.json")

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
        return commands.admin_kubeconfig(self.folder)

    # -- its life

    def start(self) -> None:
        """Start all three and wait until they do their work (5 to 10 s)."""
        programs = {name: str(tools.find(name)) for name in tools.SERVERS}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        setting = commands.Setting(self.folder, *free_ports(2))
        self._record.claim(
            {
                "url": setting.url,
                "storage": setting.storage,
                "commands": {
                    _ETCD: [programs[_ETCD], *commands.etcd(setting)],
                    _SERVER: [programs[_SERVER], *commands.apiserver(setting), *self._server_flags],
                    _CONTROLLERS: [programs[_CONTROLLERS], *commands.controller_manager(setting)],
                },
            }
        )
        try:
            self._certificates.write(self._names)
            admin = encoded(self._certificates.admin)
            user = {"client-certificate-data": admin, "client-key-data": admin}
            write_kubeconfig(self.kubeconfig, setting.url, self.ca, user)
            self._launch(_ETCD, lambda: self._answers(setting.storage, "/health"))
            self._launch(_SERVER, lambda: self._answers(setting.url, "/readyz"))
            self._launch(_CONTROLLERS, self._controllers_work)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all three at once and remove everything but their logs."""
        for name in (_CONTROLLERS, _SERVER, _ETCD):
            self._program(name).end()
        shutil.rmtree(commands.data(self.folder), ignore_errors=True)
        shutil.rmtree(self._certificates.folder, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)
        self._record.path.unlink(missing_ok=True)

    def kill_server(self) -> None:
        """SIGKILL to kube-apiserver alone; etcd and the controllers go on."""
        self._program(_SERVER).end()

    def restart_server(self) -> None:
        """kube-apiserver anew; etcd was there all the time."""
        url = self.url
        self.kill_server()
        self._launch(_SERVER, lambda: self._answers(url, "/readyz"))

    def pause_etcd(self) -> None:
        """SIGSTOP: its connections stay, and nobody gets an answer."""
        etcd = self._program(_ETCD).send(signal.SIGSTOP)
        wait_until(etcd.frozen, _ASK_SECONDS, "etcd to be frozen")

    def resume_etcd(self) -> None:
        self._program(_ETCD).send(signal.SIGCONT)

    def compact_etcd(self) -> None:
        """Have etcd forget all versions but the present ones, as kube-apiserver does every five minutes."""
        revision = self._storage("/v3/kv/range", {"key": "AA==", "count_only": True})["header"]["revision"]
        self._storage("/v3/kv/compaction", {"revision": revision, "physical": True})

    # -- who may ask

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

    # -- how it is done

    def _program(self, name: str) -> Program:
        return Program(name, commands.mark(name, self.folder), self.folder / f"{name}.log")

    def _launch(self, name: str, ready: Callable[[], bool]) -> None:
        program = self._program(name)
        identity = program.start(self._record.read()["commands"][name])

        def is_ready() -> bool:
            if not identity.alive():
                raise LabError(f"{name} ended by itself{program.last_words()}")
            return ready()

        try:
            wait_until(is_ready, _READY_SECONDS, f"{name} to be ready", every=_POLL_SECONDS)
        except TimeoutError as error:
            raise LabError(f"{error}{program.last_words()}") from error

    def _controllers_work(self) -> bool:
        """They do when there is the service account that they make in each namespace."""
        client = Client(from_kubeconfig(self.kubeconfig), timeout_s=_ASK_SECONDS)
        try:
            return bool(client.get(SERVICE_ACCOUNTS, "default", "default"))
        except KubeError:
            return False
        finally:
            client.close()

    def _answers(self, url: str, path: str) -> bool:
        try:
            return self._ask(url, "GET", path)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _storage(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request to etcd's JSON gateway; LabError when it refuses."""
        status, content = self._ask(self._record.read()["storage"], "POST", path, json.dumps(body))
        reply: dict[str, Any] = json.loads(content)
        if status != http.client.OK:
            raise LabError(f"etcd refused {path}: {reply}")
        return reply

    def _ask(self, url: str, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """One request as administrator."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self._certificates.admin)
        address = url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, timeout=_ASK_SECONDS, context=context)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
