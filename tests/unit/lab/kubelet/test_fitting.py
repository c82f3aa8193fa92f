"""Whether a pod may be bound to a node."""

from typing import Any

import pytest
from tests.unit.lab.kubelet.pods import Document, container, pod

from mooring_lab.kubelet.fitting import host_ports, is_waiting, obstacle, wants_node

CORDON_TOLERATION = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}


def node(**spec: Any) -> Document:
    return {"metadata": {"name": "lb-1", "labels": {"zone": "a", "cores": "4"}}, "spec": spec}


def required(*terms: Document) -> Document:
    selector = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}}


def by_name(*names: str) -> Document:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": list(names)}]}


def label(key: str, operator: str, *values: str) -> Document:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_a_daemon_sets_pod_names_its_node() -> None:
    document = pod(**required(by_name("lb-1")))
    assert wants_node(document, "lb-1")
    assert not wants_node(document, "lb-2")
    assert obstacle(document, node(), ()) is None
    assert obstacle(pod(**required(by_name("lb-2"))), node(), ()) == "the pod's node affinity does not match"
    assert not wants_node(pod(), "lb-1")


@pytest.mark.parametrize(
    ("term", "fits"),
    [
        (label("zone", "In", "a", "b"), True),
        (label("zone", "In", "b"), False),
        (label("zone", "NotIn", "b"), True),
        (label("none", "NotIn", "b"), True),
        (label("zone", "Exists"), True),
        (label("none", "Exists"), False),
        (label("none", "DoesNotExist"), True),
        (label("cores", "Gt", "3"), True),
        (label("cores", "Lt", "4"), False),
        (label("zone", "Gt", "3"), False),
        (label("zone", "In", "a") | by_name("lb-2"), False),
        ({}, False),
    ],
)
def test_expressions(term: Document, fits: bool) -> None:
    assert (obstacle(pod(**required(term)), node(), ()) is None) == fits
    assert obstacle(pod(**required(term, by_name("lb-1"))), node(), ()) is None


def test_node_selector() -> None:
    assert obstacle(pod(nodeSelector={"zone": "a"}), node(), ()) is None
    assert obstacle(pod(nodeSelector={"zone": "b"}), node(), ()) == "the node has not the label zone=b"


@pytest.mark.parametrize(
    ("tolerations", "fits"),
    [
        ([], False),
        ([{"key": "k", "operator": "Exists"}], True),
        ([{"operator": "Exists"}], True),
        ([{"key": "k", "value": "v", "effect": "NoSchedule"}], True),
        ([{"key": "k", "operator": "Equal", "value": "w"}], False),
        ([{"key": "k", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"value": "v"}], False),
    ],
)
def test_taints_and_tolerations(tolerations: list[Document], fits: bool) -> None:
    tainted = node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    assert (obstacle(pod(tolerations=tolerations), tainted, ()) is None) == fits


def test_a_mild_taint_keeps_nobody_away() -> None:
    assert obstacle(pod(), node(taints=[{"key": "k", "effect": "PreferNoSchedule"}]), ()) is None


def test_a_cordon_keeps_away_whom_it_should() -> None:
    cordoned = node(unschedulable=True)
    assert "unschedulable" in (obstacle(pod(), cordoned, ()) or "")
    assert obstacle(pod(tolerations=[CORDON_TOLERATION]), cordoned, ()) is None


def test_a_port_that_is_taken() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}]
    document = pod(container(ports=[*ports, {"containerPort": 9}]))
    assert host_ports(document) == {("TCP", 80), ("UDP", 53)}
    assert obstacle(document, node(), {("TCP", 53), ("UDP", 80)}) is None
    assert obstacle(document, node(), {("UDP", 53)}) == "port 53/UDP of the node is taken"


def test_who_is_waiting() -> None:
    assert is_waiting(pod())
    assert is_waiting(pod(schedulerName="default-scheduler"))
    assert not is_waiting(pod(schedulerName="mine"))
    assert not is_waiting(pod(schedulingGates=[{"name": "g"}]))
    assert not is_waiting(pod(nodeName="lb-1"))
    deleted = pod()
    deleted["metadata"]["deletionTimestamp"] = "x"
    assert not is_waiting(deleted)
