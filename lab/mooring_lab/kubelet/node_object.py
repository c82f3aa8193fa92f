"""What kubelet says of its node: the Node object, its status, its Lease. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mooring_lab.kubelet.document import Document, View
from mooring_lab.kubelet.pod_status import timestamp

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
VERSION = "v1.32.0-mooring-lab"
_MOST_PODS = 110


@dataclass(frozen=True, slots=True)
class Machine:
    """What a node can say of the machine that it is part of."""

    kernel: str
    architecture: str
    os_image: str
    boot_id: str
    machine_id: str
    cpus: int
    memory_kib: int


def labels(name: str, machine: Machine) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine.architecture, machine.architecture),
    }


def node(name: str, machine: Machine) -> Document:
    """A Node as kubelet registers it."""
    return {"metadata": {"name": name, "labels": labels(name, machine)}}


def status(
    name: str, addresses: Sequence[str], machine: Machine, before: Mapping[str, View], now: float, *, ready: bool
) -> Document:
    """Its status; `before` holds the conditions as they were, by type, `now` is seconds since the epoch."""
    capacity = {"cpu": str(machine.cpus), "memory": f"{machine.memory_kib}Ki", "pods": str(_MOST_PODS)}
    why = (
        ("KubeletReady", "the lab's kubelet runs pods") if ready else ("KubeletStopped", "the lab's kubelet was ended")
    )
    calm = {
        "MemoryPressure": "KubeletHasSufficientMemory",
        "DiskPressure": "KubeletHasNoDiskPressure",
        "PIDPressure": "KubeletHasSufficientPID",
    }
    judged = [(kind, "False", reason, "") for kind, reason in calm.items()]
    judged.append(("Ready", "True" if ready else "False", *why))
    return {
        "addresses": [
            *({"type": "InternalIP", "address": address} for address in addresses),
            {"type": "Hostname", "address": name},
        ],
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [_condition(*each, before, timestamp(now)) for each in judged],
        "nodeInfo": {
            "machineID": machine.machine_id,
            "systemUUID": machine.machine_id,
            "bootID": machine.boot_id,
            "kernelVersion": machine.kernel,
            "osImage": machine.os_image,
            "containerRuntimeVersion": "mooring-lab://0",
            "kubeletVersion": VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": labels(name, machine)["kubernetes.io/arch"],
        },
    }


def lease(name: str, uid: str, now: float) -> Document:
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    renewed = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed},
    }


def _condition(kind: str, status_: str, reason: str, message: str, before: Mapping[str, View], now: str) -> Document:
    last = before.get(kind, {})
    since = last.get("lastTransitionTime") if last.get("status") == status_ else None
    return {
        "type": kind,
        "status": status_,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": since or now,
    }
