"""The rights that the chart renders: each is needed, and what is not given is refused.

deploy/ holds the same objects, as they are with the chart's defaults (tests/chart compares); the rights of `helm test`
are in the chart alone. A second release under other names stands in another namespace beside the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from mooring_lab.charts import MOORING
from mooring_lab.charts.helm import Helm
from mooring_lab.wait import wait_until
from mooring_operator.cluster.rights import needed

pytestmark = pytest.mark.cluster

Document = dict[str, Any]

RESOURCES = {
    resource.plural: resource
    for resource in (
        CUSTOM_RESOURCE_DEFINITIONS, ENDPOINT_SLICES, EVENTS, LEASES, NAMESPACES, NODE_CONFIGS, NODES, PODS, SECRETS,
        VIRTUAL_IPS, VIRTUAL_SERVERS,
    )
}  # fmt: skip
OPERATOR, NODE, VERIFY = "mooring-operator", "mooring-node", "mooring-verify"
#: What is about rights, in the order in which it must be there.
KINDS = (
    "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip
#: All that the chart grants, account by account: in the whole cluster, and in Mooring's own namespace. Whoever gives
#: another right changes this table too, knowingly.
EVERYWHERE = {
    OPERATOR: {
        "virtualips": "get list watch", "virtualips/status": "patch",
        "virtualservers": "get list watch", "virtualservers/status": "patch",
        "nodeconfigs": "get list watch create patch delete",
        "nodes": "list watch", "namespaces": "list watch", "pods": "list watch", "endpointslices": "list watch",
        "events": "create patch",
    },
    NODE: {"nodeconfigs": "list watch", "nodeconfigs/status": "patch"},
    VERIFY: {"nodeconfigs": "list"},
}  # fmt: skip
AT_HOME = {
    OPERATOR: {"leases": "create get update"},
    NODE: {"secrets": "list watch"},
    VERIFY: {"leases": "get", "pods": "list"},
}
#: Another release, with names of its own, in a namespace of its own.
OTHER_NAMESPACE, OTHER_NAME = "edge-net", "vips"
#: A policy is in force some moments after it was applied, a right after its role was changed.
SOON_S = 30.0


@dataclass(frozen=True)
class Right:
    """One verb on one resource, as a role of the chart gives it."""

    account: str
    namespace: str | None
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.account}: {self.verb} {self.resource}{f' in {self.namespace}' if self.namespace else ''}"


def _rights() -> list[Right]:
    tables = ((None, EVERYWHERE), (NAMESPACE, AT_HOME))
    return [
        Right(account, namespace, resource, verb)
        for namespace, table in tables
        for account, granted in table.items()
        for resource, verbs in granted.items()
        for verb in verbs.split()
    ]


@dataclass(frozen=True)
class Release:
    """What is about rights in a rendering of the chart."""

    namespace: str
    documents: tuple[Document, ...]

    def write(self, path: Path, *documents: Document) -> str:
        """A file with these, or with all; its name."""
        path.write_text(yaml.safe_dump_all(documents or self.documents))
        return str(path)

    def rights(self) -> list[Right]:
        """By its bindings."""
        roles = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): d for d in self.documents}
        found = []
        for binding in (document for document in self.documents if "roleRef" in document):
            (subject,) = binding["subjects"]
            assert subject["namespace"] == self.namespace
            namespace = binding["metadata"].get("namespace")
            role = roles[binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]]
            found += [
                Right(subject["name"], namespace, resource, verb)
                for rule in role["rules"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            ]
        return found

    def without(self, right: Right) -> Document:
        """The role with this one verb on this one resource taken out. Roles are named after their accounts."""
        (role,) = [
            d
            for d in self.documents
            if d["kind"] in ("Role", "ClusterRole")
            and d["metadata"]["name"] == right.account
            and d["metadata"].get("namespace") == right.namespace
        ]
        rules = []
        for rule in role["rules"]:
            for resource in rule["resources"]:
                verbs = [verb for verb in rule["verbs"] if (resource, verb) != (right.resource, right.verb)]
                if verbs:
                    rules.append(rule | {"resources": [resource], "verbs": verbs})
        return role | {"rules": rules}


def _render(home: Path, namespace: str, *flags: str) -> Release:
    text = Helm(home).template(MOORING, *flags, namespace=namespace)
    documents = [document for document in yaml.safe_load_all(text) if document and document["kind"] in KINDS]
    return Release(namespace, tuple(sorted(documents, key=lambda document: KINDS.index(document["kind"]))))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """With the chart's defaults."""
    return _render(tmp_path_factory.mktemp("helm"), NAMESPACE)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return _render(tmp_path_factory.mktemp("helm"), OTHER_NAMESPACE, f"--set=fullnameOverride={OTHER_NAME}")


