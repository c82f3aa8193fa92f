"""The command lines of a real API server, and where its files are. Pure.

Each says what differs from a cluster by kubeadm: everything listens on 127.0.0.1, there are no kubelets, and the
data need not survive a power cut.
"""

from dataclasses import dataclass
from pathlib import Path

from mooring_lab.api.certificates import Certificates

SERVICE_RANGE = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc.cluster.local"
# The API server wants an address that is neither loopback nor unset, although nobody is told of it: RFC 5737.
_ADVERTISED = "192.0.2.1"


@dataclass(frozen=True, slots=True)
class Setting:
    """One API server: its folder and its two ports."""

    folder: Path
    etcd_port: int
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        return f"https://127.0.0.1:{self.etcd_port}"


def certificates(folder: Path) -> Certificates:
    return Certificates(folder / "pki")


def data(folder: Path) -> Path:
    """etcd's."""
    return folder / "etcd"


def admin_kubeconfig(folder: Path) -> Path:
    return folder / "admin.kubeconfig"


def mark(name: str, folder: Path) -> str:
    """The argument by which a process is known to be of this folder."""
    return {
        "etcd": f"--data-dir={data(folder)}",
        "kube-apiserver": f"--tls-cert-file={certificates(folder).server}",
        "kube-controller-manager": f"--kubeconfig={admin_kubeconfig(folder)}",
    }[name]


def etcd(setting: Setting) -> list[str]:
    """Only who has a certificate of ours may ask it: others on this machine must not read Secrets."""
    pki = certificates(setting.folder)
    return [
        mark("etcd", setting.folder),
        f"--listen-client-urls={setting.storage}",
        f"--advertise-client-urls={setting.storage}",
        # A member alone has no peers, yet insists on a port for them.
        "--listen-peer-urls=http://127.0.0.1:0",
        f"--cert-file={pki.server}",
        f"--key-file={pki.server}",
        f"--trusted-ca-file={pki.ca}",
        "--client-cert-auth",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(setting: Setting) -> list[str]:
    """Node and RBAC authorization with NodeRestriction, as kubeadm sets it up."""
    pki = certificates(setting.folder)
    return [
        mark("kube-apiserver", setting.folder),
        f"--tls-private-key-file={pki.server}",
        f"--client-ca-file={pki.ca}",
        "--bind-address=127.0.0.1",
        f"--secure-port={setting.port}",
        f"--advertise-address={_ADVERTISED}",
        "--endpoint-reconciler-type=none",
        f"--etcd-servers={setting.storage}",
        f"--etcd-cafile={pki.ca}",
        f"--etcd-certfile={pki.admin}",
        f"--etcd-keyfile={pki.admin}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki.service_accounts}",
        f"--service-account-signing-key-file={pki.service_accounts}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
    ]


def controller_manager(setting: Setting) -> list[str]:
    """Without a port of its own; a node stays Ready though no kubelet speaks for it."""
    pki = certificates(setting.folder)
    return [
        mark("kube-controller-manager", setting.folder),
        "--secure-port=0",
        "--leader-elect=false",
        f"--root-ca-file={pki.ca}",
        f"--service-account-private-key-file={pki.service_accounts}",
        "--node-monitor-grace-period=24h",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
    ]
