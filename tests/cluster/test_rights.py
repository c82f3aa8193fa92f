"""The rights in deploy/: each is needed, and what is not given is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import ApiError, Conflict, Forbidden, NotFound, Unauthorized
from mooring_kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODE_CONFIGS,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_lab.api import NAMESPACE
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.wait import wait_until
from mooring_operator.cluster.rights import needed

pytestmark = pytest.mark.cluster

DEPLOY = Path(__file__).parents[2] / "deploy"
RESOURCES = {
    resource.plural: resource
    for resource in (
        CUSTOM_RESOURCE_DEFINITIONS, ENDPOINT_SLICES, EVENTS, LEASES, NAMESPACES, NODE_CONFIGS, NODES, PODS, SECRETS,
        VIRTUAL_IPS, VIRTUAL_SERVERS,
    )
}  # fmt: skip
OPERATOR, NODE = "mooring-operator", "mooring-node"
#: A policy is in force some moments after it was applied, a right after its role was changed.
SOON_S = 30.0


@dataclass(frozen=True)
class Right:
    """One verb on one resource, as a role of deploy/ gives it."""

    account: str
    role: str
    namespace: str | None
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.account}: {self.verb} {self.resource}{f' in {self.namespace}' if self.namespace else ''}"


def _documents() -> Iterator[dict[str, Any]]:
    for path in sorted(DEPLOY.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


def _rights() -> list[Right]:
    roles = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): d for d in _documents()}
    found = []
    for document in _documents():
        if not document["kind"].endswith("Binding") or "roleRef" not in document:
            continue
        (subject,) = document["subjects"]
        namespace = document["metadata"].get("namespace")
        role = roles[document["roleRef"]["kind"], namespace, document["roleRef"]["name"]]
        found += [
            Right(subject["name"], role["metadata"]["name"], namespace, resource, verb)
            for rule in role["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]
    return found


@pytest.fixture(scope="module")
def deployed(real_api: RealApi, kubectl: Kubectl) -> Iterator[RealApi]:
    """The manifests as they are in deploy/, two nodes with their NodeConfigs, a VirtualIP and a VirtualServer."""
    assert kubectl("apply", "-f", str(DEPLOY)).returncode == 0
    admin = Client(from_kubeconfig(real_api.kubeconfig))
    for name in ("rights-1", "rights-2"):
        admin.apply(NODES, {"metadata": {"name": name}}, manager="test")
        admin.apply(NODE_CONFIGS, {"metadata": {"name": name}, "spec": {}}, manager="test")
    spec = {"addresses": [{"address": "10.0.0.100/24"}]}
    admin.apply(VIRTUAL_IPS, {"metadata": {"name": "rights"}, "spec": spec}, manager="test")
    balanced: dict[str, Any] = {
        "virtualIPRef": {"name": "rights"},
        "ports": [{"name": "http", "port": 80}],
        "backends": {"servers": [{"address": "10.0.0.28"}]},
    }
    server = {"metadata": {"name": "rights", "namespace": "default"}, "spec": balanced}
    admin.apply(VIRTUAL_SERVERS, server, manager="test", namespace="default")
    yield real_api
    admin.delete(VIRTUAL_SERVERS, "rights", "default")
    admin.delete(VIRTUAL_IPS, "rights")
    for name in ("rights-1", "rights-2"):
        admin.delete(NODE_CONFIGS, name)
        admin.delete(NODES, name)
    admin.close()
    kubectl("delete", "-f", str(DEPLOY / "admission.yaml"), "-f", str(DEPLOY / "operator-rbac.yaml"))
    kubectl("delete", "-f", str(DEPLOY / "node-rbac.yaml"))


Enter = Callable[..., Client]


@pytest.fixture
def enter(deployed: RealApi, tmp_path: Path) -> Iterator[Enter]:
    """A client with a fresh token of a service account."""
    made: list[Client] = []

    def new(account: str, **bound: str) -> Client:
        file = deployed.kubeconfig_for(deployed.token(account, **bound), tmp_path / f"{len(made)}.kubeconfig")
        made.append(Client(from_kubeconfig(file)))
        return made[-1]

    yield new
    for client in made:
        client.close()


def _attempt(client: Client, right: Right) -> None:
    """The request that needs this right, and succeeds or fails for another reason when it is there."""
    plural, _, below = right.resource.partition("/")
    resource, namespace = RESOURCES[plural], right.namespace
    if resource.namespaced and namespace is None:
        namespace = None if right.verb in ("list", "watch") else "default"
    subresource = below or None
    names = {"nodeconfigs": "rights-1", "nodes": "rights-1", "leases": OPERATOR}
    name = names.get(plural, "rights")
    try:
        if right.verb == "get":
            client.get(resource, name, namespace)
        elif right.verb == "list":
            client.list(resource, namespace)
        elif right.verb == "watch":
            client.watch(resource, resource_version="0", namespace=namespace, timeout_s=1).close()
        elif right.verb == "delete":
            client.delete(resource, "rights-none", namespace)
        elif right.verb == "create":
            _create(client, resource, namespace)
        elif right.verb == "update":
            client.replace(resource, {"metadata": {"name": name}}, namespace, subresource)
        else:
            assert right.verb == "patch"
            client.merge_patch(resource, name, {"metadata": {"labels": {}}}, namespace, subresource)
    except Forbidden:
        raise
    except ApiError:
        return


def _create(client: Client, resource: Resource, namespace: str | None) -> None:
    # Nothing is made: the name is none, which is found out after the right.
    client.create(resource, {"metadata": {"name": "No Name"}}, namespace)


def _allowed(client: Client, right: Right) -> bool:
    try:
        _attempt(client, right)
    except Forbidden:
        return False
    return True


def _without(right: Right) -> dict[str, Any]:
    """The role with this one verb on this one resource taken out."""
    (role,) = [
        d
        for d in _documents()
        if d["kind"] in ("Role", "ClusterRole")
        and d["metadata"]["name"] == right.role
        and d["metadata"].get("namespace") == right.namespace
    ]
    rules = []
    for rule in role["rules"]:
        for resource in rule["resources"]:
            verbs = [verb for verb in rule["verbs"] if (resource, verb) != (right.resource, right.verb)]
            if verbs:
                rules.append(rule | {"resources": [resource], "verbs": verbs})
    return role | {"rules": rules}


def test_the_operator_is_given_what_it_looks_for_and_nothing_else() -> None:
    asked = {
        (f"{each.resource.plural}/{each.subresource}".rstrip("/"), each.verb) for each in needed(NAMESPACE, OPERATOR)
    }
    given = {(right.resource, right.verb) for right in _rights() if right.account == OPERATOR}
    assert given == asked


@pytest.mark.parametrize("right", _rights(), ids=str)
def test_each_right_is_given_and_without_it_the_request_is_refused(
    enter: Enter, tmp_path: Path, kubectl: Kubectl, right: Right
) -> None:
    bound = {"node": "rights-1"} if right.account == NODE else {}
    client = enter(right.account, **bound)
    wait_until(lambda: _allowed(client, right), SOON_S, f"{right} to be allowed", every=0.1)
    file = tmp_path / "role.yaml"
    file.write_text(yaml.safe_dump(_without(right)))
    try:
        assert kubectl("replace", "-f", str(file)).returncode == 0
        wait_until(lambda: not _allowed(client, right), SOON_S, f"{right} to be refused", every=0.1)
    finally:
        assert kubectl("apply", "-f", str(DEPLOY), "--force-conflicts", "--server-side").returncode == 0
    wait_until(lambda: _allowed(client, right), SOON_S, f"{right} to be allowed again", every=0.1)


def _own_status(client: Client, node: str) -> dict[str, Any]:
    document = {"metadata": {"name": node}, "status": {"daemonVersion": "1"}}
    return client.apply(NODE_CONFIGS, document, manager="mooring-node", subresource="status", force=True)


def test_a_daemon_writes_the_status_of_its_own_node_alone(enter: Enter) -> None:
    client = enter(NODE, node="rights-1")
    assert _own_status(client, "rights-1")["status"]["daemonVersion"] == "1"
    with pytest.raises(ApiError, match="this token is of node rights-1 and may not write NodeConfig rights-2"):
        wait_until(lambda: not _own_status(client, "rights-2"), SOON_S, "the policy to be in force", every=0.2)


def test_a_token_without_a_node_is_refused(enter: Enter) -> None:
    client = enter(NODE)
    with pytest.raises(ApiError, match="this token names no node"):
        wait_until(lambda: not _own_status(client, "rights-1"), SOON_S, "the policy to be in force", every=0.2)


def test_a_status_with_another_objects_name_inside_is_refused(enter: Enter) -> None:
    client = enter(NODE, node="rights-1")
    body = {"apiVersion": NODE_CONFIGS.api_version, "kind": "NodeConfig", "metadata": {"name": "rights-1"}}
    path = NODE_CONFIGS.path(name="rights-2", subresource="status")
    with pytest.raises(ApiError) as caught:
        client.request(
            "PATCH", path, query={"fieldManager": "x"}, body=body, content_type="application/apply-patch+yaml"
        )
    assert caught.value.status in (400, 403, 422)


def test_a_spec_is_not_a_daemons(enter: Enter) -> None:
    client = enter(NODE, node="rights-1")
    with pytest.raises(Forbidden):
        client.apply(NODE_CONFIGS, {"metadata": {"name": "rights-1"}, "spec": {}}, manager="x", force=True)


def test_a_nodes_status_is_not_the_operators(enter: Enter) -> None:
    client = enter(OPERATOR)
    with pytest.raises(Forbidden):
        _own_status(client, "rights-1")


NOTHING = {
    OPERATOR: [
        (lambda c: c.list(SECRETS, NAMESPACE), "secrets"),
        (lambda c: c.list(SECRETS), "secrets"),
        (lambda c: c.merge_patch(VIRTUAL_IPS, "rights", {"spec": {}}), "virtualips"),
        (lambda c: c.merge_patch(NODES, "rights-1", {"spec": {}}), "nodes"),
        (lambda c: c.get(PODS, "any", "default"), "pods"),
        (lambda c: c.get(LEASES, "any", "kube-system"), "leases"),
        (lambda c: c.get(LEASES, "another", NAMESPACE), "leases"),
        (lambda c: c.replace(LEASES, {"metadata": {"name": "another"}}, NAMESPACE), "leases"),
        (lambda c: c.get(NODES, "rights-1"), "nodes"),
        (lambda c: c.list(EVENTS, "default"), "events"),
        (lambda c: c.delete(EVENTS, "any", "default"), "events"),
        (lambda c: c.merge_patch(VIRTUAL_SERVERS, "rights", {"spec": {}}, "default"), "virtualservers"),
        (lambda c: c.get(ENDPOINT_SLICES, "any", "default"), "endpointslices"),
        (lambda c: c.merge_patch(NAMESPACES, "default", {"metadata": {}}), "namespaces"),
    ],
    NODE: [
        (lambda c: c.list(SECRETS, "default"), "secrets"),
        (lambda c: c.list(SECRETS), "secrets"),
        (lambda c: c.get(SECRETS, "any", "kube-system"), "secrets"),
        (lambda c: c.list(VIRTUAL_IPS), "virtualips"),
        (lambda c: c.list(NODES), "nodes"),
        (lambda c: c.list(PODS), "pods"),
        (lambda c: c.list(VIRTUAL_SERVERS), "virtualservers"),
        (lambda c: c.list(ENDPOINT_SLICES), "endpointslices"),
        (lambda c: c.create(NODE_CONFIGS, {"metadata": {"name": "a"}, "spec": {}}), "nodeconfigs"),
        (lambda c: c.delete(NODE_CONFIGS, "rights-1"), "nodeconfigs"),
        (lambda c: c.create(EVENTS, {"metadata": {"name": "No Name"}}, "default"), "events"),
        (lambda c: c.get(LEASES, "mooring-operator", NAMESPACE), "leases"),
        (
            lambda c: c.request("POST", SERVICE_ACCOUNTS.path(NAMESPACE, OPERATOR, "token"), body={"spec": {}}),
            "serviceaccounts/token",
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("account", "index"), [(account, index) for account, tried in NOTHING.items() for index in range(len(tried))]
)
def test_what_is_not_given_is_refused(enter: Enter, account: str, index: int) -> None:
    client = enter(account, **({"node": "rights-1"} if account == NODE else {}))
    attempt, named = NOTHING[account][index]
    with pytest.raises(Forbidden, match=named.partition("/")[0]):
        attempt(client)


def test_a_policy_that_cannot_be_evaluated_lets_nobody_write(enter: Enter, kubectl: Kubectl, tmp_path: Path) -> None:
    (policy,) = [d for d in _documents() if d["kind"] == "ValidatingAdmissionPolicy"]
    broken = policy | {
        "spec": policy["spec"] | {"variables": [{"name": "node", "expression": "object.spec.none.none"}]}
    }
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(broken))
    client = enter(NODE, node="rights-1")
    try:
        assert kubectl("replace", "-f", str(file)).returncode == 0
        with pytest.raises(ApiError, match="expression"):
            wait_until(lambda: not _own_status(client, "rights-1"), SOON_S, "the broken policy", every=0.2)
    finally:
        assert kubectl("apply", "-f", str(DEPLOY), "--force-conflicts", "--server-side").returncode == 0

    def works() -> bool:
        try:
            return bool(_own_status(client, "rights-1"))
        except (ApiError, Conflict):
            return False

    wait_until(works, SOON_S, "the policy to be mended", every=0.2)


def test_the_token_of_a_deleted_node_is_refused(deployed: RealApi, enter: Enter) -> None:
    admin = Client(from_kubeconfig(deployed.kubeconfig))
    admin.apply(NODES, {"metadata": {"name": "rights-3"}}, manager="test")
    admin.apply(NODE_CONFIGS, {"metadata": {"name": "rights-3"}, "spec": {}}, manager="test")
    client = enter(NODE, node="rights-3")
    _own_status(client, "rights-3")
    admin.delete(NODES, "rights-3")

    def refused() -> bool:
        try:
            _own_status(client, "rights-3")
        except (Unauthorized, NotFound):
            return True
        return False

    try:
        wait_until(refused, SOON_S, "the token to be refused", every=0.5)
        with pytest.raises(Unauthorized):
            client.list(NODE_CONFIGS)
    finally:
        admin.delete(NODE_CONFIGS, "rights-3")
        admin.close()
