"""From a NodeConfig to what the checks process runs: everything that was left out is filled in."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mooring_api.health_check import KINDS
from mooring_api.reading import read_node_config
from mooring_node.agent.fitting import with_last_good
from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    NotificationConfig,
    PortGuardConfig,
    ServerConfig,
    SorryConfig,
    SyncConfig,
    Way,
)
from mooring_node.balance.store import keep, kept
from mooring_node.checks.config import (
    CheckConfig,
    DNSProbe,
    HTTPProbe,
    PingProbe,
    RequestConfig,
    ScriptProbe,
    SMTPProbe,
    TCPProbe,
    TLSConfig,
    UDPProbe,
)
from mooring_node.forwarding.marks import is_marked
from mooring_node.ipvs.table import SCTP, TCP, UDP, Method, ServiceFlag, TunnelFlag, TunnelKind
from mooring_node.judge.balance import compile_balance
from mooring_node.judge.facts import NodeFacts

S = 1_000_000_000
FACTS = NodeFacts(
    (("eth1", ip_network("10.1.0.0/16")), ("eth0", ip_network("2001:db8::/64"))), ((4, "eth0"), (6, "eth6"))
)


def compiled(facts: NodeFacts = FACTS, **spec: Any) -> tuple[BalanceConfig, list[tuple[str, str]]]:
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "lb-1"}}
    config, unreadable = read_node_config(head | {"spec": {"instances": [], **spec}}, source="file")
    assert unreadable == ()
    balance, problems = compile_balance(config.spec, facts, "lb-1")
    return balance, [(problem.instance, problem.path) for problem in problems]


def server(**fields: Any) -> ServerConfig:
    plain = {"name": "web", "addresses": ["10.0.0.100"], "port": 80}
    balance, problems = compiled(virtualServers=[plain | fields])
    assert problems == []
    (found,) = balance.servers
    return found


def check(**fields: Any) -> CheckConfig:
    ((name, found),) = server(healthChecks=[{"name": "one", **fields}]).checks
    assert name == "one"
    return found


def test_what_is_left_out_is_as_the_contract_says() -> None:
    assert server() == ServerConfig("web", addresses=("10.0.0.100",), port=80)


def test_everything_is_where_it_belongs() -> None:
    found = server(
        virtualServer="shop/web",
        addresses=["10.0.0.100", "2001:db8::100"],
        protocol="UDP",
        scheduler="mh",
        schedulerFlags=["Fallback", "Port"],
        onePacket=True,
        masquerade="Never",
        persistence={"timeout": "90s", "prefixLengthIPv4": 24, "prefixLengthIPv6": 64, "engine": "SIP"},
        backends=[
            {
                "address": "10.9.0.1",
                "port": 8080,
                "weight": 7,
                "connectionLimits": {"upper": 100, "lower": 50},
                "onFailure": "Inhibit",
                "host": "pod-1",
            },
            {"address": "2001:db8::9", "weight": 0},
        ],
        sorryServer={"address": "10.9.0.9", "port": 81, "onQuorum": "Inhibit"},
        quorum={"up": 5, "hysteresis": 2},
        healthChecks=[{"name": "x", "tcp": {}}, {"name": "y", "ping": {}}],
        checksOn="Holder",
        initialState="Down",
        onEnd="Notify",
        drainTimeout="90s",
        notifications=[{"on": ["BackendUp", "QuorumDown"], "script": {"file": "a.sh", "arguments": ["b"]}}],
        otherDirectors=["02:00:00:00:00:01"],
    )
    assert found == ServerConfig(
        "web",
        virtual_server="shop/web",
        addresses=("10.0.0.100", "2001:db8::100"),
        port=80,
        protocol=UDP,
        families=(4, 6),
        scheduler="mh",
        flags=ServiceFlag.ONE_PACKET | ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2,
        masquerade=False,
        persistence_timeout_s=90,
        persistence_bits_ipv4=24,
        persistence_bits_ipv6=64,
        persistence_engine="sip",
        backends=(
            BackendConfig("10.9.0.1", 8080, 7, 100, 50, inhibit=True, host="pod-1"),
            BackendConfig("2001:db8::9", 80, 0),
        ),
        sorry=SorryConfig("10.9.0.9", 81, inhibit=True),
        quorum_up=5,
        quorum_hysteresis=2,
        checks=(("x", CheckConfig(TCPProbe())), ("y", CheckConfig(PingProbe()))),
        checks_on_holder=True,
        starts_down=True,
        notify_at_end=True,
        drain_ns=90 * S,
        notifications=(NotificationConfig(("BackendUp", "QuorumDown"), "a.sh", ("b",)),),
        other_directors=("02:00:00:00:00:01",),
    )


@pytest.mark.parametrize(("word", "number"), [("TCP", TCP), ("UDP", UDP), ("SCTP", SCTP)])
def test_protocols_have_numbers(word: str, number: int) -> None:
    assert server(protocol=word).protocol == number


def test_each_backend_has_its_way() -> None:
    found = server(
        forwarding="Tunnel",
        tunnel={"type": "GUE", "port": 6080, "checksum": "Remote"},
        backends=[
            {"address": "10.9.0.1"},
            {"address": "10.9.0.2", "forwarding": "DirectRoute"},
            {"address": "10.9.0.3", "forwarding": "NAT", "port": 8080},
        ],
        sorryServer={"address": "10.9.0.9", "forwarding": "NAT"},
    )
    assert [backend.way for backend in found.backends] == [
        Way(Method.TUNNEL, TunnelKind.GUE, 6080, TunnelFlag.REMOTE_CHECKSUM),
        Way(Method.DIRECT_ROUTE),
        Way(Method.MASQUERADE),
    ]
    assert found.sorry is not None
    assert found.sorry.way == Way()
    assert server(forwarding="Tunnel", backends=[{"address": "10.9.0.1"}]).backends[0].way == Way(Method.TUNNEL)


DIRECT = {"forwarding": "DirectRoute", "backends": [{"address": "10.0.0.2"}]}


@pytest.mark.parametrize("forwarding", ["DirectRoute", "Tunnel"])
@pytest.mark.parametrize("backends", [[], [{"address": "10.0.0.2"}]])
@pytest.mark.parametrize("others", [[], ["02:00:00:00:00:01"]])
def test_what_a_virtual_server_hands_on_as_it_is_directors_share(
    forwarding: str, backends: list[dict[str, str]], others: list[str]
) -> None:
    """Whoever its backends are now, and whether this node is one: else its service would be another with each."""
    found = server(virtualServer="shop/web", forwarding=forwarding, backends=backends, otherDirectors=others)
    assert found.other_directors == tuple(others)
    assert is_marked(found)


ONE_DIRECT = {"backends": [{"address": "10.9.0.1"}, {"address": "10.0.0.2", "forwarding": "DirectRoute"}]}
SORRY_BY_TUNNEL = {
    "backends": [{"address": "10.9.0.1"}],
    "sorryServer": {"address": "10.0.0.9", "forwarding": "Tunnel"},
}


@pytest.mark.parametrize("fields", [ONE_DIRECT, SORRY_BY_TUNNEL])
@pytest.mark.parametrize("others", [[], ["02:00:00:00:00:01"]])
def test_one_server_that_is_not_reached_by_nat_is_enough(fields: dict[str, Any], others: list[str]) -> None:
    """Only the node that is this server has other directors; connections that it tells of must find their service."""
    found = server(virtualServer="shop/web", forwarding="NAT", otherDirectors=others, **fields)
    assert found.other_directors == tuple(others)
    assert is_marked(found)


@pytest.mark.parametrize(
    "fields",
    [
        DIRECT,
        ONE_DIRECT,
        SORRY_BY_TUNNEL,
        DIRECT | {"forwarding": "NAT", "virtualServer": "shop/web"},
        {"virtualServer": "shop/web"},
        {"virtualServer": "shop/web", "sorryServer": {"address": "10.0.0.9", "forwarding": "NAT"}},
    ],
)
def test_a_file_and_nat_have_no_other_directors_unless_they_are_named(fields: dict[str, Any]) -> None:
    """Release 0.1.0 of the operator writes an empty list for NAT."""
    assert server(**fields).other_directors is server(**fields, otherDirectors=[]).other_directors is None
    assert server(**fields, otherDirectors=["02:00:00:00:00:01"]).other_directors == ("02:00:00:00:00:01",)


def test_behind_a_firewall_mark_ports_are_the_clients_own() -> None:
    balance, _ = compiled(virtualServers=[{"name": "m", "firewallMark": 7, "backends": [{"address": "10.9.0.1"}]}])
    (found,) = balance.servers
    assert (found.mark, found.port, found.families, found.backends[0].port) == (7, 0, (4,), 0)


def test_a_firewall_mark_of_ipv6() -> None:
    balance, _ = compiled(virtualServers=[{"name": "m", "firewallMark": 7, "family": "IPv6"}])
    assert balance.servers[0].families == (6,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_without_a_port_needs_one(kind: str) -> None:
    probe = {"script": {"file": "x"}}.get(kind, {})
    one = {"name": "one", kind: probe}
    marked = {"name": "m", "firewallMark": 7, "backends": [{"address": "10.9.0.1"}], "healthChecks": [one]}
    good = marked | {"name": "n", "firewallMark": 8, "backends": [{"address": "10.9.0.1", "port": 80}]}
    balance, problems = compiled(virtualServers=[marked, good])
    if kind in ("script", "ping"):
        assert problems == []
    else:
        assert problems == [("m", "spec.virtualServers[].healthChecks[0].connectPort")]
        assert [server.name for server in balance.servers] == ["n"]
        one["connectPort"] = 80  # type: ignore[assignment]
        assert compiled(virtualServers=[marked])[1] == []


def test_common_options_of_checks() -> None:
    assert check(
        tcp={},
        interval="250ms",
        intervalDown="10s",
        timeout="1s",
        retries=4,
        delayBeforeRetry="30ms",
        warmup="0s",
        rise=2,
        fall=3,
        connectAddress="10.9.9.9",
        connectPort=99,
        bindAddress="10.0.0.1",
        bindPort=98,
        firewallMark=97,
        bindInterface="eth9",
    ) == CheckConfig(TCPProbe(), S // 4, 10 * S, S, 4, 30_000_000, 0, 2, 3, "10.9.9.9", 99, "10.0.0.1", 98, 97, "eth9")
    plain = check(tcp={}, interval="7s")
    assert (plain.interval_down_ns, plain.warmup_ns) == (7 * S, 7 * S)


def test_kinds_of_checks() -> None:
    sha = "ab" * 32
    requests = [
        {"path": "/a", "statuses": ["200", "301-303"], "virtualHost": "a.example", "digest": {"md5": "0" * 32}},
        {"digest": {"sha256": sha}, "bodyPattern": "ok"},
        {"path": "/c", "bodyPattern": "fatal", "bodyPatternMode": "NoMatch"},
    ]
    expected = (
        RequestConfig("/a", ((200, 200), (301, 303)), "a.example", ("md5", "0" * 32)),
        RequestConfig("/", ((200, 299),), "shop.example", ("sha256", sha), "ok"),
        RequestConfig("/c", virtual_host="shop.example", body_pattern="fatal", pattern_is_bad=True),
    )
    http = {"requests": requests, "virtualHost": "shop.example"}
    assert check(http=http).probe == HTTPProbe(expected)
    assert check(http={}).probe == HTTPProbe()
    assert check(https=http).probe == HTTPProbe(expected, TLSConfig("shop.example"))
    verified = {"certificate": "Verify", "serverName": "x.example", "authorities": "PEM", "virtualHost": "y"}
    assert check(https=verified).probe == HTTPProbe(
        (RequestConfig(virtual_host="y"),), TLSConfig("x.example", verify=True, authorities="PEM")
    )
    assert check(smtp={"heloName": "me"}).probe == SMTPProbe("me")
    script = {"file": "a.sh", "arguments": ["b"], "dynamicWeight": True}
    assert check(script=script).probe == ScriptProbe("a.sh", ("b",), dynamic_weight=True)
    assert check(dns={"name": "example.org", "type": "MX"}).probe == DNSProbe("example.org", "MX")
    udp = {"payload": "0102", "requireReply": True, "reply": "03", "replyMask": "ff"}
    sizes = {"minimumReplyBytes": 1, "maximumReplyBytes": 9}
    assert check(udp=udp | sizes).probe == UDPProbe("0102", True, "03", "ff", 1, 9)
    assert check(udp={}).probe == UDPProbe()
    assert check(ping={"payloadBytes": 8}).probe == PingProbe(8)


def test_backend_addresses_find_their_interfaces() -> None:
    balance, problems = compiled(
        backendAddresses=[
            {"address": "10.1.0.100"},
            {"address": "10.2.0.100", "tunnel": "GUE", "tunnelPort": 6080},
            {"address": "2001:db8::100"},
            {"address": "2001:db9::100"},
            {"address": "10.1.0.101", "interfaces": ["eth7", "eth8"]},
        ]
    )
    assert problems == []
    assert balance.backend_addresses == (
        BackendAddressConfig("10.1.0.100", ("eth1",)),
        BackendAddressConfig("10.2.0.100", ("eth0",), TunnelKind.GUE, 6080),
        BackendAddressConfig("2001:db8::100", ("eth0",)),
        BackendAddressConfig("2001:db9::100", ("eth6",)),
        BackendAddressConfig("10.1.0.101", ("eth7", "eth8")),
    )


def test_what_finds_no_interface_costs_only_itself() -> None:
    bare = NodeFacts((("eth1", ip_network("10.1.0.0/16")),))
    balance, problems = compiled(
        bare, backendAddresses=[{"address": "10.2.0.1"}, {"address": "10.1.0.1"}], connectionSync={}
    )
    assert problems == [
        ("10.2.0.1", "spec.backendAddresses[].interfaces"),
        ("connectionSync", "spec.connectionSync.interface"),
    ]
    assert balance.backend_addresses == (BackendAddressConfig("10.1.0.1", ("eth1",)),)
    assert balance.sync is None


def test_guards_and_sync() -> None:
    ports = [{"port": 80}, {"port": 53, "protocol": "UDP"}]
    balance, _ = compiled(
        portGuards=[
            {"addresses": ["10.0.0.100"], "mode": "Enforce", "ports": ports},
            {"addresses": ["10.0.0.101"], "mode": "Monitor"},
        ],
        connectionSync={"syncID": 9, "port": 9000, "group": "224.0.0.82"},
    )
    assert balance.port_guards == (
        PortGuardConfig(("10.0.0.100",), True, ((TCP, 80), (UDP, 53))),
        PortGuardConfig(("10.0.0.101",), False),
    )
    assert balance.sync == SyncConfig("eth0", 9, "224.0.0.82", 9000)


def test_what_is_compiled_is_what_is_read_back(tmp_path: Any) -> None:
    balance, _ = compiled(
        virtualServers=[{"name": "m", "firewallMark": 7}],
        backendAddresses=[{"address": "10.1.0.100", "tunnel": "GRE"}],
        portGuards=[{"addresses": ["10.0.0.1"], "mode": "Enforce"}],
        connectionSync={},
    )
    keep(tmp_path / "b.json", balance)
    assert kept(tmp_path / "b.json") == balance


# What is bad keeps its last good form.

WEB, API = ServerConfig("web", addresses=("10.0.0.1",), port=80), ServerConfig("api", addresses=("10.0.0.2",), port=80)
MARK = ServerConfig("mark", mark=7)
GUARD = PortGuardConfig(("10.0.0.1", "10.0.0.2"), True)
HERE = BackendAddressConfig("10.0.0.1", ("eth0",))
SYNC = SyncConfig("eth0")
BEFORE = BalanceConfig(3, (WEB, API, MARK), (HERE,), (GUARD,), SYNC)


def test_what_is_bad_keeps_its_last_good_form_and_what_is_gone_goes() -> None:
    now = BalanceConfig(0, (replace(API, quorum_up=2),))
    assert with_last_good(now, BEFORE, frozenset()) == now
    bad = frozenset({"web", "10.0.0.1", "connectionSync"})
    assert with_last_good(now, BEFORE, bad) == BalanceConfig(0, (*now.servers, WEB), (HERE,), (GUARD,), SYNC)


@pytest.mark.parametrize(
    "now",
    [
        BalanceConfig(0, (ServerConfig("other", addresses=("10.0.0.1",), port=80),)),
        BalanceConfig(0, (replace(WEB, port=81),)),
    ],
)
def test_a_last_good_form_is_in_nobody_s_way(now: BalanceConfig) -> None:
    assert with_last_good(now, BEFORE, frozenset({"web"})).servers == now.servers


def test_a_kept_mark_guard_and_address_are_in_nobody_s_way() -> None:
    now = BalanceConfig(
        0,
        (ServerConfig("other", mark=7),),
        (replace(HERE, interfaces=("eth1",)),),
        (PortGuardConfig(("10.0.0.2",), False),),
        replace(SYNC, sync_id=7),
    )
    bad = frozenset({"mark", "10.0.0.1", "connectionSync"})
    assert with_last_good(now, BEFORE, bad) == now
    assert with_last_good(BalanceConfig(0, (ServerConfig("x", mark=8),)), BEFORE, bad).servers[1:] == (MARK,)
