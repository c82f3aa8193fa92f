"""Python and the API server hold the same rules: CEL evaluated on generated objects against `holds`.

Functions that Kubernetes adds to CEL (isIP, isCIDR, split, ...) are stood in for by Python's, so for these
the test shows how they are put together, not what the API server means by them.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import ip_address, ip_interface
from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mooring_api import (
    access,
    balancing,
    health_check,
    node_server,
    nodeconfig,
    tracking,
    virtualip,
    virtualserver,
    vrrp,
    wire,
)
from mooring_api.crd import RESOURCES, structural_schema
from mooring_api.duration import Duration
from mooring_api.wire import Between, Wire, duration

RULES = "x-kubernetes-validations"


def _is(read: Any, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _host(text: str) -> Any:
    return ip_address(text.partition("/")[0])


def _global_unicast(text: str) -> bool:
    host = _host(text)
    special = host.is_multicast or host.is_loopback or host.is_unspecified or host.is_link_local
    return not special and str(host) != "255.255.255.255"


STAND_INS: dict[str, Callable[..., Any]] = {
    "isIP": lambda text: "%" not in text and _is(ip_address, text),
    "isCIDR": lambda text: "/" in text and "%" not in text and _is(ip_interface, text),
    "ip": lambda text: text,
    "cidr": lambda text: text,
    "isGlobalUnicast": _global_unicast,
    "isLinkLocalUnicast": lambda text: _host(text).is_link_local,
    "split": lambda text, separator: text.split(separator),
}


@cache
def _program(rule: str) -> Any:
    return cel.compile(rule)


def _holds(rule: str, value: Any) -> bool:
    """What CEL says; an error while it is evaluated refuses the object, as at the API server."""
    context = cel.Context(variables={"self": value}, functions=STAND_INS)
    try:
        return _program(rule).execute(context) is True
    except (RuntimeError, ValueError, TypeError):
        return False


class _RequirementFree(virtualip.LabelSelectorRequirement):
    rules = ()


class _WayFree(nodeconfig.Way):
    rules = ()
    checks = ()


class _TransportFree(nodeconfig.Transport):
    rules = ()
    checks = ()


class _CredentialsFree(nodeconfig.InstanceAuthentication):
    rules = ()


class _AcceptedFormFree(nodeconfig.AcceptedForm):
    rules = ()
    authentication: _CredentialsFree | None = None


class _HeldFree(nodeconfig.HeldAddress):
    rules = ()


class _InstanceFree(nodeconfig.Instance):
    rules = ()
    checks = ()
    transport: _TransportFree = _TransportFree()
    authentication: _CredentialsFree | None = None


class _VirtualIPTransportFree(virtualip.VirtualIPTransport):
    rules = ()


class _VrrpFree(virtualip.Vrrp):
    rules = ()
    transport: _VirtualIPTransportFree = _VirtualIPTransportFree()


class _SpecFree(virtualip.VirtualIPSpec):
    rules = ()
    checks = ()
    vrrp: _VrrpFree = _VrrpFree()


class _VirtualIPFree(virtualip.VirtualIP):
    rules = ()
    spec: _SpecFree


class _EffectFree(tracking.Effect):
    rules = ()


class _AllowedFree(access.AllowedNamespaces):
    rules = ()


class _LimitsFree(balancing.ConnectionLimits):
    rules = ()


class _TunnelFree(balancing.Tunnel):
    rules = ()


class _QuorumFree(balancing.Quorum):
    rules = ()


class _DigestFree(health_check.Digest):
    rules = ()


class _RequestFree(health_check.HTTPRequest):
    rules = ()


class _HTTPSFree(health_check.HTTPSCheck):
    rules = ()


class _UDPFree(health_check.UDPCheck):
    rules = ()


class _HealthCheckFree(health_check.HealthCheck):
    rules = ()


class _BackendsFree(virtualserver.Backends):
    rules = ()


class _VirtualServerSpecFree(virtualserver.VirtualServerSpec):
    rules = ()
    checks = ()


class _NodeServerFree(node_server.NodeVirtualServer):
    rules = ()
    checks = ()


V4, V6 = st.sampled_from(["10.0.0.2", "10.0.0.3"]), st.sampled_from(["fe80::2%eth0", "2001:db8::3"])
HOSTS = V4 | V6
GROUPS = st.sampled_from(["224.0.0.18", "ff02::12"])
TYPES = st.sampled_from(["Unicast", "Multicast"])
VERSIONS = st.sampled_from([2, 3])
INTERVALS = st.sampled_from(["10ms", "100ms", "1s", "1500ms", "2s", "40950ms", "40960ms", "1m", "255s"])
SECRETS = st.just({"type": "Password", "secretRef": {"name": "a"}})
ADDRESSES = st.lists(
    st.fixed_dictionaries({"address": st.sampled_from(["10.0.0.100/24", "10.0.0.101", "2001:db8::10"])}),
    min_size=1,
    max_size=3,
)


def _some(fields: dict[str, Any], **required: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=fields)


WAY: dict[str, Any] = {"type": TYPES, "group": GROUPS, "peers": st.lists(HOSTS, max_size=3)}
TRANSPORTS = _some({**WAY, "source": HOSTS, "alone": st.booleans()})
VRRPS = _some(
    {
        "version": VERSIONS,
        "virtualRouterIDs": st.lists(st.integers(1, 4), max_size=4),
        "advertisementInterval": INTERVALS,
        "authentication": SECRETS,
        "transport": _some({"type": TYPES, "group": GROUPS}),
    }
)
SPECS = _some({"distribution": st.sampled_from(["Failover", "Balanced"]), "vrrp": VRRPS}, addresses=ADDRESSES)
PROTOCOLS = st.sampled_from(["TCP", "UDP", "SCTP"])
FORWARDINGS = st.sampled_from(["NAT", "DirectRoute", "Tunnel"])
MARKS = st.sampled_from([1, 3, 0x3FFF, 0x4000, 0x8000, 0xC001, 0x10000, 0x18000, 0x7FFF3FFF])
PORTS = st.lists(
    _some({"protocol": PROTOCOLS, "targetPort": st.sampled_from([80, 8080])}, name=st.just("a"), port=st.just(80)),
    max_size=2,
)
CHECKS = st.lists(
    st.sampled_from([{"tcp": {}}, {"tcp": {}, "connectPort": 80}, {"ping": {}}]).map(
        lambda check: {"name": "a"} | check
    ),
    max_size=2,
)
SERVERS = st.lists(st.just({"address": "10.0.0.28"}), max_size=2)
BALANCING: dict[type[Wire], st.SearchStrategy[dict[str, Any]]] = {
    _EffectFree: _some({"type": st.sampled_from(["Fault", "AdjustPriority"]), "weight": st.sampled_from([-5, 0, 5])}),
    _AllowedFree: _some(
        {
            "from": st.sampled_from(["None", "All", "Names", "Selector"]),
            "names": st.lists(st.just("shop"), max_size=2),
            "selector": st.just({"matchLabels": {"a": "b"}}),
        }
    ),
    _LimitsFree: _some({"upper": st.integers(0, 3), "lower": st.integers(0, 3)}),
    _TunnelFree: _some(
        {
            "type": st.sampled_from(["IPIP", "GUE", "GRE"]),
            "port": st.just(6080),
            "checksum": st.sampled_from(["None", "Checksum", "Remote"]),
        }
    ),
    _QuorumFree: _some({"up": st.integers(1, 3), "hysteresis": st.integers(0, 3)}),
    _DigestFree: _some({"md5": st.just("0" * 32), "sha256": st.just("0" * 64)}),
    _RequestFree: _some({"bodyPattern": st.just("ok"), "bodyPatternMode": st.sampled_from(["Match", "NoMatch"])}),
    _HTTPSFree: _some(
        {
            "certificate": st.sampled_from(["Ignore", "Verify"]),
            "authorities": st.just("PEM"),
            "serverName": st.just("shop.example"),
            "virtualHost": st.just("shop.example"),
        }
    ),
    _UDPFree: _some(
        {
            "reply": st.sampled_from(["ff", "ffff"]),
            "replyMask": st.sampled_from(["0f", "0f0f"]),
            "minimumReplyBytes": st.integers(0, 2),
            "maximumReplyBytes": st.integers(0, 2),
        }
    ),
    _HealthCheckFree: _some({kind: st.just({}) for kind in ("tcp", "http", "ping", "udp")}, name=st.just("a")),
    _BackendsFree: _some({"service": st.just({"name": "shop"}), "servers": SERVERS}),
    _VirtualServerSpecFree: _some(
        {
            "ports": PORTS,
            "firewallMark": MARKS,
            "onePacket": st.booleans(),
            "persistence": st.sampled_from([{}, {"engine": "SIP"}]),
            "forwarding": FORWARDINGS,
            "tunnel": st.just({}),
            "masquerade": st.sampled_from(["Always", "Never"]),
            "connectionSync": st.sampled_from(["Enabled", "Disabled"]),
            "healthChecks": CHECKS,
        },
        virtualIPRef=st.just({"name": "web"}),
        backends=st.sampled_from([{"service": {"name": "shop"}}, {"servers": [{"address": "10.0.0.28"}]}]),
    ),
    _NodeServerFree: _some(
        {
            "addresses": st.lists(V4, max_size=2),
            "port": st.just(80),
            "protocol": PROTOCOLS,
            "firewallMark": MARKS,
            "family": st.sampled_from(["IPv4", "IPv6"]),
            "onePacket": st.booleans(),
            "persistence": st.sampled_from([{}, {"engine": "SIP"}]),
        },
        name=st.just("a"),
    ),
}
MODELS: dict[type[Wire], st.SearchStrategy[dict[str, Any]]] = {
    _RequirementFree: _some(
        {"values": st.lists(st.just("a"), max_size=2)},
        key=st.just("a"),
        operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    ),
    _WayFree: _some(WAY),
    _TransportFree: TRANSPORTS,
    _CredentialsFree: _some(
        {"secretRef": st.just({"name": "a"}), "keyVersion": st.just("7")}, type=st.just("Password")
    ),
    _AcceptedFormFree: _some(
        {"version": VERSIONS, "advertisementInterval": INTERVALS, "authentication": SECRETS}, virtualRouterID=st.just(1)
    ),
    _HeldFree: _some({"label": st.just("eth0:1")}, address=st.sampled_from(["10.0.0.1", "2001:db8::10"])),
    _InstanceFree: _some(
        {
            "family": st.sampled_from(["IPv4", "IPv6"]),
            "version": VERSIONS,
            "advertisementInterval": INTERVALS,
            "authentication": SECRETS,
            "transport": TRANSPORTS,
        },
        name=st.just("a"),
        virtualRouterID=st.just(1),
        addresses=ADDRESSES,
    ),
    _VirtualIPTransportFree: _some({"type": TYPES, "group": GROUPS}),
    _VrrpFree: VRRPS,
    _SpecFree: SPECS,
    _VirtualIPFree: _some(
        {},
        metadata=st.fixed_dictionaries({"name": st.integers(61, 66).map(lambda n: "a" * n)}),
        spec=SPECS,
    ),
    **BALANCING,
}


def _without_empty_lists(value: Any) -> Any:
    """As an object is that never named them: the CRDs have no default for a list."""
    if isinstance(value, dict):
        return {key: _without_empty_lists(below) for key, below in value.items() if below != []}
    return [_without_empty_lists(below) for below in value] if isinstance(value, list) else value


@pytest.mark.parametrize("free", MODELS, ids=lambda free: free.__name__)
def test_cel_and_python_agree(free: type[Wire]) -> None:
    bound = free.__bases__[0]
    assert issubclass(bound, Wire)
    assert bound.rules
    seen: set[tuple[int, bool]] = set()

    @settings(derandomize=True, max_examples=200, deadline=None)
    @given(MODELS[free])
    def agree(document: dict[str, Any]) -> None:
        value = free.model_validate(document, by_alias=True, by_name=False)
        written = value.to_wire()
        for number, rule in enumerate(bound.rules):
            expected = rule.holds(value)
            assert _holds(rule.cel, written) == expected, rule.cel
            assert _holds(rule.cel, _without_empty_lists(written)) == expected, rule.cel
            seen.add((number, expected))

    agree()
    assert len(seen) == 2 * len(bound.rules), "each rule must be seen to hold and to fail"


def _models(model: type[Wire]) -> Iterator[type[Wire]]:
    yield model
    for below in model.__subclasses__():
        yield from _models(below)


def test_every_model_with_rules_is_compared() -> None:
    ours = {model for model in _models(Wire) if model.__module__.startswith("mooring_api.")}
    assert {model for model in ours if model.rules} == {free.__bases__[0] for free in MODELS}


def test_every_rule_of_the_crds_is_cel() -> None:
    def rules(schema: dict[str, Any]) -> Iterator[str]:
        yield from (rule["rule"] for rule in schema.get(RULES, ()))
        for below in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
            if isinstance(below, dict):
                yield from rules(below)

    found = {rule for resource in RESOURCES for rule in rules(structural_schema(resource.model))}
    assert len(found) > 20
    for rule in found:
        assert _program(rule)


_BOUNDS = (duration("10ms", "255s", step="10ms"), duration("0s", "10s"), duration("1s", "3600s", step="1s"))


@pytest.mark.parametrize("between", _BOUNDS, ids=str)
@given(
    text=st.sampled_from(["0s", "1s", "10ms", "15ms", "255s", "256s", "0.01s", "0.015s", "1h", "3601s", "1500us"])
    # Whole numbers: this CEL library counts the milliseconds of a decimal fraction in floating point.
    | st.from_regex(r"([0-9]{1,4}(ns|us|ms|s|m|h)){1,2}", fullmatch=True)
)
def test_bounds_of_durations_agree(between: Between, text: str) -> None:
    schema = between.__get_pydantic_json_schema__(None, None)  # type: ignore[arg-type]
    fits = bool(re.search(schema["pattern"], text)) and len(text) <= schema["maxLength"]
    at_the_server = fits and all(_holds(rule["rule"], text) for rule in schema[RULES])
    try:
        value = between.read(text)
    except ValueError:
        assert not at_the_server
    else:
        assert at_the_server == fits
        assert re.search(schema["pattern"], str(value))


@pytest.mark.parametrize(
    "kind", ["InterfaceAddress", "HostAddress", "UnicastAddress", "PlainAddress", "GroupAddress", "VirtualAddress"]
)
@given(
    text=st.ip_addresses().map(str)
    | st.tuples(st.ip_addresses(), st.integers(0, 33)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    | st.sampled_from(
        ["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "FF02::1", "fe80::1%eth0", "ffff::1", "22.0.0.1"]
    )
    | st.text("0123456789abcdef.:/%", min_size=2, max_size=20)
)
def test_what_python_takes_as_an_address_the_api_server_takes(kind: str, text: str) -> None:
    """The other way round Python says no more often: ends of subnets, mapped addresses."""
    adapter: TypeAdapter[str] = TypeAdapter(getattr(wire, kind))
    rules = [rule["rule"] for rule in adapter.json_schema()[RULES]]
    try:
        adapter.validate_python(text)
    except ValidationError:
        return
    assert all(_holds(rule, text) for rule in rules)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("InterfaceAddress", "10.0.0.256"),
        ("VirtualAddress", "127.0.0.1/8"),
        ("VirtualAddress", "224.0.0.18"),
        ("VirtualAddress", "ff02::12/128"),
        ("VirtualAddress", "0.0.0.0"),
        ("HostAddress", "10.0.0.1/24"),
        ("UnicastAddress", "lb-1"),
        ("PlainAddress", "lb-1"),
        ("PlainAddress", "fe80::1%eth0"),
        ("GroupAddress", "10.0.0.1"),
        ("GroupAddress", "223.0.0.1"),
        ("GroupAddress", "240.0.0.1"),
        ("GroupAddress", "fe80::1"),
    ],
)
def test_the_api_server_refuses_plain_mistakes(kind: str, text: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(getattr(wire, kind))
    assert not all(_holds(rule["rule"], text) for rule in adapter.json_schema()[RULES])
    with pytest.raises(ValidationError):
        adapter.validate_python(text)


def test_the_interval_rule_is_that_of_the_protocol() -> None:
    assert vrrp.intervals_fit(2, Duration.parse("255s"))
    assert not vrrp.intervals_fit(2, Duration.parse("1500ms"))
    assert vrrp.intervals_fit(3, Duration.parse("40950ms"))
    assert not vrrp.intervals_fit(3, Duration.parse("40960ms"))
