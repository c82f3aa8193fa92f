"""What is kept of an object, and who else owns a field of it."""

from typing import Any

import pytest

from mooring_operator.cluster.slim import Ownership, foreign_owners, lean, slim
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import KINDS


def test_of_a_node_only_what_is_read_is_kept() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "a",
            "uid": "u",
            "resourceVersion": "7",
            "labels": {"pool": "edge"},
            "annotations": {"csi.volume.kubernetes.io/nodeid": "{}"},
            "managedFields": [{}],
        },
        "spec": {"podCIDR": "10.0.0.0/24", "unschedulable": True, "taints": []},
        "status": {
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": "True", "lastHeartbeatTime": "now"},
            ],
            "addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "images": [{"names": ["x"]}] * 50,
        },
    }
    assert slim(document) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "a", "uid": "u", "labels": {"pool": "edge"}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        },
    }


def test_of_a_namespace_its_labels_are_kept() -> None:
    metadata = {"name": "shop", "uid": "u", "labels": {"team": "shop"}, "annotations": {"mooring.dev/x": "y"}}
    document = {"kind": "Namespace", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {}}
    assert slim(document) == {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "shop"}}}


def test_of_our_own_kinds_spec_and_status_are_kept_whole() -> None:
    document = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {
            "name": "web",
            "generation": 3,
            "annotations": {
                "mooring.dev/paused": "true",
                "kubectl.kubernetes.io/last-applied-configuration": "{...}",
            },
        },
        "spec": {"unknown": [1]},
        "status": {"groups": []},
    }
    kept = slim(document)
    assert kept["metadata"] == {"name": "web", "generation": 3, "annotations": {"mooring.dev/paused": "true"}}
    assert (kept["spec"], kept["status"]) == (document["spec"], document["status"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_lean_document_is_stored_as_the_whole_one_would_be(kind: str) -> None:
    fields = {"f:spec": {"f:instances": {}}}
    metadata = {
        "name": "a",
        "uid": "u",
        "resourceVersion": "7",
        "managedFields": [managed("kubectl", "Update", fields)],
        "annotations": {"mooring.dev/paused": "true", "x": "y"},
    }
    whole = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {"unschedulable": True}, "status": {}}
    stores = [Store(), Store()]
    stores[0].replace(kind, [whole], "8")
    stores[1].replace(kind, [lean(whole)], "8")
    assert stores[0].view().objects == stores[1].view().objects
    assert slim(lean(whole)) == slim(whole)


@pytest.mark.parametrize("part", ["metadata", "spec", "status"])
@pytest.mark.parametrize("value", [None, 7, "x", ["y"], {"conditions": "x", "addresses": [7], "annotations": []}])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_stands_in_an_object_makes_it_fail(kind: str, part: str, value: Any) -> None:
    document = {"kind": kind, "metadata": {"name": "a", "managedFields": [7, None, {"fieldsV1": 3}]}, part: value}
    slim(document)
    foreign_owners(document)


def managed(manager: str, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields}


def test_others_who_own_a_field_of_a_spec_are_named_with_it() -> None:
    ours = {"f:spec": {"f:instances": {}}}
    document = {
        "kind": "NodeConfig",
        "metadata": {
            "name": "a",
            "managedFields": [
                managed("mooring-operator", "Apply", ours),
                managed("mooring-operator", "Update", ours),
                managed("mooring-node", "Apply", {"f:status": {"f:instances": {}}}),
                managed("kubectl-edit", "Update", {"f:spec": {".": {}, "f:instances": {}, "f:extra": {"f:a": {}}}}),
            ],
        },
    }
    assert foreign_owners(document) == (
        Ownership("kubectl-edit", "spec.extra.a"),
        Ownership("kubectl-edit", "spec.instances"),
    )
