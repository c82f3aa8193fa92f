"""The life of a pod's containers: an event in, the next state and a tuple of effects out. Pure.

`now` is seconds of the monotonic clock. After every event `deadlines.deadline` says when the next Tick is due.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from mooring_lab.kubelet import probing
from mooring_lab.kubelet.deadlines import turn
from mooring_lab.kubelet.events import (
    Check,
    Checked,
    Create,
    Effect,
    Effects,
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
    Tell,
    Terminate,
    Tick,
)
from mooring_lab.kubelet.rules import PodRules
from mooring_lab.kubelet.states import (
    Container,
    Ended,
    Ending,
    Exit,
    Killed,
    Pod,
    PostStart,
    PreStop,
    Running,
    Starting,
    Terminating,
    Waiting,
)

#: What a container gets between SIGTERM and SIGKILL when its preStop hook has used up the grace (as kubelet).
LEAST_GRACE_S = 2.0
CRASH_LOOP = "CrashLoopBackOff"


Step = tuple[Container, Effects]


def step(pod: Pod, event: Event, now: float, rules: PodRules) -> tuple[Pod, Effects]:
    """One event. What comes late, twice, or from an attempt that is over changes nothing."""
    effects: Effects = ()
    match event:
        case Tick():
            pass
        case End():
            pod = _end(pod, now + event.grace_s)
        case NotStarted() | Started() | Exited() | HookDone() | Checked():
            container = pod.container(event.name)
            if container and container.attempts == event.attempt:
                changed, effects = _apply(container, event, now, rules)
                pod = _with(pod, changed)
        case _:
            assert_never(event)
    pod, more = _advance(pod, now, rules)
    return pod, effects + more


def resume(pod: Pod, now: float) -> tuple[Pod, Effects]:
    """What a kubelet does first that finds a pod which another one had begun: hooks and probes are asked again."""
    effects: list[Effect] = []
    for container in pod.containers:
        if not container.alive:
            continue
        name, attempt, phase = container.name, container.attempts, container.phase
        effects.append(Create(name, attempt))
        if isinstance(phase, Running):
            probes = tuple(replace(probe, asked=False, due=min(probe.due, now)) for probe in phase.probes)
            pod = _with(pod, replace(container, phase=replace(phase, probes=probes)))
        elif isinstance(phase, PostStart | PreStop):
            hook = Hook.POST_START if isinstance(phase, PostStart) else Hook.PRE_STOP
            effects.append(RunHook(name, attempt, hook))
        elif isinstance(phase, Terminating):
            # Whether the first was sent nobody knows.
            effects.append(Terminate(name, attempt))
        elif isinstance(phase, Killed):
            effects.append(Kill(name, attempt))
    return pod, tuple(effects)


def _end(pod: Pod, kill: float) -> Pod:
    """It is to end; what ends already ends no later than `kill`. A later time than the one before changes nothing."""
    if pod.ending and pod.ending.kill <= kill:
        return pod
    for container in pod.containers:
        phase = container.phase
        if isinstance(phase, PreStop | Terminating):
            pod = _with(pod, replace(container, phase=replace(phase, kill=min(kill, phase.kill))))
    return replace(pod, ending=Ending(kill))


# -- one container


def _apply(container: Container, event: Event, now: float, rules: PodRules) -> Step:
    """An event of its present attempt."""
    phase = container.phase
    match event:
        case NotStarted() if isinstance(phase, Starting | Killed):
            waiting = Waiting(event.reason, event.message, now + rules.pace.retry_s)
            tell = Tell("Failed", f"Error: {event.message}", warning=True)
            return replace(container, phase=waiting, attempts=container.attempts - 1), (tell,)
        case Started() if isinstance(phase, Starting):
            return _started(container, event.started_at, now, rules)
        case Started() if isinstance(phase, Killed):
            # It was killed while there was nothing to kill.
            return container, (Kill(container.name, container.attempts),)
        case Exited() if container.alive:
            return replace(container, phase=Ended(event.exit)), ()
        case HookDone() if isinstance(phase, PostStart) and event.hook == Hook.POST_START:
            if event.failure:
                tell = Tell("FailedPostStartHook", f"PostStartHook failed: {event.failure}", warning=True)
                stopping, effects = _stop(container, now + rules.grace_s, now, rules)
                return stopping, (tell, *effects)
            return _running(container, phase.started_at, now, rules), ()
        case HookDone() if isinstance(phase, PreStop) and event.hook == Hook.PRE_STOP:
            failed = Tell("FailedPreStopHook", f"PreStopHook failed: {event.failure}", warning=True)
            told = (failed,) if event.failure else ()
            return _terminate(container, phase, now, told)
        case Checked() if isinstance(phase, Running):
            return _checked(container, phase, event, now, rules)
        case _:
            return container, ()


def _started(container: Container, started_at: float, now: float, rules: PodRules) -> Step:
    told = Tell("Started", f"Started container {container.name}")
    if rules.of(container.name).post_start:
        hook = RunHook(container.name, container.attempts, Hook.POST_START)
        return replace(container, phase=PostStart(started_at)), (told, hook)
    return _running(container, started_at, now, rules), (told,)


def _running(container: Container, started_at: float, now: float, rules: PodRules) -> Container:
    return replace(container, phase=Running(started_at, probing.begin(rules.of(container.name).probes, now)))


def _checked(container: Container, phase: Running, event: Checked, now: float, rules: PodRules) -> Step:
    before = next((probe for probe in phase.probes if probe.kind == event.kind and probe.asked), None)
    if before is None:
        return container, ()
    rule = rules.of(container.name).probes[event.kind]
    after = probing.answer(before, rule, event.passed)
    probes = tuple(after if probe is before else probe for probe in phase.probes)
    container = replace(container, phase=replace(phase, probes=probes))
    if event.passed:
        return container, ()
    told = Tell("Unhealthy", f"{event.kind.capitalize()} probe failed: {event.message}", warning=True)
    if not probing.failed(before, after):
        return container, (told,)
    grace_s = rules.grace_s if rule.grace_s is None else rule.grace_s
    why = Tell("Killing", f"Container {container.name} failed {event.kind} probe, will be restarted")
    stopping, effects = _stop(container, now + grace_s, now, rules)
    return stopping, (told, why, *effects)


def _stop(container: Container, kill: float, now: float, rules: PodRules) -> Step:
    """It runs and is to end: first its preStop hook, then SIGTERM; SIGKILL at `kill`."""
    phase = container.phase
    assert isinstance(phase, Running | PostStart)
    ready = isinstance(phase, Running) and probing.ready(phase.probes)
    stopping = PreStop(phase.started_at, kill, ready)
    if rules.of(container.name).pre_stop:
        return replace(container, phase=stopping), (RunHook(container.name, container.attempts, Hook.PRE_STOP),)
    terminating = Terminating(phase.started_at, max(kill, now), ready)
    return replace(container, phase=terminating), (Terminate(container.name, container.attempts),)


def _terminate(container: Container, phase: PreStop, now: float, told: Effects) -> Step:
    terminating = Terminating(phase.started_at, max(phase.kill, now + LEAST_GRACE_S), phase.ready)
    return replace(container, phase=terminating), (*told, Terminate(container.name, container.attempts))


# -- what time and the other containers ask for


def _advance(pod: Pod, now: float, rules: PodRules) -> tuple[Pod, Effects]:
    effects: list[Effect] = []

    def each(change: Callable[[Container], Step]) -> None:
        nonlocal pod
        for container in pod.containers:
            changed, more = change(container)
            pod = _with(pod, changed)
            effects.extend(more)

    each(lambda container: _in_time(container, now, rules))
    if pod.ending:
        kill = pod.ending.kill
        each(lambda container: _ended(container, kill, now, rules))
        if not pod.alive:
            effects.append(Finish())
    elif not pod.refused:
        for container in turn(pod):
            changed, more = _begin(container, now, rules, init=container in pod.init)
            pod = _with(pod, changed)
            effects.extend(more)
    return pod, tuple(effects)


def _in_time(container: Container, now: float, rules: PodRules) -> Step:
    """What is due."""
    phase = container.phase
    match phase:
        case Running():
            return _probe(container, phase, now, rules)
        case PreStop() if phase.kill <= now:
            late = Tell("FailedPreStopHook", "PreStopHook did not end within the grace period", warning=True)
            return _terminate(container, phase, now, (late,))
        case Terminating() if phase.kill <= now:
            return replace(container, phase=Killed(phase.started_at)), (Kill(container.name, container.attempts),)
        case _:
            return container, ()


def _probe(container: Container, phase: Running, now: float, rules: PodRules) -> Step:
    due = [probe for probe in probing.active(phase.probes) if not probe.asked and probe.due <= now]
    if not due:
        return container, ()
    rule = rules.of(container.name).probes
    probes = tuple(probing.ask(probe, rule[probe.kind], now) if probe in due else probe for probe in phase.probes)
    checks = tuple(Check(container.name, container.attempts, probe.kind) for probe in due)
    return replace(container, phase=replace(phase, probes=probes)), checks


def _ended(container: Container, kill: float, now: float, rules: PodRules) -> Step:
    """The pod is to end: this container too."""
    phase = container.phase
    match phase:
        case Running() | PostStart():
            stopping, effects = _stop(container, kill, now, rules)
            return stopping, (Tell("Killing", f"Stopping container {container.name}"), *effects)
        case Starting() if kill <= now:
            return replace(container, phase=Killed(0.0)), (Kill(container.name, container.attempts),)
        case _:
            return container, ()


def _begin(container: Container, now: float, rules: PodRules, *, init: bool) -> Step:
    """Start it if it is due, or say until when it waits."""
    phase = container.phase
    match phase:
        case Ended() if rules.restarts(phase.exit, init=init):
            pause_s, next_s = _pauses(container, phase.exit, rules)
            container = replace(container, last=phase.exit, back_off_s=next_s)
            if pause_s <= 0:
                return _create(container)
            message = f"back-off {pause_s:g}s restarting failed container={container.name}"
            waiting = replace(container, phase=Waiting(CRASH_LOOP, message, now + pause_s))
            return waiting, (Tell("BackOff", f"Back-off restarting failed container {container.name}", warning=True),)
        case Waiting() if phase.until <= now:
            return _create(container)
        case _:
            return container, ()


def _create(container: Container) -> Step:
    attempt = container.attempts + 1
    return replace(container, phase=Starting(), attempts=attempt), (Create(container.name, attempt),)


def _pauses(container: Container, ended: Exit, rules: PodRules) -> tuple[float, float]:
    """The pause now and the one after it: none at first, then doubling (client-go's Backoff, as kubelet uses it)."""
    pace = rules.pace
    ran_s = ended.finished_at - ended.started_at
    if container.back_off_s <= 0 or ran_s >= pace.reset_after_s:
        return 0.0, pace.first_back_off_s
    return container.back_off_s, min(container.back_off_s * 2, pace.longest_back_off_s)


def _with(pod: Pod, changed: Container) -> Pod:
    def put(containers: tuple[Container, ...]) -> tuple[Container, ...]:
        return tuple(changed if container.name == changed.name else container for container in containers)

    return replace(pod, init=put(pod.init), main=put(pod.main))
