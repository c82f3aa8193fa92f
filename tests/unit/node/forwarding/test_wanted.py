"""What a configuration needs beside rules, the ledger of it, and problems by server."""

from dataclasses import replace
from pathlib import Path

import pytest

from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    ServerConfig,
    SyncConfig,
    Way,
)
from mooring_node.forwarding import sysctls, wanted
from mooring_node.forwarding.ledger import Entries, ForwardingLedger, LedgerSysctl
from mooring_node.forwarding.problem import EACH, of_servers
from mooring_node.ipvs.table import Method, TunnelKind
from mooring_node.ledger import LedgerAddress, LedgerSetting

WEB = ServerConfig(name="web", addresses=("10.0.0.100",), port=80, backends=(BackendConfig("10.0.0.2", 8080),))
DIRECT = replace(WEB, name="direct", backends=(BackendConfig("10.0.0.2", 80, way=Way(Method.DIRECT_ROUTE)),))


def paths(*servers: ServerConfig) -> set[str]:
    return {need.path for need in wanted.sysctls(BalanceConfig(1, servers))}


def test_each_setting_is_for_a_purpose() -> None:
    assert paths() == set()
    assert paths(DIRECT) == {wanted.EXPIRE_REMOVED}
    assert paths(DIRECT, WEB) == {wanted.EXPIRE_REMOVED, wanted.CONNTRACK}
    assert paths(replace(WEB, masquerade=False)) == {wanted.EXPIRE_REMOVED}
    assert paths(replace(DIRECT, persistence_timeout_s=300)) == {wanted.EXPIRE_REMOVED, wanted.EXPIRE_DRAINED}


def test_connection_sync_has_settings_of_its_own_that_no_server_needs() -> None:
    synced = BalanceConfig(1, (replace(DIRECT, persistence_timeout_s=300),), sync=SyncConfig("eth0"))
    found = {need.path: need.value for need in wanted.sysctls(synced)}
    assert found == {
        wanted.EXPIRE_REMOVED: "1",
        wanted.EXPIRE_DRAINED: "1",
        wanted.SYNC_THRESHOLD: "0 0",
        wanted.SYNC_REFRESH: "10",
    }
    assert wanted.users(synced, wanted.SYNC_THRESHOLD) == wanted.users(synced, wanted.SYNC_REFRESH) == ()


def test_a_node_routes_for_nat_alone_in_the_backends_family() -> None:
    six = replace(WEB, name="six", backends=(BackendConfig("fd00::2", 8080),))
    assert wanted.forwarding(BalanceConfig(1, (DIRECT,))) == {}
    assert wanted.forwarding(BalanceConfig(1, (DIRECT, WEB, six))) == {4: ("web",), 6: ("six",)}


def test_gue_needs_a_port_and_what_unwraps_ipip() -> None:
    address = BackendAddressConfig("10.0.0.100", ("eth0",), TunnelKind.GUE, 6080)
    config = BalanceConfig(1, (), (address, replace(address, address="fd00::100")))
    assert {each.name for each in wanted.unwrappings(config)} == {"tunl0", "ip6tnl0"}
    assert wanted.gue_ports(config) == {wanted.GuePort(4, 6080), wanted.GuePort(6, 6080)}
    assert list(wanted.silent_interfaces(config)) == ["eth0"]


def test_the_ledger_keeps_all_and_forgets_with_the_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "forwarding.json"
    entries = Entries(
        addresses=frozenset({LedgerAddress("lo", "10.0.0.100", 32)}),
        settings=frozenset({LedgerSetting("eth0", "arp_ignore", 0, 1)}),
        sysctls=frozenset({LedgerSysctl(wanted.CONNTRACK, "0", "1")}),
        made=frozenset({"tunl0"}),
        raised=frozenset({"tunl0", "gre0"}),
        ports=frozenset({wanted.GuePort(4, 6080)}),
        rules=True,
    )
    ForwardingLedger(path).write(entries)
    assert ForwardingLedger(path).read() == entries
    monkeypatch.setattr("mooring_node.forwarding.ledger.boot_id", lambda: "another")
    assert ForwardingLedger(path).read() == Entries()


def test_a_setting_goes_back_only_where_it_is_still_ours(tmp_path: Path) -> None:
    for name, value in (("ours", "1"), ("his", "3")):
        (tmp_path / name).write_text(f"{value}\n")
    entries = frozenset({LedgerSysctl(name, "0", "1") for name in ("ours", "his", "gone")})
    assert sysctls.undo(entries, tmp_path) == frozenset()
    assert [sysctls.read(name, tmp_path) for name in ("ours", "his", "gone")] == ["0", "3", None]
    refused = sysctls.write("net/gone/deeper", "1", tmp_path / "net")
    assert refused is not None
    assert refused.missing


def test_a_setting_of_two_numbers_is_read_as_it_is_written(tmp_path: Path) -> None:
    """The kernel shows them with a tab between."""
    (tmp_path / "sync_threshold").write_text("0\t0\n")
    assert sysctls.read("net/sync_threshold", tmp_path) == "0 0"
    assert sysctls.undo(frozenset({LedgerSysctl("net/sync_threshold", "3 50", "0 0")}), tmp_path) == frozenset()
    assert sysctls.read("net/sync_threshold", tmp_path) == "3 50"


def test_each_server_is_told_and_very_many_at_once() -> None:
    names = [f"web{n}" for n in range(EACH + 1)]
    assert [each.server for each in of_servers(names[:EACH], "spec", "no")] == names[:EACH]
    (one,) = of_servers(names, "spec", "no")
    assert (one.server, one.message) == ("", f"no ({EACH + 1} virtual servers are concerned)")
