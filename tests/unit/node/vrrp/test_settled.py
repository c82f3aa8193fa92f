"""Which groups an update waits for."""

import pytest

from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.settled import OF_OURS, unsettled
from mooring_node.vrrp.states import (
    Active,
    Backup,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Observing,
    Pace,
    Router,
    Settings,
    State,
    Stopped,
)
from mooring_node.vrrp.translation import LastHeard

S = 10**9
NOW = 100 * S
PACE = Pace(3, S)
ACTIVE = Active(advert_at=NOW + S, since=NOW)
WAITING = Backup(NOW + 3 * S, PACE)


def router(state: State, **settings: object) -> Router:
    return Router(Settings(version=3, priority=100, interval_ns=S, **settings), state)  # type: ignore[arg-type]


def heard(priority: int) -> LastHeard:
    return LastHeard("10.0.0.2", priority, NOW)


@pytest.mark.parametrize("state", [ACTIVE, Doubting(ACTIVE), Observing(), Stopped()])
def test_these_have_found_their_place(state: State) -> None:
    assert unsettled(router(state), (), None, NOW) == ""


@pytest.mark.parametrize("state", [Initialize(), Leaving(NOW + S, NOW, stopping=False), WAITING])
def test_these_have_not(state: State) -> None:
    assert unsettled(router(state), (), None, NOW)


def test_a_backup_of_somebody_better_is_there_to_stay() -> None:
    assert unsettled(router(WAITING), (), heard(150), NOW) == ""
    assert unsettled(router(WAITING), (), heard(100), NOW) == ""


def test_one_that_will_preempt_is_waited_for() -> None:
    preempting = Backup(NOW + 3 * S, PACE, preempt_at=NOW)
    assert unsettled(router(preempting), (), heard(50), NOW) == "takes the role of 10.0.0.2 soon"
    assert unsettled(router(WAITING, preempt=False), (), heard(50), NOW) == ""


def test_one_that_is_told_to_wait_is_not_waited_for() -> None:
    delayed = Backup(NOW + 3 * S, PACE, preempt_at=NOW + S)
    assert unsettled(router(delayed, preempt_delay_ns=5 * S), (), heard(50), NOW) == ""
    assert unsettled(router(delayed, preempt_delay_ns=5 * S), (), heard(50), NOW + S)
    flapped = Router(router(WAITING).settings, WAITING, hold_down_until=NOW + S)
    assert unsettled(flapped, (), heard(50), NOW) == ""


def test_one_whose_active_says_goodbye_is_waited_for() -> None:
    assert unsettled(router(Backup(NOW + S, PACE, preempt_at=NOW + S)), (), heard(0), NOW)


@pytest.mark.parametrize("reason", FaultReason)
def test_only_faults_that_an_update_may_have_brought_hold_it_up(reason: FaultReason) -> None:
    words = unsettled(router(Fault()), (reason,), None, NOW)
    assert (reason.value in words) == (reason in OF_OURS)
