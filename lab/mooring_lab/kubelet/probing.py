"""When a probe is asked and what its answers settle. Pure; times are seconds of the monotonic clock."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mooring_lab.kubelet.rules import ProbeRules
from mooring_lab.kubelet.states import Probe, ProbeKind


def begin(rules: Mapping[ProbeKind, ProbeRules], now: float) -> tuple[Probe, ...]:
    """All probes of a container that runs since `now`."""
    return tuple(Probe(kind, now + rule.initial_delay_s) for kind, rule in rules.items())


def started(probes: Iterable[Probe]) -> bool:
    """Whether the container counts as started: its startup probe has passed, or it has none."""
    return all(probe.passed is True for probe in probes if probe.kind == ProbeKind.STARTUP)


def ready(probes: tuple[Probe, ...]) -> bool:
    """Whether it counts as ready: started, and its readiness probe passes, or it has none."""
    return started(probes) and all(probe.passed is True for probe in probes if probe.kind == ProbeKind.READINESS)


def active(probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    """Those that are asked at present: the startup probe alone until it has passed, and all others then."""
    by_startup = started(probes)
    return tuple(probe for probe in probes if (probe.kind == ProbeKind.STARTUP) != by_startup)


def ask(probe: Probe, rules: ProbeRules, now: float) -> Probe:
    """The question goes out. The next is due a period after this one was, and never two at once after a slow answer."""
    following = probe.due + rules.period_s
    return replace(probe, asked=True, due=following if following > now else now + rules.period_s)


def answer(probe: Probe, rules: ProbeRules, passed: bool) -> Probe:
    """One answer; it settles something when as many in a row say so as the threshold wants."""
    run = probe.run + 1 if probe.last is passed else 1
    threshold = rules.success_threshold if passed else rules.failure_threshold
    settled = passed if run >= threshold else probe.passed
    return replace(probe, asked=False, run=run, last=passed, passed=settled)


def failed(before: Probe, after: Probe) -> bool:
    """Whether this answer means that the container must be started anew."""
    return after.kind != ProbeKind.READINESS and after.passed is False and before.passed is not False
