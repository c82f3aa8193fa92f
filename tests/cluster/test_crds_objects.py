"""Objects of ours at a real API server: defaults, unknown fields, columns, status apart from spec, owners of fields."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.refused import VALID

from mooring_api.nodeconfig import NodeConfig
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import Wire, parse_object
from mooring_kube.client import Client
from mooring_kube.errors import Conflict, KubeError, NotFound
from mooring_kube.resources import NODE_CONFIGS, VIRTUAL_IPS, VIRTUAL_SERVERS, Resource
from mooring_lab.api.kubectl import Kubectl

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = {"apiVersion": "mooring.dev/v1alpha1"}
VIRTUAL_IP: dict[str, Any] = {"addresses": [{"address": "10.0.0.1/32"}]}
NODE_SERVER = {"name": "shop", "addresses": ["10.0.0.1"], "port": 443, "backends": [{"address": "10.0.0.28"}]}
INSTANCE = {"name": "web", "virtualRouterID": 51, "alsoAccept": [{"virtualRouterID": 52}], **VIRTUAL_IP}


VIRTUAL_SERVER = {
    "virtualIPRef": {"name": "web"},
    "ports": [{"name": "https", "port": 443}],
    "backends": {"servers": [{"address": "10.0.0.28"}]},
    "healthChecks": [{"name": "page", "https": {}}, {"name": "mail", "smtp": {}}],
}


def _object(kind: str, name: str, spec: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return HEAD | {"kind": kind, "metadata": {"name": name} | metadata, "spec": spec}


MINIMAL: dict[str, tuple[Resource, type[Wire], dict[str, Any]]] = {
    "VirtualIP": (VIRTUAL_IPS, VirtualIP, _object("VirtualIP", "minimal", VIRTUAL_IP)),
    "VirtualServer": (
        VIRTUAL_SERVERS,
        VirtualServer,
        _object("VirtualServer", "minimal", VIRTUAL_SERVER, namespace="default"),
    ),
    "NodeConfig": (
        NODE_CONFIGS,
        NodeConfig,
        _object("NodeConfig", "minimal", {"instances": [INSTANCE], "virtualServers": [NODE_SERVER]}),
    ),
}
each_kind = pytest.mark.parametrize("kind", MINIMAL)
Create = Callable[[Resource, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def create(client: Client) -> Iterator[Create]:
    """Creates an object that is deleted after the test."""
    made: list[tuple[Resource, str, str | None]] = []

    def one(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
        made.append((resource, document["metadata"]["name"], _namespace(resource)))
        return client.create(resource, document, _namespace(resource))

    yield one
    for resource, name, namespace in made:
        with suppress(NotFound):
            client.delete(resource, name, namespace)


def _namespace(resource: Resource) -> str | None:
    return "default" if resource.namespaced else None


# -- what stands in examples/


def test_the_example_is_accepted_as_it_stands(kubectl: Kubectl) -> None:
    done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(EXAMPLES / "dual-master"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "virtualip.mooring.dev/web created (server dry run)" in done.stdout


@pytest.mark.parametrize("path", sorted((EXAMPLES / "node").glob("*.yaml")), ids=lambda path: path.name)
def test_a_node_file_is_accepted_with_its_passwords_in_secrets(kubectl: Kubectl, path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    for instance in document["spec"]["instances"]:
        if "authentication" in instance:
            del instance["authentication"]["password"]
            instance["authentication"]["secretRef"] = {"name": "web-vrrp"}
    done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(document))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_password_itself_is_not_taken(kubectl: Kubectl) -> None:
    done = kubectl("apply", "--dry-run=server", "-f", str(EXAMPLES / "node/dual-master-lb-1.yaml"))
    assert done.returncode == 1
    assert 'unknown field "spec.instances[0].authentication.password"' in done.stderr


# -- defaults


def _without_empty(value: Any) -> Any:
    """The model writes an empty list where the API server writes none."""
    if isinstance(value, dict):
        return {key: below for key, one in value.items() if (below := _without_empty(one)) not in ([], {})}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


@each_kind
def test_the_defaults_are_the_models(create: Create, kind: str) -> None:
    resource, model, document = MINIMAL[kind]
    stored = create(resource, document)
    ours = parse_object(model, document, "minimal")
    assert _without_empty(stored["spec"]) == _without_empty(ours.to_wire()["spec"])
    theirs: Any = parse_object(model, stored, "minimal")
    assert theirs.spec == ours.spec  # type: ignore[attr-defined]


def test_a_field_that_is_named_without_a_value_gets_its_default(create: Create) -> None:
    stored = create(
        VIRTUAL_IPS, MINIMAL["VirtualIP"][2] | {"spec": {"addresses": [{"address": "10.0.0.1"}], "vrrp": {}}}
    )
    assert stored["spec"]["vrrp"]["version"] == 3
    assert stored["spec"]["vrrp"]["preemption"] == {"mode": "Always", "delay": "0s"}


# -- unknown fields

MISSPELT = """
apiVersion: mooring.dev/v1alpha1
kind: VirtualIP
metadata: {name: misspelt}
spec: {addresses: [{address: 10.0.0.100/24}], vrrp: {versoin: 2}}
"""


def test_an_unknown_field_is_refused_by_default(kubectl: Kubectl) -> None:
    done = kubectl("apply", "-f", "-", stdin=MISSPELT)
    assert done.returncode == 1
    assert done.stderr.endswith('strict decoding error: unknown field "spec.vrrp.versoin"\n')


def test_an_unknown_field_is_dropped_with_a_warning_where_asked(kubectl: Kubectl, client: Client) -> None:
    done = kubectl("apply", "--validate=warn", "-f", "-", stdin=MISSPELT)
    try:
        assert (done.returncode, done.stderr) == (0, 'Warning: unknown field "spec.vrrp.versoin"\n')
        assert "versoin" not in client.get(VIRTUAL_IPS, "misspelt")["spec"]["vrrp"]
    finally:
        client.delete(VIRTUAL_IPS, "misspelt")


def test_server_side_apply_takes_no_unknown_field_at_all(client: Client) -> None:
    """So new CRDs come before a new operator: what it applies is refused whole, not pruned."""
    with pytest.raises(KubeError) as error:
        client.apply(VIRTUAL_IPS, yaml.safe_load(MISSPELT), manager="mooring-operator")
    assert ".spec.vrrp.versoin: field not declared in schema" in str(error.value)


# -- columns


def _ago(**time: int) -> str:
    return (datetime.now(UTC) - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(kind: str, reason: str, since: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": "as it should be", "lastTransitionTime": since}


def _table(text: str) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


def test_the_columns_of_a_virtual_ip(create: Create, client: Client, kubectl: Kubectl) -> None:
    create(VIRTUAL_IPS, yaml.safe_load((EXAMPLES / "dual-master/virtualip.yaml").read_text()))
    fresh = _table(kubectl("get", "vip", "web").stdout)
    assert fresh[1][0] == "web"
    assert len(fresh[1]) == 2, "without a status there is nothing but the age"
    status = {
        "addressCount": 11,
        "holderSummary": "lb-1(6) lb-2(5)",
        "conditions": [
            _condition("Accepted", "Accepted", _ago(days=2)),
            _condition("Programmed", "Programmed", _ago(days=2)),
            _condition("Held", "Held", _ago(days=1, hours=30)),
        ],
    }
    client.merge_patch(VIRTUAL_IPS, "web", {"status": status}, subresource="status")
    heads, row = _table(kubectl("get", "vip", "web").stdout)
    assert heads == ["NAME", "ADDRESSES", "HOLDERS", "HELD", "SINCE", "ACCEPTED", "PLAN", "AGE"]
    assert row[:-1] == ["web", "11", "lb-1(6) lb-2(5)", "True", "2d6h", "True", "Programmed"]
    assert re.fullmatch(r"\d+s", row[-1])


def test_the_columns_of_a_virtual_server(create: Create, client: Client, kubectl: Kubectl) -> None:
    create(VIRTUAL_SERVERS, MINIMAL["VirtualServer"][2])
    status = {
        "portSummary": "443/TCP",
        "backendSummary": "2/3",
        "holderSummary": "lb-1",
        "conditions": [_condition(kind, kind, _ago(days=2)) for kind in ("Accepted", "Programmed", "Ready")],
    }
    client.merge_patch(VIRTUAL_SERVERS, "minimal", {"status": status}, "default", subresource="status")
    heads, row = _table(kubectl("get", "mvs", "minimal", "-n", "default").stdout)
    assert heads == ["NAME", "VIRTUALIP", "PORTS", "BACKENDS", "HOLDERS", "READY", "ACCEPTED", "PROGRAMMED", "AGE"]
    assert row[:-1] == ["minimal", "web", "443/TCP", "2/3", "lb-1", "True", "True", "True"]


def test_the_columns_of_a_node_config(create: Create, client: Client, kubectl: Kubectl) -> None:
    create(NODE_CONFIGS, VALID["NodeConfig"])
    status = {
        "observedGeneration": 1,
        "daemonVersion": "0.1.0",
        "problems": [{"instance": "web-0", "path": "spec.instances[0]", "message": "there is no interface eth7"}],
    }
    client.merge_patch(NODE_CONFIGS, "refused", {"status": status}, subresource="status")
    heads, row = _table(kubectl("get", "nc", "refused").stdout)
    assert heads == ["NAME", "GENERATION", "OBSERVED", "DAEMON", "AGE"]
    assert row[:-1] == ["refused", "1", "1", "0.1.0"]
    heads, row = _table(kubectl("get", "nc", "refused", "-o", "wide").stdout)
    assert heads[-1] == "PROBLEM"
    assert row[-1] == "there is no interface eth7"


def test_all_kinds_of_ours_have_a_name_in_common(create: Create, kubectl: Kubectl) -> None:
    for resource, _, document in MINIMAL.values():
        create(resource, document)
    names = kubectl("get", "mooring", "-o", "name").stdout.split()
    assert {f"{kind.lower()}.mooring.dev/minimal" for kind in MINIMAL} <= set(names)


# -- status and spec apart


@each_kind
def test_a_write_to_the_object_leaves_the_status_alone_and_the_other_way(
    create: Create, client: Client, kind: str
) -> None:
    resource, _, document = MINIMAL[kind]
    there = _namespace(resource)
    first = create(resource, document | {"status": {"observedGeneration": 7}})
    assert "status" not in first
    assert first["metadata"]["generation"] == 1

    both = {"spec": {"nodes": None}, "status": {"observedGeneration": 1}}
    changed = client.merge_patch(resource, "minimal", both, there, subresource="status")
    assert changed["status"] == {"observedGeneration": 1}
    assert changed["spec"] == first["spec"]
    assert changed["metadata"]["generation"] == 1
    assert changed["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]

    labelled = {"metadata": {"labels": {"a": "b"}}, "status": {"observedGeneration": 9}}
    assert client.merge_patch(resource, "minimal", labelled, there)["status"] == {"observedGeneration": 1}
    assert client.get(resource, "minimal", there)["metadata"]["generation"] == 1


def test_the_generation_moves_with_the_spec(create: Create, client: Client) -> None:
    create(VIRTUAL_IPS, MINIMAL["VirtualIP"][2])
    patch = {"spec": {"distribution": "Balanced"}}
    first = client.merge_patch(VIRTUAL_IPS, "minimal", patch)["metadata"]
    assert first["generation"] == 2
    again = client.merge_patch(VIRTUAL_IPS, "minimal", patch)["metadata"]
    assert (again["generation"], again["resourceVersion"]) == (2, first["resourceVersion"]), (
        "a write of nothing is none"
    )


# -- who owns which field

OWNED = """
apiVersion: mooring.dev/v1alpha1
kind: NodeConfig
metadata: {name: owned}
spec:
  instances:
    - {name: web, virtualRouterID: 51, priority: 100, addresses: [{address: 10.0.0.100/24}]}
