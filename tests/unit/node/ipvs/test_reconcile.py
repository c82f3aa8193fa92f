"""The loop against a kernel that refuses, loses, breaks and outlives it."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.ipvs.fake_kernel import FakeKernel, Killed
from tests.unit.node.ipvs.tables import DNS, MAIL, MARK, ONE, THREE, TWO, WEB, balanced, tables

from mooring_node.ipvs import owned as owned_module
from mooring_node.ipvs.diff import Action, same
from mooring_node.ipvs.findings import Trouble
from mooring_node.ipvs.kernel import IpvsMissingError
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import AUDIT_NS, WRITES_A_TURN, Reconciler
from mooring_node.ipvs.table import OUR_MARKS, Balanced, Destination, Service, ServiceKey, Table

SECOND = 1_000_000_000


class Process:
    """A reconciler that lives over one kernel and one file, and its clock."""

    def __init__(self, path: Path, kernel: FakeKernel) -> None:
        self.path = path
        self.kernel = kernel
        self.now = 0
        self.start()

    def start(self) -> None:
        """The process begins, or begins anew after a death."""
        self.reconciler = Reconciler(self.kernel, Owned(self.path))

    def want(self, table: Table) -> None:
        self.reconciler.want(table)
        self.run()

    def run(self, seconds: float = 0) -> None:
        """Turns until nothing is to be done at once, and so on for a while."""
        end = self.now + int(seconds * SECOND)
        for _ in range(10_000):
            due = self.reconciler.turn(self.now)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
        pytest.fail("the reconciler does not come to rest")

    @property
    def on_disk(self) -> set[ServiceKey]:
        return {ServiceKey(*each) for each in json.loads(self.path.read_text())["services"]}

    @property
    def troubles(self) -> list[Trouble]:
        return [each.trouble for each in self.reconciler.problems]


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def process(tmp_path: Path, kernel: FakeKernel) -> Process:
    return Process(tmp_path / "ipvs.json", kernel)


BOTH = {WEB: balanced(ONE, TWO), DNS: balanced(ONE)}


def test_a_table_is_set_and_then_nothing_is_written(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    assert kernel.table == BOTH
    assert process.reconciler.settled
    assert [len(call) for call in kernel.applied] == [2, 3]
    process.run(seconds=100)
    process.want({WEB: balanced(ONE, TWO), DNS: balanced(ONE)})
    assert len(kernel.applied) == 2
    assert process.reconciler.drift.mended == 0


def test_a_change_of_one_backend_is_one_message_and_no_question(process: Process, kernel: FakeKernel) -> None:
    table = {ServiceKey(4, 6, "192.0.2.1", port): balanced(ONE, TWO) for port in range(1, 1001)}
    process.want(table)
    kernel.applied.clear()
    asked = kernel.questions
    written = process.path.stat().st_mtime_ns
    changed = ServiceKey(4, 6, "192.0.2.1", 500)
    process.want({**table, changed: Balanced(Service("rr"), {ONE: Destination(1), TWO: Destination(0)})})
    assert [(each.action, each.service, each.destination) for each in kernel.messages] == [
        (Action.SET_DESTINATION, changed, TWO)
    ]
    assert kernel.questions == asked
    assert process.path.stat().st_mtime_ns == written


def test_a_turn_is_bounded(process: Process, kernel: FakeKernel) -> None:
    table = {ServiceKey(4, 6, "192.0.2.1", port): balanced(ONE, TWO, THREE) for port in range(1, 1001)}
    process.want(table)
    assert kernel.table == table
    assert len(kernel.applied) > 3
    assert max(len(call) for call in kernel.applied) < WRITES_A_TURN + 4
    kernel.applied.clear()
    process.want({key: Balanced(Service("wlc"), each.destinations) for key, each in table.items()})
    assert max(len(call) for call in kernel.applied) <= 20
    kernel.questions = 0
    process.run(seconds=30)
    assert process.reconciler.drift.audits == 1
    process.reconciler.turn(process.now)
    assert kernel.questions > 1000


def test_a_key_is_on_disk_before_it_is_set_and_goes_after(process: Process, kernel: FakeKernel) -> None:
    seen: list[set[ServiceKey]] = []
    kernel.before_apply = lambda: seen.append(process.on_disk)
    process.want(BOTH)
    process.want({WEB: BOTH[WEB]})
    assert seen == [{WEB, DNS}] * 3
    assert process.on_disk == {WEB}


def test_nothing_happens_before_it_is_known_what_is_wanted(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    process.start()
    asked = kernel.questions
    assert process.reconciler.turn(0) == AUDIT_NS
    assert (kernel.table, kernel.questions) == (BOTH, asked)
    process.want(BOTH)
    assert len(kernel.applied) == 2


def test_without_anything_to_do_the_kernel_is_not_asked(process: Process, kernel: FakeKernel) -> None:
    process.want({})
    process.run(seconds=100)
    assert process.reconciler.release() == ()
    assert kernel.questions == 0


@pytest.mark.parametrize("after", range(5))
def test_killed_between_two_messages_the_next_one_goes_on(process: Process, kernel: FakeKernel, after: int) -> None:
    foreign = {MARK: balanced(THREE)}
    kernel.services[MARK] = (foreign[MARK].service, dict(foreign[MARK].destinations))
    kernel.dies_after = after
    process.reconciler.want(BOTH)
    with pytest.raises(Killed):
        process.reconciler.turn(0)
    kernel.dies_after = None
    process.start()
    process.want({WEB: balanced(TWO), MAIL: balanced()})
    assert kernel.table == {WEB: balanced(TWO), MAIL: balanced(), **foreign}
    assert process.on_disk == {WEB, MAIL}


def test_killed_while_removing_the_next_one_goes_on(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    kernel.dies_after = 1
    process.reconciler.want({})
    with pytest.raises(Killed):
        process.reconciler.turn(0)
    kernel.dies_after = None
    process.start()
    process.want({})
    assert kernel.table == {}
    assert process.on_disk == set()


def test_somebody_elses_service_is_told_of_and_taken_when_it_goes(process: Process, kernel: FakeKernel) -> None:
    kernel.services[WEB] = (Service("lc"), {THREE: Destination(5)})
    process.want(BOTH)
    assert kernel.table == {WEB: Balanced(Service("lc"), {THREE: Destination(5)}), DNS: BOTH[DNS]}
    (problem,) = process.reconciler.problems
    assert (problem.trouble, problem.service) == (Trouble.FOREIGN, WEB)
    assert "192.0.2.1:80/TCP" in problem.message
    assert "ipvsadm -D -t 192.0.2.1:80" in problem.message
    assert process.on_disk == {DNS}
    del kernel.services[WEB]
    process.run(seconds=31)
    assert kernel.table == BOTH
    assert process.reconciler.problems == ()


def test_a_lost_file_costs_only_what_may_be_anybodys(process: Process, kernel: FakeKernel) -> None:
    """A mark with our bit is adopted, and changed in place: connections go on. The rest waits for the command."""
    ours = ServiceKey(4, mark=OUR_MARKS | 9)
    process.want({WEB: balanced(ONE), MARK: balanced(ONE), ours: balanced(ONE, TWO)})
    kernel.applied.clear()
    process.path.unlink()
    process.start()
    process.want({WEB: balanced(TWO), MARK: balanced(TWO), ours: balanced(TWO, THREE)})
    assert [(each.action, each.service, each.destination) for each in kernel.messages] == [
        (Action.NEW_DESTINATION, ours, THREE),
        (Action.DELETE_DESTINATION, ours, ONE),
    ]
    assert {each.service: each.trouble for each in process.reconciler.problems} == {
        WEB: Trouble.FOREIGN,
        MARK: Trouble.FOREIGN,
    }
    assert process.on_disk == {ours}
    assert process.reconciler.release() == ()
    assert kernel.table.keys() == {WEB, MARK}


def test_somebody_who_is_faster_by_a_moment_keeps_it(process: Process, kernel: FakeKernel) -> None:
    def faster() -> None:
        kernel.services.setdefault(WEB, (Service("lc"), {}))

    kernel.before_apply = faster
    process.want(BOTH)
    assert kernel.table == {WEB: Balanced(Service("lc"), {}), DNS: BOTH[DNS]}
    assert process.troubles == [Trouble.FOREIGN]
    assert process.on_disk == {DNS}


def test_what_others_delete_is_found_counted_and_mended(process: Process, kernel: FakeKernel) -> None:
    table = {**BOTH, MAIL: balanced(ONE, TWO), MARK: balanced(ONE)}
    process.want(table)
    kernel.services.clear()
    process.run(seconds=29)
    assert kernel.table == {}
    process.run(seconds=2)
    assert kernel.table == table
    assert (process.reconciler.drift.vanished_services, process.reconciler.drift.owned) == (4, 4)
    process.run(seconds=60)
    assert process.reconciler.drift.mended == 4


def test_what_others_change_is_found_counted_and_mended(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    service, found = kernel.services[WEB]
    kernel.services[WEB] = (Service("mh"), found)
    found[ONE] = Destination(9)
    found[THREE] = Destination(1)
    del found[TWO]
    process.reconciler.audit_soon()
    process.run()
    assert kernel.table == BOTH
    drift = process.reconciler.drift
    assert (drift.changed_services, drift.changed_destinations) == (1, 1)
    assert (drift.vanished_destinations, drift.added_destinations) == (1, 1)
    assert service == Service("rr")


def _vanish_destination(kernel: FakeKernel) -> None:
    del kernel.services[WEB][1][TWO]


def _vanish_service(kernel: FakeKernel) -> None:
    del kernel.services[WEB]


@pytest.mark.parametrize(("lose", "count"), [(_vanish_destination, (0, 1)), (_vanish_service, (1, 0))])
def test_a_refusal_tells_of_what_others_deleted(
    process: Process, kernel: FakeKernel, lose: Callable[[FakeKernel], None], count: tuple[int, int]
) -> None:
    process.want(BOTH)
    lose(kernel)
    wanted = {**BOTH, WEB: balanced(ONE, TWO, weight=3)}
    process.want(wanted)
    assert kernel.table == wanted
    assert process.reconciler.problems == ()
    drift = process.reconciler.drift
    assert (drift.vanished_services, drift.vanished_destinations) == count
    assert drift.mended == 1


def test_a_missing_module_is_named_and_costs_only_its_service(process: Process, kernel: FakeKernel) -> None:
    wanted = {WEB: balanced(ONE, scheduler="nosuch"), DNS: balanced(ONE)}
    process.want(wanted)
    assert kernel.table == {DNS: wanted[DNS]}
    (problem,) = process.reconciler.problems
    assert (problem.trouble, problem.service, problem.module) == (Trouble.MISSING_MODULE, WEB, "ip_vs_nosuch")
    before = len(kernel.applied)
    process.run(seconds=600)
    assert 20 <= len(kernel.applied) - before <= 30
    process.want({**wanted, WEB: balanced(ONE)})
    assert kernel.table == {WEB: balanced(ONE), DNS: balanced(ONE)}
    assert process.reconciler.problems == ()


def test_lacking_is_what_was_refused_and_not_what_stands(process: Process, kernel: FakeKernel) -> None:
    kernel.refuse[(Action.NEW_SERVICE, WEB)] = errno.EINVAL
    process.reconciler.want(BOTH)
    assert not process.reconciler.lacking, "nothing has been tried"
    process.run()
    assert set(process.reconciler.lacking) == {WEB}
    process.reconciler.want({WEB: balanced(ONE), DNS: balanced(ONE)})
    assert set(process.reconciler.lacking) == {WEB}, "another backend does not make it stand"
    kernel.breaks = OSError(errno.ETIMEDOUT, "no answer")
    process.run(seconds=2)
    assert set(process.reconciler.lacking) == {WEB}, "who cannot be asked has not lost anything"
    kernel.breaks = IpvsMissingError(errno.ENOENT, "the kernel lacks the module ip_vs")
    process.run(seconds=60)
    assert {key: each.module for key, each in process.reconciler.lacking.items()} == {WEB: "ip_vs", DNS: "ip_vs"}
    kernel.breaks = None
    kernel.refuse.clear()
    process.run(seconds=120)
    assert not process.reconciler.lacking


def test_a_refused_destination_leaves_the_others_of_its_service(process: Process, kernel: FakeKernel) -> None:
    kernel.refuse = {(Action.SET_DESTINATION, WEB): errno.ENOMEM}
    process.want(BOTH)
    wanted = {**BOTH, WEB: Balanced(Service("mh"), {ONE: Destination(9), THREE: Destination(1)})}
    process.want(wanted)
    assert kernel.table[WEB] == Balanced(Service("mh"), {ONE: Destination(1), THREE: Destination(1)})
    assert process.troubles == [Trouble.REFUSED]
    assert "10.0.0.1:8080" in process.reconciler.problems[0].message
    kernel.refuse = {}
    process.run(seconds=2)
    assert kernel.table == wanted
    assert process.reconciler.problems == ()
    assert process.reconciler.drift.mended == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM, errno.EPERM, errno.EINVAL])
def test_a_refused_service_is_tried_again_with_pauses(process: Process, kernel: FakeKernel, code: int) -> None:
    kernel.refuse = {(Action.NEW_SERVICE, WEB): code}
    process.want(BOTH)
    assert kernel.table == {DNS: BOTH[DNS]}
    assert process.troubles == [Trouble.NOT_PERMITTED if code == errno.EPERM else Trouble.REFUSED]
    process.run(seconds=100)
    kernel.refuse = {}
    process.run(seconds=31)
    assert kernel.table == BOTH
    assert process.reconciler.problems == ()


def test_a_broken_exchange_is_a_problem_until_it_works_again(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    kernel.breaks = TimeoutError(errno.ETIMEDOUT, "no answer")
    process.want({WEB: balanced(THREE)})
    assert process.troubles == [Trouble.REFUSED]
    assert not process.reconciler.settled
    questions = kernel.questions
    process.run(seconds=60)
    assert kernel.questions - questions < 10
    assert kernel.table == BOTH
    kernel.breaks = None
    process.run(seconds=31)
    assert kernel.table == {WEB: balanced(THREE)}
    assert process.reconciler.problems == ()


def test_an_exchange_that_breaks_after_half_of_it_is_taken_up(process: Process, kernel: FakeKernel) -> None:
    real = kernel.apply

    def half(operations: object) -> tuple[()]:
        real(operations[:2])  # type: ignore[index]
        raise OSError(errno.ENOBUFS, "no buffer")

    kernel.apply = half  # type: ignore[assignment, method-assign]
    process.want(BOTH)
    assert kernel.table != BOTH
    kernel.apply = real  # type: ignore[method-assign]
    process.run(seconds=2)
    assert kernel.table == BOTH
    assert process.reconciler.drift.mended == 0


def test_a_kernel_without_ipvs_is_told_by_its_module(process: Process, kernel: FakeKernel) -> None:
    kernel.breaks = IpvsMissingError(errno.ENOENT, "the kernel lacks the module ip_vs")
    process.want(BOTH)
    (problem,) = process.reconciler.problems
    assert (problem.trouble, problem.module) == (Trouble.MISSING_MODULE, "ip_vs")
    assert problem.message == "the kernel lacks the module ip_vs"
    assert process.reconciler.release() == ()


def test_what_can_not_be_recorded_is_not_set_and_the_rest_goes_on(
    process: Process, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.want({WEB: balanced(ONE, TWO)})

    def full(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(owned_module, "write_atomically", full)
        process.want({WEB: balanced(ONE), DNS: balanced(ONE)})
        assert kernel.table == {WEB: balanced(ONE)}
        assert process.troubles == [Trouble.NOT_RECORDED]
        process.want({DNS: balanced(ONE)})
        assert kernel.table == {}
        assert process.on_disk == {WEB}
    process.run(seconds=31)
    assert kernel.table == {DNS: balanced(ONE)}
    assert DNS in process.on_disk


def test_release_removes_what_is_ours_and_nothing_else(process: Process, kernel: FakeKernel) -> None:
    kernel.services[MARK] = (Service("rr"), {})
    process.want(BOTH)
    process.start()
    assert process.reconciler.release() == ()
    assert kernel.table == {MARK: balanced()}
    assert process.on_disk == set()


def test_what_goes_while_it_is_released_is_no_problem(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    kernel.before_apply = kernel.services.clear
    assert process.reconciler.release() == ()
    assert process.on_disk == set()


def test_what_is_new_comes_before_anything_goes(process: Process, kernel: FakeKernel) -> None:
    process.want({ServiceKey(4, 6, "192.0.2.1", port): balanced(ONE) for port in range(1, 1001)})
    kernel.applied.clear()
    process.want({ServiceKey(4, 6, "192.0.2.2", port): balanced(ONE) for port in range(1, 1001)})
    actions = [each.action for each in kernel.messages]
    assert actions.index(Action.DELETE_SERVICE) == 2000
    assert len(actions) == 3000


def test_what_release_can_not_remove_stays_on_disk(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    kernel.refuse = {(Action.DELETE_SERVICE, WEB): errno.ENOMEM}
    (problem,) = process.reconciler.release()
    assert problem.service == WEB
    assert process.on_disk == {WEB}
    kernel.breaks = OSError(errno.ENOBUFS, "no buffer")
    assert len(process.reconciler.release()) == 1
    assert process.on_disk == {WEB}


def test_readings_are_those_of_the_last_audit(process: Process, kernel: FakeKernel) -> None:
    process.want(BOTH)
    assert process.reconciler.readings == {}
    process.run(seconds=31)
    counters, loads = process.reconciler.readings[WEB]
    assert counters.connections == 7
    assert {key: each.active for key, each in loads.items()} == {ONE: 3, TWO: 3}
    process.want({DNS: BOTH[DNS]})
    assert set(process.reconciler.readings) == {DNS}
    assert kernel.table == {DNS: BOTH[DNS]}


_SMALL = tables(schedulers=("rr", "wlc"), most=4)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), _SMALL),
        st.tuples(st.just("vandal"), _SMALL),
        st.tuples(st.just("kill"), st.integers(0, 8)),
        st.tuples(st.just("break"), st.sampled_from((errno.ENOBUFS, errno.ETIMEDOUT))),
        st.tuples(st.just("refuse"), st.sampled_from(Action)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=8,
)


@given(_SMALL, _STEPS, _SMALL)
def test_whatever_happens_the_wanted_table_comes(
    tmp_path_factory: pytest.TempPathFactory,
    foreign: dict[ServiceKey, Balanced],
    steps: list[tuple[str, object]],
    last: dict[ServiceKey, Balanced],
) -> None:
    kernel = FakeKernel(foreign)
    process = Process(tmp_path_factory.mktemp("owned") / "ipvs.json", kernel)
    wanted: dict[ServiceKey, Balanced] = {}
    for what, how in steps:
        kernel.breaks, kernel.refuse, kernel.dies_after = None, {}, None
        if what == "want":
            assert isinstance(how, dict)
            wanted = how
        elif what == "vandal":
            assert isinstance(how, dict)
            _vandalise(kernel, how, foreign)
        elif what == "kill":
            assert isinstance(how, int)
            kernel.dies_after = how
        elif what == "break":
            assert isinstance(how, int)
            kernel.breaks = OSError(how, "broken")
        elif what == "refuse":
            assert isinstance(how, Action)
            kernel.refuse = {(how, key): errno.ENOMEM for key in wanted}
        try:
            process.reconciler.want(wanted)
            process.run(float(how) if isinstance(how, int) and what == "wait" else 0)
        except Killed:
            process.start()
    kernel.breaks, kernel.refuse, kernel.dies_after = None, {}, None
    process.want(last)
    process.run(seconds=100)
    expected = {**last, **foreign}
    assert kernel.table.keys() == expected.keys()
    assert all(same(key, kernel.table[key], expected[key]) for key in expected)
    assert process.on_disk if (last.keys() - foreign.keys()) else True
    written = len(kernel.applied)
    process.run(seconds=100)
    assert len(kernel.applied) == written


def _vandalise(kernel: FakeKernel, what: dict[ServiceKey, Balanced], foreign: dict[ServiceKey, Balanced]) -> None:
    """Somebody sets services of ours as they please, and deletes the rest of them."""
    for key in [key for key in kernel.services if key not in foreign]:
        if key in what:
            kernel.services[key] = (what[key].service, dict(what[key].destinations))
        else:
            del kernel.services[key]
