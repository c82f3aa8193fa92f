"""The reconciler over the real kernel: random tables, other programs beside it, and deaths at the worst moments."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ipvs.table.written import lines
from tests.unit.node.ipvs.tables import DNS, MAIL, MARK, ONE, THREE, TWO, WEB, balanced, tables

from mooring_node.ipvs import encode, reconcile
from mooring_node.ipvs.diff import Action, Operation, diff, same
from mooring_node.ipvs.encode import change
from mooring_node.ipvs.findings import Trouble
from mooring_node.ipvs.keeper import SyncKeeper
from mooring_node.ipvs.kernel import Failure, Ipvs
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.settings import FOLDER
from mooring_node.ipvs.sync import Role, SyncDaemon, both_roles
from mooring_node.ipvs.table import (
    OUR_MARKS,
    Balanced,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    Table,
)

if TYPE_CHECKING:
    from tests.ipvs.table.conftest import Process

#: As kube-proxy sets services of its own: rr, persistent by client address, masqueraded.
FOREIGN: dict[ServiceKey, Balanced] = {
    ServiceKey(4, 6, "10.96.0.1", 443): balanced(ONE, TWO),
    ServiceKey(4, 17, "10.96.0.10", 53): balanced(ONE),
    ServiceKey(4, 6, "10.96.0.11", 80): Balanced(Service("rr", ServiceFlag.PERSISTENT, 10800), {TWO: Destination(1)}),
    ServiceKey(4, 6, "10.96.0.12", 80): balanced(),
    ServiceKey(4, mark=99): balanced(ONE),
}
BOTH = {WEB: balanced(ONE, TWO), DNS: balanced(ONE)}


class Died(BaseException):
    """The process, here."""


def alike(one: Table, other: Table) -> bool:
    return one.keys() == other.keys() and all(same(key, one[key], other[key]) for key in one)


@pytest.fixture(autouse=True)
def _foreign(set_table: Callable[[Table], None]) -> None:
    set_table(FOREIGN)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(tables(), min_size=1, max_size=3))
def test_any_table_comes_and_is_not_written_twice(
    process: "Process", ipvsadm: Callable[..., list[str]], wanted: list[dict[ServiceKey, Balanced]]
) -> None:
    ipvs = process.ipvs
    for table in wanted:
        process.want(table)
        assert process.reconciler.problems == ()
        assert alike(ipvs.read(), {**FOREIGN, **table})
        sent = ipvs.messages_sent
        process.run(seconds=31)
        process.start()
        process.want(table)
        process.run(seconds=31)
        assert ipvs.messages_sent == sent
        assert process.reconciler.drift.mended == 0
    assert sorted(ipvsadm("--save", "--numeric")) == lines({**FOREIGN, **wanted[-1]})
    assert process.reconciler.release() == ()
    assert alike(ipvs.read(), FOREIGN)


def test_a_change_of_one_backend_among_ten_thousand_is_one_message(
    process: "Process", monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it takes is measured by benchmarks/ipvs; here its work is counted, which no busy machine changes."""
    backends = [DestinationKey(f"10.0.0.{last}", 8080) for last in range(1, 11)]
    table = {ServiceKey(4, 6, "192.0.2.1", port): balanced(*backends) for port in range(1, 1001)}
    process.want(table)
    changed = ServiceKey(4, 6, "192.0.2.1", 777)
    weights = {**table[changed].destinations, backends[4]: Destination(0)}
    writes, messages = process.ipvs.writes, process.ipvs.messages_sent
    compared: list[ServiceKey] = []
    sent: list[Operation] = []
    asked: list[str] = []

    def compare(wanted: Table, known: Table, owned: frozenset[ServiceKey]) -> tuple[Operation, ...]:
        compared.extend(wanted)
        return diff(wanted, known, owned)

    def encode_change(operation: Operation) -> bytes:
        sent.append(operation)
        return change(operation)

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "diff", compare)
        patch.setattr(encode, "change", encode_change)
        for question in ("find", "destinations"):
            patch.setattr(Ipvs, question, lambda *_, question=question: asked.append(question))
        process.want({**table, changed: Balanced(Service("rr"), weights)})
    assert compared == [changed]
    assert sent == [Operation(Action.SET_DESTINATION, changed, backends[4], Destination(0))]
    assert asked == []
    assert (process.ipvs.writes - writes, process.ipvs.messages_sent - messages) == (1, 1)
    assert process.ipvs.read()[changed].destinations == weights


