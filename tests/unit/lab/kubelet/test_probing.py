"""What answers settle."""

import pytest

from mooring_lab.kubelet import probing
from mooring_lab.kubelet.rules import ProbeRules
from mooring_lab.kubelet.states import Probe, ProbeKind

RULES = ProbeRules(0.0, 10.0, 1.0, success_threshold=2, failure_threshold=3)


@pytest.mark.parametrize(
    ("answers", "settled"),
    [
        ("", None),
        ("+", None),
        ("++", True),
        ("+-+-", None),
        ("--", None),
        ("---", False),
        ("++--", True),
        ("++---", False),
        ("---+", False),
        ("---++", True),
    ],
)
def test_as_many_in_a_row_as_the_threshold_says(answers: str, settled: bool | None) -> None:
    probe = Probe(ProbeKind.READINESS, 0.0)
    for each in answers:
        probe = probing.answer(probing.ask(probe, RULES, probe.due), RULES, each == "+")
    assert probe.passed is settled


def test_the_next_question_is_a_period_after_this_one_was_due_or_after_now_when_that_has_passed() -> None:
    probe = probing.ask(Probe(ProbeKind.LIVENESS, 100.0), RULES, 101.0)
    assert (probe.due, probe.asked) == (110.0, True)
    assert probing.ask(Probe(ProbeKind.LIVENESS, 100.0), RULES, 500.0).due == 510.0


def test_started_and_ready() -> None:
    def probes(startup: bool | None, readiness: bool | None) -> tuple[Probe, ...]:
        return (
            Probe(ProbeKind.STARTUP, 0.0, passed=startup),
            Probe(ProbeKind.READINESS, 0.0, passed=readiness),
            Probe(ProbeKind.LIVENESS, 0.0),
        )

    assert (probing.started(()), probing.ready(())) == (True, True)
    assert (probing.started(probes(None, True)), probing.ready(probes(None, True))) == (False, False)
    assert (probing.started(probes(True, None)), probing.ready(probes(True, None))) == (True, False)
    assert probing.ready(probes(True, True))
    assert [probe.kind for probe in probing.active(probes(None, None))] == [ProbeKind.STARTUP]
    assert [probe.kind for probe in probing.active(probes(True, None))] == [ProbeKind.READINESS, ProbeKind.LIVENESS]
