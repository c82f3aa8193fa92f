"""Wire names, strictness, and errors with path and remedy."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from mooring_api.duration import Duration
from mooring_api.health_check import HTTPRequest
from mooring_api.nodeconfig import Instance, InstanceAuthentication, Metadata, NodeConfig
from mooring_api.problems import InvalidObject
from mooring_api.virtualip import VirtualIP
from mooring_api.wire import Between, Rule, Wire, duration, parse_object, wire_name


@pytest.mark.parametrize(
    ("python", "wire"),
    [
        ("name", "name"),
        ("sync_group", "syncGroup"),
        ("virtual_router_id", "virtualRouterID"),
        ("virtual_router_ids", "virtualRouterIDs"),
        ("minimum_ttl", "minimumTTL"),
        ("virtual_ip", "virtualIP"),
        ("id", "id"),
    ],
)
def test_names_are_kubernetes_own(python: str, wire: str) -> None:
    assert wire_name(python) == wire


def test_an_object_is_written_as_it_was_read(node_config: Any, instance: Any) -> None:
    document = node_config(instance(lease="3s", advertisementInterval="100ms"))
    written = parse_object(NodeConfig, document, "lb-1").to_wire()
    assert written["metadata"] == {"name": "lb-1"}
    assert written["spec"]["instances"][0]["advertisementInterval"] == "100ms"
    assert "status" not in written
    assert parse_object(NodeConfig, written, "lb-1").to_wire() == written


def test_labels_are_written_where_there_are_some() -> None:
    assert Metadata(name="a", labels={"x": "y"}).to_wire() == {"name": "a", "labels": {"x": "y"}}
    assert Metadata(name="a").to_wire() == {"name": "a"}


def _problems(model: type[Wire], document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidObject) as caught:
        parse_object(model, document, "it")
    return [(problem.path, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"priority": "100"}, "priority", "must be a whole number without quotes; '100' was given"),
        ({"priority": True}, "priority", "must be a whole number; true was given"),
        ({"priority": 256}, "priority", "must be at most 255; 256 was given"),
        ({"priority": 0}, "priority", "must be at least 1; 0 was given"),
        ({"eligible": "yes"}, "eligible", "must be true or false without quotes; 'yes' was given"),
        ({"name": 7}, "name", 'must be text; put it in quotes, as in "7"; 7 was given'),
        ({"onStop": "Stay"}, "onStop", "write Release or Keep; 'Stay' was given"),
        ({"version": 4}, "version", "write 2 or 3; 4 was given"),
        ({"prio": 7}, "prio", "unknown field; remove it or correct its spelling"),
        ({"sync_group": "a"}, "sync_group", "unknown field; remove it or correct its spelling"),
        ({"addresses": []}, "addresses", "needs at least 1 item"),
        ({"addresses": {}}, "addresses", "must be a list; {} was given"),
        ({"transport": "Unicast"}, "transport", "must be a mapping; 'Unicast' was given"),
        ({"lease": 3}, "lease", "3 is not a duration; write a number and a unit, such as 100ms or 1s"),
        ({"lease": "1h1s"}, "lease", "must be 1s to 1h; 3601s was given"),
        ({"lease": "1500ms"}, "lease", "must be a multiple of 1s; 1500ms was given"),
        ({"addresses": None}, "addresses", "must be a list; write [] for an empty one; null was given"),
        ({"interface": "eth 0"}, "interface", "must match ^[!-.0-9;-~]+$; 'eth 0' was given"),
        ({"interface": "eth0:1"}, "interface", "must match ^[!-.0-9;-~]+$; 'eth0:1' was given"),
        ({"virtualRouterID": 66.5}, "virtualRouterID", "must be a whole number; 66.5 was given"),
    ],
)
def test_says_what_to_write_instead(instance: Any, change: dict[str, Any], path: str, message: str) -> None:
    assert _problems(Instance, instance(**change)) == [(path, message)]


LINK_LOCAL = {"family": "IPv6", "transport": {"source": "fe80::18%eth0", "peers": ["fe80::28%eth0"]}}


@pytest.mark.parametrize(
    ("fields", "address", "message"),
    [
        ({}, "10.0.0.28/24", "10.0.0.28 is a peer's own, which adverts are sent to; write the virtual address"),
        ({"priority": 255}, "10.0.0.28/32", "10.0.0.28 is a peer's own, which adverts are sent to; write the virtual"),
        ({"priority": 254}, "10.0.0.18/24", "10.0.0.18 is this node's own source; write the virtual address"),
        (LINK_LOCAL, "fe80::28/64", "fe80::28%eth0 is a peer's own, which adverts are sent to; write the virtual"),
        (LINK_LOCAL, "fe80::18/64", "fe80::18%eth0 is this node's own source; write the virtual address"),
    ],
)
def test_what_a_member_speaks_from_is_no_virtual_address(
    instance: Any, fields: dict[str, Any], address: str, message: str
) -> None:
    held = [{"address": "fe80::100/64" if "family" in fields else "10.0.0.100/24"}, {"address": address}]
    ((path, said),) = _problems(Instance, instance(addresses=held, **fields))
    assert path == "addresses[1].address"
    assert said.startswith(message)


def test_the_owner_of_the_addresses_speaks_from_them(instance: Any) -> None:
    owner = instance(priority=255, addresses=[{"address": "10.0.0.18/24"}])
    assert parse_object(Instance, owner, "it").priority == 255


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("path", "healthz", "must begin with / and have no blanks; 'healthz' was given"),
        ("statuses", ["2xx"], "must be a status code or a range of them, such as 204 or 200-299; '2xx' was given"),
    ],
)
def test_says_what_a_pattern_means(field: str, value: Any, message: str) -> None:
    ((_, said),) = _problems(HTTPRequest, {field: value})
    assert said == message


def test_says_what_is_missing() -> None:
    missing = _problems(Instance, {})
    assert missing == [(name, "is required; add it") for name in ("name", "virtualRouterID", "addresses")]


def test_a_list_of_bad_items_is_not_called_short(virtual_ip: Any) -> None:
    found = _problems(VirtualIP, virtual_ip(addresses=[{"address": "x"}, {"adress": "10.0.0.1"}]))
    assert [path for path, _ in found] == [
        "spec.addresses[0].address",
        "spec.addresses[1].address",
        "spec.addresses[1].adress",
    ]


def test_every_broken_rule_is_said_at_once(instance: Any) -> None:
    found = _problems(Instance, instance(version=2, family="IPv6", advertisementInterval="100ms"))
    assert [path for path, _ in found] == [
        "advertisementInterval",
        "version",
        "transport.source",
        "transport.peers",
        "addresses[0].address",
    ]


@pytest.mark.parametrize("password", ["hunter2 is long", "se cret", 12345])
def test_a_password_is_never_repeated(instance: Any, password: Any) -> None:
    document = instance(version=2, authentication={"type": "Password", "password": password})
    with pytest.raises(InvalidObject) as caught:
        parse_object(Instance, document, "it")
    assert str(password) not in f"{caught.value} {caught.value.__cause__}"
    assert [problem.path for problem in caught.value.problems] == ["authentication.password"]


def test_a_password_is_not_shown_by_repr() -> None:
    credentials = InstanceAuthentication.model_validate({"type": "Password", "password": "hunter2"})
    assert "hunter2" not in repr(credentials)
    assert credentials.to_wire()["password"] == "hunter2"


class _Pair(Wire):
    low: Annotated[int, Field(ge=0)] = 0
    high: int = 1
    rules = (Rule(cel="self.low <= self.high", message="swap them", holds=lambda p: p.low <= p.high),)


def test_a_rule_without_a_path_blames_the_object() -> None:
    assert _problems(_Pair, {"low": 2}) == [("", "swap them")]


def test_bounds_belong_to_the_range() -> None:
    between = duration("10ms", "1s", step="10ms")
    assert isinstance(between, Between)
    assert [between(Duration.of(ms=ms)) for ms in (10, 1000)] == [10_000_000, 1_000_000_000]
    for outside in (0, 9, 15, 1010):
        with pytest.raises(ValueError, match="must be"):
            between(Duration.of(ms=outside))
