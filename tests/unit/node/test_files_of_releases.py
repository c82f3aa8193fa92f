"""State files of the release before or after: nothing that must be undone is lost, nothing ends a start."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring_node.agent.keys import KeyBook
from mooring_node.agent.transitions import TransitionLog, read_transitions
from mooring_node.board import Board, Standing
from mooring_node.files import StateFolder, boot_id
from mooring_node.forwarding import ledger as forwarding
from mooring_node.forwarding.wanted import GuePort
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import ServiceKey
from mooring_node.keeping import adoptable, write_kept
from mooring_node.kernel.process import now_ns
from mooring_node.ledger import Entries, Ledger, LedgerAddress, LedgerSetting
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig, NodeRuntime, to_json

Change = Callable[[dict[str, Any]], object]
ADDRESS = LedgerAddress("eth0", "10.0.0.100", 24)
OTHER = LedgerAddress("eth0", "10.0.0.101", 24)
SETTING = LedgerSetting("eth0", "promote_secondaries", 0, 1)


def edit(path: Path, change: Change) -> None:
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


# ledger.json


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.json")
    found.write(Entries(frozenset({ADDRESS, OTHER}), frozenset({SETTING})))
    return found


def test_a_field_that_a_newer_ledger_has_loses_no_entry(ledger: Ledger, tmp_path: Path) -> None:
    def newer(raw: dict[str, Any]) -> None:
        for each in (*raw["addresses"], *raw["settings"]):
            each["table"] = "main"

    edit(tmp_path / "ledger.json", newer)
    assert ledger.read() == Entries(frozenset({ADDRESS, OTHER}), frozenset({SETTING}))


def test_an_entry_that_is_none_costs_no_other(ledger: Ledger, tmp_path: Path) -> None:
    edit(tmp_path / "ledger.json", lambda raw: raw["addresses"].extend([7, {"interface": "eth0"}]))
    assert ledger.read().addresses == {ADDRESS, OTHER}
    edit(tmp_path / "ledger.json", lambda raw: raw.pop("settings"))
    assert ledger.read() == Entries(frozenset({ADDRESS, OTHER}))


def test_what_only_a_newer_daemon_can_undo_stays_listed_for_it(ledger: Ledger, tmp_path: Path) -> None:
    edit(tmp_path / "ledger.json", lambda raw: raw.update(routes=[{"to": "10.1.0.0/16"}]))
    assert ledger.unknown() == {"routes": [{"to": "10.1.0.0/16"}]}
    ledger.write(Entries())
    assert ledger.unknown() == {"routes": [{"to": "10.1.0.0/16"}]}
    edit(tmp_path / "ledger.json", lambda raw: raw.update(boot="another"))
    assert ledger.unknown() == {}, "it has ended with its boot"


# forwarding.json

FORWARDING = forwarding.Entries(
    addresses=frozenset({ADDRESS}),
    settings=frozenset({SETTING}),
    sysctls=frozenset({forwarding.LedgerSysctl("net/ipv4/vs/conntrack", "0", "1")}),
    made=frozenset({"mooring-ipip"}),
    raised=frozenset({"tunl0"}),
    ports=frozenset({GuePort(4, 6080)}),
    rules=True,
)


def test_forwarding_loses_nothing_to_another_release(tmp_path: Path) -> None:
    path = tmp_path / "forwarding.json"
    ledger = forwarding.ForwardingLedger(path)
    ledger.write(FORWARDING)

    def newer(raw: dict[str, Any]) -> None:
        raw["later"] = [1]
        for field in ("addresses", "settings", "sysctls", "ports"):
            raw[field][0]["later"] = 1

    edit(path, newer)
    assert ledger.read() == FORWARDING
    ledger.write(forwarding.Entries(made=frozenset({"mooring-ipip"})))
    assert json.loads(path.read_text())["later"] == [1]
    edit(path, lambda raw: [raw.pop(field) for field in ("ports", "raised", "sysctls")])
    assert ledger.read() == forwarding.Entries(made=frozenset({"mooring-ipip"})), "one that an older release wrote"


# ipvs-owned.json


def test_services_of_another_release_are_still_ours(tmp_path: Path) -> None:
    path = tmp_path / "ipvs-owned.json"
    service, other = ServiceKey(4, 6, "10.0.0.100", 80), ServiceKey(4, 6, "10.0.0.101", 80)
    daemon = SyncDaemon(Role.MASTER, "eth0", 1)
    Owned(path).write([service, other], [daemon])

    def newer(raw: dict[str, Any]) -> None:
        raw["services"][0].append("later")
        raw["services"].append("x")
        raw["daemons"][0]["later"] = 1
        raw["later"] = 1

    edit(path, newer)
    owned = Owned(path)
    assert (owned.services, owned.daemons) == ({service, other}, {daemon})
    owned.write([service])
    assert Owned(path).services == {service}
    assert json.loads(path.read_text())["later"] == 1


# transitions.json


def test_transitions_of_another_release_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    path = tmp_path / "transitions.json"
    one = {"time": "2026-11-21T04:00:00Z", "group": "web", "before": "Backup", "after": "Active", "reason": "x"}
    state = {"state": "Active", "since_s": 5.0, "reason": "x", "transitions": 3}
    groups = {"web": state | {"later": 1}, "api": state | {"state": "Standby"}, "old": {"state": "Active"}}
    path.write_text(json.dumps({"transitions": [one | {"later": 1}, {"time": "x"}], "groups": groups, "later": 1}))
    assert [each.group for each in read_transitions(path)] == ["web"]
    assert list(TransitionLog(path).groups) == ["web"]
    path.write_text(json.dumps({"transitions": 7, "groups": []}))
    assert (read_transitions(path), TransitionLog(path).groups) == ((), {})


# keys.json


def test_keys_of_another_release_are_read_as_far_as_they_can_be() -> None:
    good = {"fault": "", "states": [{"version": "7", "password": "x", "later": 1}], "named": ["7"], "later": 1}
    text = json.dumps({"format": 1, "secrets": {"web": good, "api": {"states": "later"}}, "later": 1})
    book = KeyBook("mooring-system", text)
    assert [report.name for report in book.reports()] == ["web"]
    assert book.choose("web", "7") is not None


# kept.json and accepted.json


def kept(state: StateFolder) -> tuple[str, ...]:
    return tuple(group.name for group in adoptable(state, Board()))


def test_what_was_kept_by_another_release_is_adopted_where_it_is_said_as_here(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    member = MemberConfig("web", "eth0", 4, 6, 3, (AddressConfig("10.0.0.100", 24, "eth0"),))
    runtime = NodeRuntime(1, (GroupConfig("web", (member,)), GroupConfig("api", (member,))))
    state.accepted.write_text(to_json(runtime))
    now = now_ns()
    write_kept(state.kept, dict.fromkeys(("web", "api"), Standing(now, now + 60_000_000_000)), now)
    assert set(kept(state)) == {"web", "api"}
    edit(state.kept, lambda raw: raw.pop("vouchedNs"))
    edit(state.kept, lambda raw: raw["groups"]["web"].update(later=1))
    edit(state.kept, lambda raw: raw["groups"]["api"].pop("leaseEndNs"))
    assert kept(state) == ("web",)
    edit(state.accepted, lambda raw: raw["groups"][0].update(later=1))
    assert kept(state) == (), "a group that cannot be run is not adopted, and its addresses are undone"
    state.kept.write_text(json.dumps({"boot": boot_id(), "groups": []}))
    assert kept(state) == ()