@pytest.fixture(scope="module")
def deployed(
    real_api: RealApi, kubectl: Kubectl, release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealApi]:
    """The chart's rights, two nodes with their NodeConfigs, a VirtualIP and a VirtualServer."""
    file = release.write(tmp_path_factory.mktemp("rights") / "rights.yaml")
    assert kubectl("apply", "-f", file).returncode == 0
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
    kubectl("delete", "-f", file)


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


def test_the_chart_grants_this_and_nothing_else(release: Release, other: Release) -> None:
    assert sorted(release.rights(), key=str) == sorted(_rights(), key=str)
    renamed = [
        replace(
            right, account=right.account.replace("mooring", OTHER_NAME), namespace=right.namespace and OTHER_NAMESPACE
        )
        for right in _rights()
    ]
    assert sorted(other.rights(), key=str) == sorted(renamed, key=str)


def test_no_right_is_for_everything(release: Release) -> None:
    rules = [rule for document in release.documents for rule in document.get("rules", ())]
    assert rules
    for rule in rules:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], rule
        assert "nonResourceURLs" not in rule
    referred = {document["roleRef"]["name"] for document in release.documents if "roleRef" in document}
    assert referred == {OPERATOR, NODE, VERIFY}


def test_the_operator_is_given_what_it_looks_for_and_nothing_else(release: Release) -> None:
    asked = {
        (f"{each.resource.plural}/{each.subresource}".rstrip("/"), each.verb) for each in needed(NAMESPACE, OPERATOR)
    }
    given = {(right.resource, right.verb) for right in release.rights() if right.account == OPERATOR}
    assert given == asked