"""


@pytest.fixture
def owned(client: Client) -> Iterator[dict[str, Any]]:
    """A NodeConfig that the operator applied."""
    yield client.apply(NODE_CONFIGS, yaml.safe_load(OWNED), manager="mooring-operator")
    client.delete(NODE_CONFIGS, "owned")


def test_a_human_who_applies_what_the_operator_owns_is_told_field_and_owner(
    owned: dict[str, Any], client: Client, kubectl: Kubectl
) -> None:
    done = kubectl("apply", "--server-side", "-f", "-", stdin=OWNED.replace("100,", "200,"))
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert first == 'error: Apply failed with 1 conflict: conflict with "mooring-operator": .spec.instances'
    assert client.get(NODE_CONFIGS, "owned") == owned

    same = {key: owned[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "owned"}}
    assert kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(same)).returncode == 0


def test_without_its_defaults_an_item_of_an_atomic_list_is_another_one(
    owned: dict[str, Any], client: Client, kubectl: Kubectl
) -> None:
    """The very text of the operator conflicts with what the API server made of it; its own next apply does not."""
    assert kubectl("apply", "--server-side", "-f", "-", stdin=OWNED).returncode == 1
    assert client.apply(NODE_CONFIGS, yaml.safe_load(OWNED), manager="mooring-operator") == owned


def test_a_human_who_applies_a_status_is_told_whose_it_is(create: Create, client: Client, kubectl: Kubectl) -> None:
    resource, _, document = MINIMAL["VirtualIP"]
    create(resource, document)
    status = {"metadata": {"name": "minimal"}, "status": {"holderSummary": "lb-1(1)"}}
    client.apply(resource, status, manager="mooring-operator", subresource="status")
    theirs = yaml.safe_dump(HEAD | {"kind": "VirtualIP"} | status | {"status": {"holderSummary": "lb-2(1)"}})
    done = kubectl("apply", "--server-side", "--subresource=status", "-f", "-", stdin=theirs)
    first = done.stderr.splitlines()[0]
    owner = '"mooring-operator" with subresource "status"'
    assert first == f"error: Apply failed with 1 conflict: conflict with {owner}: .status.holderSummary"


def test_the_operator_is_told_what_a_human_took_over(owned: dict[str, Any], client: Client, kubectl: Kubectl) -> None:
    theirs = OWNED.replace("100,", "200,")
    assert kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=theirs).returncode == 0
    with pytest.raises(Conflict) as error:
        client.apply(NODE_CONFIGS, yaml.safe_load(OWNED), manager="mooring-operator")
    (cause,) = error.value.details["causes"]
    assert cause == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl"',
        "field": ".spec.instances",
    }
    back = client.apply(NODE_CONFIGS, yaml.safe_load(OWNED), manager="mooring-operator", force=True)
    assert back["spec"] == owned["spec"]
    assert back["metadata"]["generation"] == 3


def test_an_apply_to_a_version_that_is_past_is_refused(owned: dict[str, Any], client: Client) -> None:
    client.merge_patch(NODE_CONFIGS, "owned", {"metadata": {"labels": {"a": "b"}}})
    stale = yaml.safe_load(OWNED)
    stale["metadata"]["resourceVersion"] = owned["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="the object has been modified"):
        client.apply(NODE_CONFIGS, stale, manager="mooring-operator", force=True)
