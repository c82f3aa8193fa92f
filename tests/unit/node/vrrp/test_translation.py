"""Why a state changed, in the words of the log."""

from dataclasses import replace

import pytest

from mooring_node.vrrp.config import FormConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.states import Active, Backup, Fault, Leaving, Observing, Pace, Router, Settings, State
from mooring_node.vrrp.translation import LastHeard, active_heard, settings_of, under_way, why_heard, why_now

S = 1_000_000_000
MS = 1_000_000
NOW = 10**12
SETTINGS = Settings(version=3, priority=100, interval_ns=S)


def heard(priority: int, ago_ns: int) -> LastHeard:
    return LastHeard("10.0.0.28", priority, NOW - ago_ns)


@pytest.mark.parametrize(
    ("state", "last", "said"),
    [
        (Backup(NOW, Pace(3, S)), None, "nobody else was heard"),
        (Backup(NOW, Pace(3, S)), heard(150, 3609 * MS), "10.0.0.28 (priority 150) was silent for 3609 ms"),
        (Backup(NOW, Pace(3, S)), heard(80, 3610 * MS), "10.0.0.28 (priority 80) was silent for 3610 ms"),
        (Backup(NOW, Pace(3, S)), heard(80, 700 * MS), "preempted 10.0.0.28 (priority 80)"),
        (Backup(NOW, Pace(3, S)), heard(0, 600 * MS), "10.0.0.28 left (priority 0)"),
        (Leaving(NOW, NOW, stopping=True), None, "let go: nobody took over in time"),
        (Fault(NOW), None, "no fault any more"),
    ],
)
def test_what_time_brought(state: State, last: LastHeard | None, said: str) -> None:
    assert why_now(Router(SETTINGS, state), last, NOW) == said


@pytest.mark.parametrize(
    ("state", "last", "known"),
    [
        (Active(NOW, NOW, NOW), None, True),
        (Leaving(NOW, NOW, stopping=True), None, True),
        (Backup(NOW, Pace(3, S)), None, False),
        (Backup(NOW, Pace(3, S)), heard(150, 3609 * MS), True),
        (Backup(NOW, Pace(3, S)), heard(150, 3610 * MS), False),
        (Backup(NOW, Pace(3, S)), heard(0, 100 * MS), False),
        (Observing(), heard(150, 100 * MS), True),
        (Fault(NOW), heard(150, 9000 * MS), False),
    ],
)
def test_who_is_no_holder_may_hear_one(state: State, last: LastHeard | None, known: bool) -> None:
    assert active_heard(Router(SETTINGS, state), last, NOW) is known


def test_an_active_router_that_may_speak_more_slowly_has_longer() -> None:
    slow = Router(replace(SETTINGS, accepted=(Pace(3, 10 * S),)), Observing())
    assert active_heard(slow, heard(150, 30 * S), NOW)
    assert not active_heard(slow, heard(150, 40 * S), NOW)


def test_what_an_advert_brought() -> None:
    assert why_heard(Router(SETTINGS, Backup(NOW, Pace(3, S))), heard(150, 0)) == "heard 10.0.0.28 (priority 150)"
    leaving = Router(SETTINGS, Leaving(NOW, NOW, stopping=False))
    assert why_heard(leaving, heard(80, 0)) == "handed over to 10.0.0.28 (priority 80)"


MEMBER = MemberConfig("web", "eth0", 4, 66, 2, (), peers=("10.0.0.28",), password="one")
SAME = FormConfig(66, 2, S, peers=("10.0.0.28",), password="one")


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ([], None),
        ([SAME], None),
        ([replace(SAME, virtual_router_id=67)], "VRID 67"),
        ([replace(SAME, password="two")], "another password"),
        ([replace(SAME, password=None)], "no password"),
        ([replace(SAME, version=3, interval_ns=100 * MS)], "version 3, interval 100ms"),
        ([replace(SAME, pseudo_header=False)], "checksums without pseudo-header"),
        ([replace(SAME, peers=None)], "multicast"),
        (
            [replace(SAME, virtual_router_id=67), replace(SAME, virtual_router_id=67, version=3)],
            "VRID 67, version 3",
        ),
    ],
)
def test_what_is_also_accepted_in_words(forms: list[FormConfig], said: str | None) -> None:
    changing = GroupConfig("web", (replace(MEMBER, accepted=tuple(forms)),))
    assert under_way(changing) == (f"also accepts {said} (a change is under way)" if said else "")


def test_a_password_is_in_no_text() -> None:
    assert "one" not in under_way(GroupConfig("web", (replace(MEMBER, password="x", accepted=(SAME,)),)))


def test_the_paces_of_all_members_and_forms_count() -> None:
    six = replace(MEMBER, name="six", family=6, version=3, accepted=(FormConfig(66, 3, 100 * MS),))
    four = replace(MEMBER, accepted=(SAME, replace(SAME, interval_ns=3 * S)))
    chosen = settings_of(GroupConfig("web", (four, six), interval_ns=S), maintenance=False)
    assert chosen.paces == (Pace(2, S), Pace(3, S), Pace(2, 3 * S), Pace(3, 100 * MS))
    assert settings_of(GroupConfig("web", (MEMBER,)), maintenance=False).accepted == ()
