"""Whatever happens in whatever order, some things hold."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.lab.kubelet.life import Life
from tests.unit.lab.kubelet.pods import container

from mooring_lab.kubelet import codec, machine
from mooring_lab.kubelet.deadlines import deadline
from mooring_lab.kubelet.events import (
    Check,
    Checked,
    Create,
    End,
    Event,
    Exited,
    Finish,
    Hook,
    HookDone,
    Kill,
    NotStarted,
    RunHook,
    Started,
    Terminate,
    Tick,
)
from mooring_lab.kubelet.pod_status import phase, status
from mooring_lab.kubelet.states import Alive, Exit, Killed, ProbeKind, Starting

NAMES = ("first", "main", "beside")
_PROBE = {"exec": {"command": ["x"]}, "periodSeconds": 1, "failureThreshold": 2}
_HOOKS = {name: {"exec": {"command": ["x"]}} for name in ("postStart", "preStop")}

names = st.sampled_from(NAMES)
attempts = st.integers(1, 4)
codes = st.sampled_from([0, 1, 137])
events: st.SearchStrategy[Any] = st.one_of(
    st.just(Tick()),
    st.builds(End, st.sampled_from([1.0, 5.0, 30.0])),
    st.builds(NotStarted, names, attempts, st.just("X"), st.just("")),
    st.builds(Started, names, attempts, st.just(0.0)),
    st.builds(Exited, names, attempts, st.builds(Exit, codes, st.just("Error"))),
    st.builds(HookDone, names, attempts, st.sampled_from(Hook), st.sampled_from(["", "failed"])),
    st.builds(Checked, names, attempts, st.sampled_from(ProbeKind), st.booleans()),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 3.0, 40.0]), events), max_size=60)
policies = st.sampled_from(["Always", "OnFailure", "Never"])


def life(policy: str) -> Life:
    full = container("main", lifecycle=_HOOKS, startupProbe=_PROBE, livenessProbe=_PROBE, readinessProbe=_PROBE)
    return Life.of(full, container("beside"), initContainers=[container("first")], restartPolicy=policy)


def is_present(pod: Life, event: Exited | NotStarted, phases: Any = Alive) -> bool:
    """Whether it is about an attempt that lives, in one of these phases."""
    return isinstance(pod[event.name].phase, phases) and pod[event.name].attempts == event.attempt


@settings(max_examples=300)
@given(policies, steps)
def test_whatever_happens(policy: str, happened: list[tuple[float, Event]]) -> None:
    pod = life(policy)
    begun: set[tuple[str, int]] = set()
    over: set[tuple[str, int]] = set()
    for seconds, event in [(0.0, Tick()), *happened]:
        pod.now += seconds
        was_ending = pod.state.ending is not None or isinstance(event, End)
        if isinstance(event, Exited) and is_present(pod, event):
            over.add((event.name, event.attempt))
        elif isinstance(event, NotStarted) and is_present(pod, event, Starting | Killed):
            # It is tried again under the same number.
            begun.discard((event.name, event.attempt))
        for effect in pod.take(event):
            if isinstance(effect, Create):
                assert (effect.name, effect.attempt) not in begun, "an attempt is begun once"
                assert not was_ending, "nothing begins in a pod that ends"
                begun.add((effect.name, effect.attempt))
            elif isinstance(effect, Terminate | Kill | RunHook | Check):
                key = (effect.name, effect.attempt)
                assert key in begun - over, "only what lives is touched"
            elif isinstance(effect, Finish):
                assert not pod.state.alive
        assert len([c for c in pod.state.init if c.alive]) <= 1
        if any(c.alive for c in pod.state.init):
            assert not any(c.alive for c in pod.state.main), "init containers come before all others"
        assert codec.of_json(codec.to_json(pod.state)) == pod.state
        status(pod.document, pod.state, pod.rules, ("10.0.0.18",), {}, 0.0)
        phase(pod.state, pod.rules, deleted=True)


@settings(max_examples=200)
@given(policies, steps)
def test_every_pod_can_be_ended(policy: str, happened: list[tuple[float, Event]]) -> None:
    """Whatever was before: after End, time alone leads to a signal for each that lives, and each exit is heard."""
    pod = life(policy)
    for seconds, event in [(0.0, Tick()), *happened]:
        pod.now += seconds
        pod.take(event)
    effects = pod.end(5)
    for _ in range(20):
        if deadline(pod.state) is None:
            break
        effects = pod.to_deadline()
    for name in NAMES:
        if pod[name].alive:
            effects = pod.exited(name=name)
    assert Finish() in effects


@settings(max_examples=200)
@given(policies, steps, steps)
def test_a_kubelet_that_starts_again_leads_to_the_same_end(
    policy: str, before: list[tuple[float, Event]], after: list[tuple[float, Event]]
) -> None:
    """Resumed from what was written down, each living container is looked after again."""
    pod = life(policy)
    for seconds, event in [(0.0, Tick()), *before]:
        pod.now += seconds
        pod.take(event)
    alive = {container.name for container in pod.state.containers if container.alive}
    pod.state, effects = machine.resume(codec.of_json(codec.to_json(pod.state)), pod.now)
    assert {effect.name for effect in effects if isinstance(effect, Create)} == alive
    for seconds, event in after:
        pod.now += seconds
        pod.take(event)
    pod.end(1)
    for name in NAMES:
        if pod[name].alive:
            pod.exited(name=name)
    assert not pod.state.alive
