"""deploy/ gives exactly the rights that the software uses, by the API server's own log of a whole story."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.cluster.whole.conftest import Stage
from tests.cluster.whole.scenery import SOON_S, Scene, secret, virtual_ip, with_password

from mooring_api.virtualip import PAUSED
from mooring_kube.resources import ENDPOINT_SLICES, NODE_CONFIGS, NODES, VIRTUAL_IPS, VIRTUAL_SERVERS
from mooring_lab.wait import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.netns, pytest.mark.real_api]

DEPLOY = Path(__file__).parents[3] / "deploy"
SLICE = {
    "metadata": {"name": "balanced-1", "labels": {"kubernetes.io/service-name": "balanced"}},
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": True}}],
}
SERVER = {
    "metadata": {"name": "balanced", "namespace": "default"},
    "spec": {
        "virtualIPRef": {"name": "web"},
        "ports": [{"name": "http", "port": 80}],
        "backends": {"service": {"name": "balanced"}},
    },
}
OPERATOR, NODE = "mooring-operator", "mooring-node"


class Right(NamedTuple):
    """A verb on a resource, in one namespace or (empty) in all and where there are none."""

    account: str
    namespace: str
    resource: str
    verb: str


def given() -> set[Right]:
    """What deploy/ gives."""
    documents = [d for path in sorted(DEPLOY.glob("*.yaml")) for d in yaml.safe_load_all(path.read_text())]
    roles = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): d for d in documents}
    found = set()
    for document in (d for d in documents if "roleRef" in d):
        namespace = document["metadata"].get("namespace")
        role = roles[document["roleRef"]["kind"], namespace, document["roleRef"]["name"]]
        found |= {
            Right(subject["name"], namespace or "", _called(group, resource), verb)
            for subject in document["subjects"]
            for rule in role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
    return found


def _called(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def audited(log: Path) -> list[dict[str, Any]]:
    """The requests of our two accounts, in order."""
    lines = log.read_text().splitlines(keepends=True)
    # The last one may be only half written.
    events: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in events if "objectRef" in event]


def rights_of(event: dict[str, Any]) -> Iterator[Right]:
    """What the request needed; the one that made an object by applying it needed two."""
    wanted = event["objectRef"]
    below = f"/{wanted['subresource']}" if "subresource" in wanted else ""
    called = _called(wanted.get("apiGroup", ""), wanted["resource"] + below)
    account = event["user"]["username"].rpartition(":")[2]
    made = event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == HTTPStatus.CREATED
    for verb in (event["verb"], "create") if made else (event["verb"],):
        yield Right(account, wanted.get("namespace", ""), called, verb)


def covers(right: Right, used: Right) -> bool:
    """Whether the use needed that right: one for all namespaces serves in each."""
    return right._replace(namespace="") == used._replace(namespace="") and right.namespace in ("", used.namespace)


def test_each_right_is_used_and_none_is_missing(stage: Stage, scene: Scene) -> None:
    log = stage.audit_log
    before = len(audited(log))
    tell_the_story(scene)
    rights = given()

    def unused() -> set[Right]:
        used = {right for event in audited(log) for right in rights_of(event)}
        return {right for right in rights if not any(covers(right, each) for each in used)}

    def all_used() -> bool:
        quarrel_over(scene, "web")
        return not unused()

    with suppress(TimeoutError):
        wait_until(all_used, SOON_S, "all rights to be used")
    scene.client.merge_patch(NODE_CONFIGS, "lb-3", {"metadata": {"labels": None}})
    assert unused() == set()
    story = audited(log)[before:]
    assert {right.account for event in story for right in rights_of(event)} == {OPERATOR, NODE}
    refused = [event for event in story if event.get("responseStatus", {}).get("code") == HTTPStatus.FORBIDDEN]
    assert refused == []


def tell_the_story(scene: Scene) -> None:
    """All that a cluster goes through, as far as it asks for anything."""
    spec = virtual_ip("web", "10.0.0.100", vrrp=with_password("web-key"), interval="1s")
    spec["spec"]["allowedNamespaces"] = {"from": "All"}
    spec["spec"]["nodes"]["pods"] = {"namespace": "default", "selector": {"matchLabels": {"app": "ingress"}}}
    scene.apply(secret("web-key", "one"), spec)
    scene.until_programmed("web")
    scene.until_held("web")
    scene.apply(secret("web-key", "two"))
    scene.until_settled()
    scene.client.apply(ENDPOINT_SLICES, SLICE, manager="test", namespace="default")
    scene.client.apply(VIRTUAL_SERVERS, SERVER, manager="test", namespace="default")
    scene.until("the VirtualServer to be accepted", lambda: _accepted(scene))
    # A Node that goes takes its NodeConfig along; one that comes gets one.
    scene.client.create(NODES, {"metadata": {"name": "lb-9"}})
    scene.until("a NodeConfig for it", lambda: scene.config("lb-9"))
    scene.client.delete(NODES, "lb-9")
    scene.until("the NodeConfig to go with it", lambda: not scene.config("lb-9"))
    scene.lab.node("lb-3").stop_daemon()
    scene.lab.node("lb-3").start_daemon()
    scene.cluster.stop_operator()
    scene.cluster.start_operator()
    scene.until_settled()


def quarrel_over(scene: Scene, name: str) -> None:
    """Write so fast, and so that something follows, that the operator's writes meet other versions than it knows."""
    for number in range(20):
        annotations = {PAUSED: "true" if number % 4 == 3 else None}
        spec = {"vrrp": {"preemption": {"delay": f"{number % 3}s"}}}
        scene.client.merge_patch(VIRTUAL_IPS, name, {"metadata": {"annotations": annotations}, "spec": spec})
        scene.client.merge_patch(NODE_CONFIGS, "lb-3", {"metadata": {"labels": {"number": str(number)}}})
        changed = {
            "metadata": {"labels": {"number": str(number)}},
            "spec": {"scheduler": "rr" if number % 2 else "wrr"},
        }
        scene.client.merge_patch(VIRTUAL_SERVERS, "balanced", changed, "default")


def _accepted(scene: Scene) -> bool:
    status = scene.client.get(VIRTUAL_SERVERS, "balanced", "default").get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    return conditions.get("Accepted") == "True"
