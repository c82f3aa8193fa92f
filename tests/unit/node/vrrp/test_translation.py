"""Why a state changed, in the words of the log."""

import pytest

from mooring_node.vrrp.states import Backup, Fault, Leaving, Pace, Router, Settings, State
from mooring_node.vrrp.translation import LastHeard, why_heard, why_now

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


def test_what_an_advert_brought() -> None:
    assert why_heard(Router(SETTINGS, Backup(NOW, Pace(3, S))), heard(150, 0)) == "heard 10.0.0.28 (priority 150)"
    leaving = Router(SETTINGS, Leaving(NOW, NOW, stopping=False))
    assert why_heard(leaving, heard(80, 0)) == "handed over to 10.0.0.28 (priority 80)"