@pytest.mark.parametrize("delete", ["--clear", "one by one"])
def test_what_others_delete_comes_back(process: "Process", ipvsadm: Callable[..., list[str]], delete: str) -> None:
    process.want(BOTH)
    if delete == "--clear":
        ipvsadm("--clear")
    else:
        ipvsadm("-D", "-t", "192.0.2.1:80")
        ipvsadm("-D", "-u", "192.0.2.1:53")
    process.run(seconds=31)
    found = process.ipvs.read()
    assert {key: found[key] for key in BOTH} == BOTH
    assert (process.reconciler.drift.vanished_services, process.reconciler.drift.owned) == (2, 2)


def test_what_others_change_is_mended(process: "Process", ipvsadm: Callable[..., list[str]]) -> None:
    process.want(BOTH)
    ipvsadm("-E", "-t", "192.0.2.1:80", "-s", "mh", "-p", "60")
    ipvsadm("-e", "-t", "192.0.2.1:80", "-r", "10.0.0.1:8080", "-m", "-w", "7")
    ipvsadm("-d", "-t", "192.0.2.1:80", "-r", "10.0.0.2:8080")
    ipvsadm("-a", "-t", "192.0.2.1:80", "-r", "10.0.0.3:8080", "-m")
    process.run(seconds=31)
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH})
    assert process.reconciler.drift.mended == 4


def test_a_service_of_somebody_else_is_told_of_and_not_touched(
    process: "Process", ipvsadm: Callable[..., list[str]]
) -> None:
    theirs = ServiceKey(4, 6, "10.96.0.1", 443)
    process.want({**BOTH, theirs: balanced(THREE, scheduler="mh")})
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH})
    (problem,) = process.reconciler.problems
    assert (problem.trouble, problem.service) == (Trouble.FOREIGN, theirs)
    command = problem.message.split("`")[1].split()
    assert command[0] == "ipvsadm"
    ipvsadm(*command[1:])
    process.run(seconds=31)
    assert process.ipvs.read()[theirs] == balanced(THREE, scheduler="mh")
    assert process.reconciler.problems == ()


def test_a_lost_state_folder_costs_no_service_by_a_mark_of_ours(
    process: "Process", ipvsadm: Callable[..., list[str]]
) -> None:
    ours = ServiceKey(4, mark=OUR_MARKS | 9)
    process.want({WEB: balanced(ONE), ours: balanced(ONE, TWO)})
    process.path.unlink()
    process.start()
    process.want({WEB: balanced(TWO), ours: balanced(TWO, THREE)})
    assert alike(process.ipvs.read(), {**FOREIGN, WEB: balanced(ONE), ours: balanced(TWO, THREE)})
    (problem,) = process.reconciler.problems
    ipvsadm(*problem.message.split("`")[1].split()[1:])
    process.run(seconds=31)
    assert alike(process.ipvs.read(), {**FOREIGN, WEB: balanced(TWO), ours: balanced(TWO, THREE)})
    assert process.reconciler.problems == ()


@pytest.mark.parametrize("after", range(5))
def test_killed_between_two_messages_the_next_process_goes_on(
    process: "Process", monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    real = Ipvs.apply
    left = after

    def dying(self: Ipvs, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        nonlocal left
        failures = real(self, operations[:left])
        if left < len(operations):
            raise Died
        left -= len(operations)
        return failures

    with monkeypatch.context() as patch:
        patch.setattr(Ipvs, "apply", dying)
        process.reconciler.want(BOTH)
        with pytest.raises(Died):
            process.reconciler.turn(0)
    process.start()
    process.want({WEB: balanced(TWO, THREE), MAIL: balanced(ONE)})
    assert alike(process.ipvs.read(), {**FOREIGN, WEB: balanced(TWO, THREE), MAIL: balanced(ONE)})
    process.start()
    assert process.reconciler.release() == ()
    assert alike(process.ipvs.read(), FOREIGN)


def test_a_missing_scheduler_costs_only_its_service(process: "Process") -> None:
    process.want({**BOTH, MARK: balanced(ONE, scheduler="nosuch")})
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH})
    (problem,) = process.reconciler.problems
    assert (problem.trouble, problem.module, problem.service) == (Trouble.MISSING_MODULE, "ip_vs_nosuch", MARK)


