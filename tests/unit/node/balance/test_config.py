"""The configuration on disk: it comes back as it was, and nothing else is taken for one."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    from_json,
    to_json,
)
from mooring_node.balance.store import Kept, keep, kept
from mooring_node.checks.config import CheckConfig, DNSProbe, HTTPProbe, RequestConfig, ScriptProbe, TCPProbe, TLSConfig
from mooring_node.ipvs.table import Method, ServiceFlag, TunnelFlag, TunnelKind

FULL = BalanceConfig(
    generation=7,
    servers=(
        ServerConfig(
            name="shop/shop:https",
            virtual_server="shop/shop",
            addresses=("192.0.2.1", "2001:db8::1"),
            port=443,
            scheduler="mh",
            flags=ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2,
            backends=(
                BackendConfig("10.0.0.1", 8443, 0, upper=10, lower=5, inhibit=True, host="pod"),
                BackendConfig("10.0.0.2", 443, way=Way(Method.TUNNEL, TunnelKind.GUE, 5555, TunnelFlag.CHECKSUM)),
            ),
            sorry=SorryConfig("10.0.0.9", 80),
            checks=(
                ("page", CheckConfig(HTTPProbe((RequestConfig(digest=("md5", "00")),), TLSConfig(verify=True)))),
                ("run", CheckConfig(ScriptProbe("x.sh", ("a",), dynamic_weight=True), firewall_mark=3)),
                ("ask", CheckConfig(DNSProbe())),
            ),
            notifications=(NotificationConfig(("QuorumUp",), "told.sh"),),
            other_directors=("02:00:00:00:00:01",),
        ),
        ServerConfig(name="mark", mark=7, families=(6,)),
    ),
    backend_addresses=(BackendAddressConfig("192.0.2.9", ("eth0",), TunnelKind.IPIP),),
    port_guards=(PortGuardConfig(("192.0.2.1",), enforce=True, ports=((6, 443), (17, 53))),),
    sync=SyncConfig("eth1", 3),
    tracked=("shop/shop",),
)


def test_everything_comes_back() -> None:
    assert from_json(to_json(FULL)) == FULL


def test_what_has_its_default_is_not_written() -> None:
    assert json.loads(to_json(BalanceConfig(3))) == {"format": 1, "generation": 3}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(st.from_type(BalanceConfig))
def test_any_configuration_comes_back(config: BalanceConfig) -> None:
    assert from_json(to_json(config)) == config


def changed(path: list[str | int], value: object) -> str:
    """FULL's file with this at that place; None: without it."""
    raw = place = json.loads(to_json(FULL))
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("path", "value"), [(["format"], 2), (["generation"], "7"), (["generation"], True), (["generation"], None)]
)
def test_what_is_not_ours_is_refused(path: list[str | int], value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["weight"], 1),
        (["port"], "443"),
        (["flags"], "x"),
        (["name"], None),
        (["backends", 0, "address"], 5),
        (["backends", 0, "port"], None),
        (["backends", 1, "way", "method"], 99),
        (["checks", 0, 1, "probe", "kind"], "PingPong"),
        (["checks", 0, 1, "probe", "colour"], "red"),
        (["checks", 0, 1, "probe"], "TCPProbe"),
        (["checks", 0], ["page"]),
    ],
)
def test_a_server_that_only_another_release_can_run_costs_itself_alone(path: list[str | int], value: object) -> None:
    assert from_json(changed(["servers", 0, *path], value)) == replace(FULL, servers=FULL.servers[1:])


@pytest.mark.parametrize(
    ("path", "value", "without"),
    [
        (["surprise"], 1, {}),
        (["servers"], {}, {"servers": ()}),
        (["sync", "later"], 1, {"sync": None}),
        (["sync"], [], {"sync": None}),
        (["port_guards", 0, "later"], 1, {"port_guards": FULL.port_guards[1:]}),
        (["backend_addresses", 0, "tunnel"], 99, {"backend_addresses": FULL.backend_addresses[1:]}),
    ],
)
def test_so_does_anything_else(path: list[str | int], value: object, without: dict[str, Any]) -> None:
    assert from_json(changed(path, value)) == replace(FULL, **without)


@pytest.mark.parametrize("text", ["", "[]", "null", "7", '{"format": 1', "{}"])
def test_torn_or_strange_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


def test_a_thousand_servers_of_ten_backends_are_read_in_far_less_than_a_second() -> None:
    check = CheckConfig(TCPProbe())
    servers = tuple(
        ServerConfig(
            name=f"n/s{i}:web",
            addresses=(f"10.1.{i // 250}.{i % 250}",),
            port=80,
            checks=(("tcp", check),),
            backends=tuple(BackendConfig(f"10.2.{i % 250}.{j}", 80) for j in range(10)),
        )
        for i in range(1000)
    )
    config = BalanceConfig(1, servers)
    before = time.process_time()
    assert from_json(to_json(config)) == config
    assert time.process_time() - before < 3


def test_the_file_is_there_while_there_is_something_to_run(tmp_path: Path) -> None:
    path = tmp_path / "balance.json"
    assert kept(path) is None
    keep(path, FULL)
    assert kept(path) == FULL
    keep(path, BalanceConfig(8))
    assert not path.exists()
    keep(path, BalanceConfig(9))


def test_what_runs_looks_at_the_file_only_when_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "balance.json"
    seen = Kept(path)
    assert seen.changed() == BalanceConfig(0)
    assert seen.gone
    assert seen.changed() is None
    keep(path, FULL)
    assert seen.changed() == FULL
    assert not seen.gone
    assert seen.changed() is None
    keep(path, replace(FULL, generation=8))
    assert seen.changed() == replace(FULL, generation=8)
    seen.forget()
    assert seen.changed() == replace(FULL, generation=8)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"."):
        seen.changed()
    assert seen.changed() is None
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            seen.changed()
    path.rmdir()
    keep(path, BalanceConfig(9))
    assert seen.changed() == BalanceConfig(0)
    assert seen.gone
