"""Which of a child's troubles only a new container ends."""

from dataclasses import replace

import pytest

from mooring_node.supervisor.liveness import FAILING_NS, REPAIR_NS, Life, described, unmendable

S = 10**9
WELL = Life("vrrp", vital=True, stall_ns=3 * S, idle_ns=S // 5)


@pytest.mark.parametrize(
    "life",
    [
        WELL,
        # Within the supervisor's own time.
        replace(WELL, idle_ns=3 * S + REPAIR_NS),
        replace(WELL, idle_ns=4 * S, killed_for_ns=REPAIR_NS),
        # Being replaced, with the longest back-off.
        replace(WELL, idle_ns=None, failing_for_ns=FAILING_NS),
        # Its death takes nothing away, and a fresh start would.
        replace(WELL, vital=False, idle_ns=None, failing_for_ns=100 * FAILING_NS),
    ],
)
def test_what_the_supervisor_mends(life: Life) -> None:
    assert unmendable([life]) == ""


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (replace(WELL, killed_for_ns=REPAIR_NS + S), "the vrrp process was killed 11 s ago and does not end"),
        (replace(WELL, idle_ns=14 * S), "the vrrp process has made no progress for 14 s"),
        (
            replace(WELL, idle_ns=None, failing_for_ns=FAILING_NS + S),
            "the vrrp process has been dying again and again for 181 s",
        ),
        (replace(WELL, vital=False, killed_for_ns=60 * S), "the vrrp process was killed 60 s ago and does not end"),
    ],
)
def test_what_nobody_mends(life: Life, words: str) -> None:
    assert unmendable([WELL, life]) == words


def test_the_ages_are_told() -> None:
    assert (
        described([WELL, replace(WELL, name="agent", idle_ns=None)]) == "live: vrrp 0.2 s ago, agent is being started"
    )