def test_what_can_not_be_told_costs_only_its_service(process: "Process") -> None:
    """In what is wanted, and in a file that somebody else has written into."""
    nonsense = (ServiceKey(5, 6, "192.0.2.1", 1), ServiceKey(4, 6, "here", 1), ServiceKey(6, 6, "2001:DB8::1", 80))
    Owned(process.path).write(services=nonsense)
    process.start()
    wanted = {**BOTH, nonsense[1]: balanced(ONE), nonsense[2]: balanced()}
    process.want(wanted)
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH})
    assert {(each.trouble, each.service) for each in process.reconciler.problems} == {
        (Trouble.REFUSED, nonsense[1]),
        (Trouble.REFUSED, nonsense[2]),
    }
    process.run(seconds=31)
    assert process.reconciler.release() == ()


def test_a_scheduler_that_is_missing_later_leaves_the_service_as_it_was(process: "Process") -> None:
    process.want(BOTH)
    process.want({**BOTH, WEB: balanced(ONE, THREE, scheduler="nosuch")})
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH, WEB: balanced(ONE, THREE)})
    assert [each.module for each in process.reconciler.problems] == ["ip_vs_nosuch"]
    process.want(BOTH)
    assert alike(process.ipvs.read(), {**FOREIGN, **BOTH})
    assert process.reconciler.problems == ()


def test_a_broken_socket_is_opened_again(process: "Process", monkeypatch: pytest.MonkeyPatch) -> None:
    process.want(BOTH)
    exchange = process.ipvs._exchange
    assert exchange is not None
    exchange.close()
    process.want({WEB: balanced(THREE)})
    assert [each.trouble for each in process.reconciler.problems] == [Trouble.REFUSED]
    process.run(seconds=2)
    assert alike(process.ipvs.read(), {**FOREIGN, WEB: balanced(THREE)})
    assert process.reconciler.problems == ()
    monkeypatch.undo()


def test_readings_come_with_an_audit(process: "Process") -> None:
    process.want({WEB: Balanced(Service("rr"), {ONE: Destination(1, Method.DIRECT_ROUTE)})})
    process.run(seconds=31)
    counters, loads = process.reconciler.readings[WEB]
    assert (counters.connections, set(loads)) == (0, {ONE})


def test_the_sync_daemons_are_kept_beside_those_of_others(process: "Process") -> None:
    ipvs = process.ipvs
    theirs = SyncDaemon(Role.BACKUP, "lo", sync_id=9)
    ipvs.sync_start(theirs)
    keeper = SyncKeeper(ipvs, Owned(process.path))
    keeper.want(both_roles("lo", sync_id=3))
    keeper.turn()
    assert [each.trouble for each in keeper.problems] == [Trouble.FOREIGN]
    assert {each.role: each.sync_id for each in ipvs.sync_daemons()} == {Role.MASTER: 3, Role.BACKUP: 9}
    ipvs.sync_stop(Role.BACKUP)
    keeper.turn()
    assert {each.role: each.sync_id for each in ipvs.sync_daemons()} == {Role.MASTER: 3, Role.BACKUP: 3}
    assert keeper.problems == ()
    # The next process knows what is ours, and changes it.
    keeper = SyncKeeper(ipvs, Owned(process.path))
    keeper.want(both_roles("lo", sync_id=4, group="224.0.0.82"))
    keeper.turn()
    assert {(each.sync_id, each.group) for each in ipvs.sync_daemons()} == {(4, "224.0.0.82")}
    assert SyncKeeper(ipvs, Owned(process.path)).release() == ()
    assert ipvs.sync_daemons() == ()


def test_a_setting_of_the_kernel_that_keeps_connections_from_being_synced_is_told(process: "Process") -> None:
    keeper = SyncKeeper(process.ipvs, Owned(process.path))
    keeper.want(both_roles("lo"))
    keeper.turn()
    assert keeper.problems == ()
    (FOLDER / "backup_only").write_text("1")
    keeper.turn()
    (problem,) = keeper.problems
    assert problem.trouble is Trouble.SETTING
    assert "net.ipv4.vs.backup_only" in problem.message
    assert keeper.release() == ()


def test_the_fixture_sets_what_others_have(ipvs: Ipvs) -> None:
    assert alike(ipvs.read(), FOREIGN)
    assert diff(FOREIGN, ipvs.read(), frozenset(FOREIGN)) == ()