@pytest.mark.parametrize("right", _rights(), ids=str)
def test_each_right_is_given_and_without_it_the_request_is_refused(
    enter: Enter, tmp_path: Path, kubectl: Kubectl, release: Release, right: Right
) -> None:
    bound = {"node": "rights-1"} if right.account == NODE else {}
    client = enter(right.account, **bound)
    wait_until(lambda: _allowed(client, right), SOON_S, f"{right} to be allowed", every=0.1)
    file = release.write(tmp_path / "role.yaml", release.without(right))
    try:
        assert kubectl("replace", "-f", file).returncode == 0
        wait_until(lambda: not _allowed(client, right), SOON_S, f"{right} to be refused", every=0.1)
    finally:
        whole = release.write(tmp_path / "rights.yaml")
        assert kubectl("apply", "-f", whole, "--force-conflicts", "--server-side").returncode == 0
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
    VERIFY: [
        (lambda c: c.list(SECRETS, NAMESPACE), "secrets"),
        (lambda c: c.list(PODS), "pods"),
        (lambda c: c.list(PODS, "kube-system"), "pods"),
        (lambda c: c.get(PODS, "any", NAMESPACE), "pods"),
        (lambda c: c.list(VIRTUAL_IPS), "virtualips"),
        (lambda c: c.list(LEASES, NAMESPACE), "leases"),
        (lambda c: c.get(LEASES, "another", NAMESPACE), "leases"),
        (lambda c: c.replace(LEASES, {"metadata": {"name": OPERATOR}}, NAMESPACE), "leases"),
        (lambda c: _own_status(c, "rights-1"), "nodeconfigs"),
        (lambda c: c.delete(NODE_CONFIGS, "rights-1"), "nodeconfigs"),
        (lambda c: c.create(PODS, {"metadata": {"name": "No Name"}}, NAMESPACE), "pods"),
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


def test_a_policy_that_cannot_be_evaluated_lets_nobody_write(
    enter: Enter, kubectl: Kubectl, release: Release, tmp_path: Path
) -> None:
    (policy,) = [d for d in release.documents if d["kind"] == "ValidatingAdmissionPolicy"]
    broken = policy | {
        "spec": policy["spec"] | {"variables": [{"name": "node", "expression": "object.spec.none.none"}]}
    }
    file = release.write(tmp_path / "policy.yaml", broken)
    client = enter(NODE, node="rights-1")
    try:
        assert kubectl("replace", "-f", file).returncode == 0
        with pytest.raises(ApiError, match="expression"):
            wait_until(lambda: not _own_status(client, "rights-1"), SOON_S, "the broken policy", every=0.2)
    finally:
        whole = release.write(tmp_path / "rights.yaml")
        assert kubectl("apply", "-f", whole, "--force-conflicts", "--server-side").returncode == 0

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


def test_a_release_of_another_name_in_another_namespace_has_the_same_bounds(
    deployed: RealApi, kubectl: Kubectl, other: Release, tmp_path: Path
) -> None:
    file = other.write(tmp_path / "other.yaml")
    assert kubectl("create", "namespace", OTHER_NAMESPACE).returncode == 0
    done = kubectl("apply", "-f", file)
    try:
        assert done.returncode == 0, done.stderr
        token = deployed.token(f"{OTHER_NAME}-node", namespace=OTHER_NAMESPACE, node="rights-1")
        client = Client(from_kubeconfig(deployed.kubeconfig_for(token, tmp_path / "kubeconfig")))
        wait_until(lambda: _may(lambda: _own_status(client, "rights-1")), SOON_S, "its own status", every=0.2)
        with pytest.raises(ApiError, match="this token is of node rights-1 and may not write NodeConfig rights-2"):
            wait_until(lambda: not _own_status(client, "rights-2"), SOON_S, "the policy to be in force", every=0.2)
        client.list(SECRETS, OTHER_NAMESPACE)
        with pytest.raises(Forbidden):
            client.list(SECRETS, NAMESPACE)
        client.close()
    finally:
        kubectl("delete", "-f", file)
        kubectl("delete", "namespace", OTHER_NAMESPACE, "--wait=false")


def _may(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Forbidden:
        return False
    return True


def test_what_a_pod_security_level_says_of_each_pod(kubectl: Kubectl, tmp_path: Path) -> None:
    """The operator and the test run where the strictest level is enforced; the daemon needs the namespace's level."""
    namespace = "rights-strict"
    labels = ["pod-security.kubernetes.io/enforce=restricted"]
    text = Helm(tmp_path).template(MOORING, namespace=namespace)
    workloads = [d for d in yaml.safe_load_all(text) if d and d["kind"] in ("Deployment", "DaemonSet", "Pod")]
    assert kubectl("create", "namespace", namespace).returncode == 0
    assert kubectl("label", "namespace", namespace, *labels).returncode == 0
    said = {}
    try:
        for document in workloads:
            pod = document if document["kind"] == "Pod" else document["spec"]["template"] | {"kind": "Pod"}
            pod = {"apiVersion": "v1", "kind": "Pod"} | pod
            pod["metadata"] = {"name": "strict", "namespace": namespace}
            # Accounts and priorities have rules of their own.
            pod["spec"] = pod["spec"] | {"serviceAccountName": "", "priorityClassName": ""}
            file = tmp_path / "pod.yaml"
            file.write_text(yaml.safe_dump(pod))
            done = kubectl("create", "--dry-run=server", "-f", str(file))
            said[document["metadata"]["name"]] = done.stderr if done.returncode else "allowed"
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
    assert said[OPERATOR] == said[VERIFY] == "allowed"
    assert "violates PodSecurity" in said[NODE]
    for reason in ("host namespaces", "unrestricted capabilities", "hostPath", "runAsUser=0"):
        assert reason in said[NODE]
