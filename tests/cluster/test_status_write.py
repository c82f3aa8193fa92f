"""The daemon's report at a real API server: what it says is what is there, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from mooring_kube.client import Client
from mooring_kube.errors import Conflict, NotFound
from mooring_kube.resources import NODE_CONFIGS

NAME = "reported"
OBJECT = {"apiVersion": NODE_CONFIGS.api_version, "kind": NODE_CONFIGS.kind, "metadata": {"name": NAME}, "spec": {}}
MANAGER = "mooring-node"
PROXY = {"mode": "IPTables", "removesServices": False, "answersArp": False}
FULL: dict[str, Any] = {
    "observedGeneration": 7,
    "daemonVersion": "1",
    "kubeProxy": PROXY | {"mode": "IPVS"},
}


@pytest.fixture
def seen(client: Client) -> Iterator[dict[str, Any]]:
    """A NodeConfig of which nothing has been reported yet."""
    yield client.create(NODE_CONFIGS, OBJECT)
    client.delete(NODE_CONFIGS, NAME)


def write(client: Client, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return client.replace_status(NODE_CONFIGS, NAME, seen["metadata"]["resourceVersion"], status, manager=MANAGER)


def test_what_is_not_said_any_more_is_taken_back(client: Client, seen: dict[str, Any]) -> None:
    """A generation that is withdrawn must be gone: the operator believes that the node confirmed it."""
    first = write(client, seen, FULL)
    assert first["status"] == FULL
    second = write(client, first, {"daemonVersion": "1", "kubeProxy": PROXY})
    assert second["status"] == {"daemonVersion": "1", "kubeProxy": PROXY}
    assert write(client, second, {})["status"] == {}


@pytest.mark.usefixtures("seen")
def test_so_is_what_another_manager_owns(client: Client) -> None:
    """A daemon of an earlier version applied it, as did a person; an apply of ours could not take that away."""
    for manager in (MANAGER, "a-person"):
        client.apply(
            NODE_CONFIGS,
            {"metadata": {"name": NAME}, "status": FULL},
            manager=manager,
            subresource="status",
            force=True,
        )
    now = client.get(NODE_CONFIGS, NAME)
    assert write(client, now, {"problems": []})["status"] == {"problems": []}


def test_a_field_that_the_server_does_not_know_costs_only_itself(client: Client, seen: dict[str, Any]) -> None:
    """The CRD is older than the daemon."""
    newer = {"telepathy": True, "kubeProxy": PROXY | {"mood": "good"}, "daemonVersion": "2"}
    assert write(client, seen, newer)["status"] == {"kubeProxy": PROXY, "daemonVersion": "2"}


def test_what_has_changed_since_is_left_alone(client: Client, seen: dict[str, Any]) -> None:
    now = write(client, seen, {"daemonVersion": "1"})
    with pytest.raises(Conflict, match="the object has been modified"):
        write(client, seen, FULL)
    assert client.get(NODE_CONFIGS, NAME)["status"] == now["status"]
    client.delete(NODE_CONFIGS, NAME)
    with pytest.raises(NotFound):
        write(client, now, FULL)
    again = client.create(NODE_CONFIGS, OBJECT)
    with pytest.raises(Conflict):
        write(client, now, FULL)
    assert "status" not in client.get(NODE_CONFIGS, NAME)
    assert write(client, again, {})["metadata"]["uid"] == again["metadata"]["uid"]


def test_the_spec_is_not_touched(client: Client, seen: dict[str, Any]) -> None:
    written = write(client, seen, FULL)
    assert written["metadata"]["generation"] == seen["metadata"]["generation"]
    assert written["spec"] == seen["spec"]
