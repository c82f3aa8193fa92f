"""What is said of the node."""

from mooring_lab.kubelet import node_object
from mooring_lab.kubelet.heartbeat import read_machine
from mooring_lab.kubelet.node_object import Machine

MACHINE = Machine("6.1", "x86_64", "Debian", "boot", "machine", 4, 1024)
NOW = 1_700_000_000.0


def test_the_node_as_it_is_registered() -> None:
    assert node_object.node("lb-1", MACHINE) == {
        "metadata": {
            "name": "lb-1",
            "labels": {
                "kubernetes.io/hostname": "lb-1",
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        }
    }


def test_its_status() -> None:
    status = node_object.status("lb-1", ("10.0.0.18", "fd00::1"), MACHINE, {}, NOW, ready=True)
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "10.0.0.18"},
        {"type": "InternalIP", "address": "fd00::1"},
        {"type": "Hostname", "address": "lb-1"},
    ]
    assert status["capacity"] == status["allocatable"] == {"cpu": "4", "memory": "1024Ki", "pods": "110"}
    found = {each["type"]: each for each in status["conditions"]}
    assert {kind: each["status"] for kind, each in found.items()} == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    later = node_object.status("lb-1", ("10.0.0.18",), MACHINE, found, NOW + 60, ready=False)
    ready = later["conditions"][-1]
    assert (ready["status"], ready["lastTransitionTime"]) == ("False", "2023-11-14T22:14:20Z")
    calm = later["conditions"][0]
    assert (calm["lastTransitionTime"], calm["lastHeartbeatTime"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z")


def test_its_lease_ends_with_it() -> None:
    lease = node_object.lease("lb-1", "u-9", NOW + 0.25)
    assert lease["spec"] == {
        "holderIdentity": "lb-1",
        "leaseDurationSeconds": 40,
        "renewTime": "2023-11-14T22:13:20.250000Z",
    }
    assert lease["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Node", "name": "lb-1", "uid": "u-9"}]


def test_this_machine_can_be_read() -> None:
    machine = read_machine()
    assert machine.cpus >= 1
    assert machine.memory_kib > 1024
    assert machine.kernel
