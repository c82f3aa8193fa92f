"""The life of containers, by a virtual clock."""

import pytest
from tests.unit.lab.kubelet.life import DONE, FAILED, KILLED, TERMINATED, Life
from tests.unit.lab.kubelet.pods import container

from mooring_lab.kubelet import machine
from mooring_lab.kubelet.deadlines import deadline
from mooring_lab.kubelet.events import (
    Check,
    Checked,
    Create,
    Exited,
    Finish,
    Hook,
    Kill,
    NotStarted,
    RunHook,
    Started,
    Terminate,
)
from mooring_lab.kubelet.states import (
    Ended,
    Exit,
    Killed,
    PostStart,
    PreStop,
    ProbeKind,
    Running,
    Starting,
    Terminating,
    Waiting,
)

PRE_STOP = {"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}
POST_START = {"lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}
PROBE = {"exec": {"command": ["x"]}, "periodSeconds": 5, "failureThreshold": 2}
LIVENESS, READINESS, STARTUP = ProbeKind.LIVENESS, ProbeKind.READINESS, ProbeKind.STARTUP


# -- starting and starting again


def test_all_containers_start_at_once() -> None:
    life = Life.of(container("a"), container("b"))
    assert life.tick() == (Create("a", 1), Create("b", 1))
    assert life.tick() == ()
    life.started("a")
    assert isinstance(life["a"].phase, Running)
    assert isinstance(life["b"].phase, Starting)


def test_init_containers_one_by_one() -> None:
    life = Life.of(container(), initContainers=[container("first"), container("second")])
    assert life.tick() == (Create("first", 1),)
    life.started("first")
    assert life.exited(DONE, "first") == (Create("second", 1),)
    life.started("second")
    assert life.exited(DONE, "second") == (Create("main", 1),)


def test_a_failed_init_container_holds_all_others_back() -> None:
    life = Life.of(container(), initContainers=[container("first")])
    life.tick()
    life.started("first")
    assert life.exited(FAILED, "first") == (Create("first", 2),)
    life.started("first")
    assert life.exited(FAILED, "first") == ()
    assert life.to_deadline() == (Create("first", 3),)


@pytest.mark.parametrize(
    ("policy", "exit_", "again"),
    [
        ("Always", DONE, True),
        ("Always", FAILED, True),
        ("OnFailure", DONE, False),
        ("OnFailure", FAILED, True),
        ("Never", DONE, False),
        ("Never", FAILED, False),
    ],
)
def test_restart_policies(policy: str, exit_: Exit, again: bool) -> None:
    life = Life.of(container(), restartPolicy=policy)
    life.tick()
    life.started()
    assert life.exited(exit_) == ((Create("main", 2),) if again else ())
    assert deadline(life.state) is None


def test_pauses_double_to_a_limit_and_begin_again_after_a_long_run() -> None:
    life = Life.running()
    pauses = []
    for _ in range(8):
        life.exited()
        begun = life.now
        if isinstance(life["main"].phase, Waiting):
            assert life["main"].phase.reason == "CrashLoopBackOff"
            assert life.to_deadline() == (Create("main", life["main"].attempts),)
        pauses.append(life.now - begun)
        life.started()
    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300]
    assert life.exited(Exit(1, "Error", "", 0.0, 600.0)) == (Create("main", 10),)


def test_what_was_missing_is_looked_for_again_and_counts_no_restart() -> None:
    life = Life.of(container())
    life.tick()
    assert life.take(NotStarted("main", 1, "CreateContainerConfigError", 'secret "x" not found')) == ()
    waiting = life["main"].phase
    assert isinstance(waiting, Waiting)
    assert (waiting.reason, waiting.message) == ("CreateContainerConfigError", 'secret "x" not found')
    assert life["main"].attempts == 0
    assert life.to_deadline() == (Create("main", 1),)
    assert life.told == ["Failed"]


def test_restarts_that_the_api_server_knows_of_are_not_forgotten() -> None:
    life = Life.of(container())
    life.document["status"] = {"containerStatuses": [{"name": "main", "restartCount": 4, "containerID": "x"}]}
    life.__post_init__()
    assert life.tick() == (Create("main", 6),)


def test_a_refused_pod_starts_nothing_and_ends_at_once() -> None:
    life = Life.of(container())
    life.state = machine.Pod(life.state.init, life.state.main, refused="no")
    assert life.tick() == ()
    assert deadline(life.state) is None
    assert life.end() == (Finish(),)


# -- the end


def test_the_end_is_sigterm_then_sigkill() -> None:
    life = Life.running()
    assert life.end(30) == (Terminate("main", 1),)
    assert life.tick(29.9) == ()
    assert life.to_deadline() == (Kill("main", 1),)
    assert isinstance(life["main"].phase, Killed)
    assert deadline(life.state) is None
    assert life.exited(KILLED) == (Finish(),)


def test_nothing_starts_again_in_a_pod_that_ends() -> None:
    life = Life.running()
    life.end()
    assert life.exited(TERMINATED) == (Finish(),)
    assert life.tick(1000) == (Finish(),)


def test_pre_stop_comes_first_and_uses_up_the_grace() -> None:
    life = Life.running(**PRE_STOP)
    assert life.end(30) == (RunHook("main", 1, Hook.PRE_STOP),)
    life.tick(10)
    assert life.hook_done(Hook.PRE_STOP) == (Terminate("main", 1),)
    assert life.tick(19.9) == ()
    assert life.tick(0.1) == (Kill("main", 1),)


def test_sigterm_has_two_seconds_at_least_after_the_hook() -> None:
    life = Life.running(**PRE_STOP)
    life.end(5)
    life.tick(4.5)
    assert life.hook_done(Hook.PRE_STOP, "it failed") == (Terminate("main", 1),)
    assert life.tick(1.9) == ()
    assert life.tick(0.1) == (Kill("main", 1),)
    assert "FailedPreStopHook" in life.told


def test_a_hook_without_end_is_cut_off() -> None:
    life = Life.running(**PRE_STOP)
    life.end(5)
    assert life.to_deadline() == (Terminate("main", 1),)
    assert life.hook_done(Hook.PRE_STOP) == ()
    # The pod is seen again meanwhile, with the grace that it has.
    assert life.end(5) == ()
    assert life.tick(1.9) == ()
    assert life.tick(0.1) == (Kill("main", 1),)


def test_a_shorter_grace_counts_and_a_longer_one_does_not() -> None:
    life = Life.running()
    life.end(600)
    assert life.end(1000) == ()
    assert life.end(1) == ()
    assert life.tick(1) == (Kill("main", 1),)


def test_a_pod_that_is_seen_again_has_no_more_time_than_before() -> None:
    life = Life.of(container())
    life.tick()
    life.end(5)
    life.tick(3)
    life.end(5)
    life.started()
    assert life.tick(1.9) == ()
    assert life.tick(0.1) == (Kill("main", 1),)


def test_a_shorter_grace_cuts_the_hook_short() -> None:
    life = Life.running(**PRE_STOP)
    life.end(600)
    life.end(1)
    assert life.tick(1) == (Terminate("main", 1),)


def test_a_pod_that_has_not_begun_ends_at_once() -> None:
    assert Life.of(container()).end() == (Finish(),)


def test_a_container_that_is_starting_is_ended_when_it_runs() -> None:
    life = Life.of(container(**PRE_STOP))
    life.tick()
    assert life.end() == ()
    assert life.started() == (RunHook("main", 1, Hook.PRE_STOP),)


def test_one_that_never_starts_is_killed_with_the_grace() -> None:
    life = Life.of(container())
    life.tick()
    life.end(10)
    assert life.to_deadline() == (Kill("main", 1),)
    assert life.exited(Exit(137, "ContainerStatusUnknown")) == (Finish(),)


def test_one_that_was_killed_before_it_could_be_is_killed_again() -> None:
    """There was nothing yet to send a signal to."""
    for event, wanted in (
        (Started("main", 1, 0.0), (Kill("main", 1),)),
        (NotStarted("main", 1, "ContainerCreating", "late"), (Finish(),)),
    ):
        life = Life.of(container())
        life.tick()
        life.end(10)
        life.to_deadline()
        assert life.take(event) == wanted


def test_all_containers_must_have_ended() -> None:
    life = Life.of(container("a"), container("b"))
    life.tick()
    life.started("a")
    life.started("b")
    life.end()
    assert life.exited(DONE, "a") == ()
    assert life.exited(DONE, "b") == (Finish(),)


def test_a_pod_ends_in_the_middle_of_its_init_containers() -> None:
    life = Life.of(container(), initContainers=[container("first")])
    life.tick()
    life.started("first")
    assert life.end() == (Terminate("first", 1),)
    assert life.exited(DONE, "first") == (Finish(),)


# -- postStart


def test_probes_begin_after_post_start() -> None:
    life = Life.of(container(livenessProbe=PROBE, **POST_START))
    life.tick()
    assert life.started() == (RunHook("main", 1, Hook.POST_START),)
    assert isinstance(life["main"].phase, PostStart)
    assert life.tick(100) == ()
    assert life.hook_done(Hook.POST_START) == (Check("main", 1, LIVENESS),)


def test_a_failed_post_start_ends_the_container() -> None:
    life = Life.of(container(**POST_START))
    life.tick()
    life.started()
    assert life.hook_done(Hook.POST_START, "no") == (Terminate("main", 1),)
    assert life.exited(TERMINATED) == (Create("main", 2),)
    assert "FailedPostStartHook" in life.told


def test_a_container_may_end_during_post_start() -> None:
    life = Life.of(container(**POST_START))
    life.tick()
    life.started()
    assert life.exited() == (Create("main", 2),)
    life.started()
    # The first one's hook comes back late.
    assert life.take(machine.HookDone("main", 1, Hook.POST_START)) == ()
    assert isinstance(life["main"].phase, PostStart)


# -- probes


def test_liveness_restarts_after_so_many_failures_in_a_row() -> None:
    life = Life.running(livenessProbe=PROBE, **PRE_STOP)
    assert life.effects[-1] == Check("main", 1, LIVENESS)
    for passed in (False, True, False):
        assert life.take(Checked("main", 1, LIVENESS, passed)) == ()
        assert life.to_deadline() == (Check("main", 1, LIVENESS),)
    assert life.take(Checked("main", 1, LIVENESS, False, "no answer")) == (RunHook("main", 1, Hook.PRE_STOP),)
    assert life.told.count("Unhealthy") == 3
    assert "Killing" in life.told
    assert isinstance(life["main"].phase, PreStop)
    life.hook_done(Hook.PRE_STOP)
    assert life.exited(TERMINATED) == (Create("main", 2),)


def test_a_probe_may_have_a_grace_of_its_own() -> None:
    life = Life.running(livenessProbe=PROBE | {"failureThreshold": 1, "terminationGracePeriodSeconds": 3})
    life.take(Checked("main", 1, LIVENESS, False))
    phase = life["main"].phase
    assert isinstance(phase, Terminating)
    assert phase.kill == life.now + 3


def test_nothing_is_asked_twice_at_once_and_no_burst_follows_a_slow_answer() -> None:
    life = Life.running(livenessProbe=PROBE)
    assert deadline(life.state) is None
    assert life.tick(60) == ()
    assert life.take(Checked("main", 1, LIVENESS, True)) == (Check("main", 1, LIVENESS),)
    assert life.take(Checked("main", 1, LIVENESS, True)) == ()
    # That answer was taken for this question; a second one is nobody's.
    assert life.take(Checked("main", 1, LIVENESS, True)) == ()
    assert deadline(life.state) == life.now + 5


def test_the_startup_probe_comes_first() -> None:
    life = Life.running(startupProbe=PROBE, livenessProbe=PROBE | {"initialDelaySeconds": 1}, readinessProbe=PROBE)
    assert life.effects[-1:] == [Check("main", 1, STARTUP)]
    assert life.take(Checked("main", 1, STARTUP, False)) == ()
    assert life.to_deadline() == (Check("main", 1, STARTUP),)
    assert life.take(Checked("main", 1, STARTUP, True)) == (
        Check("main", 1, LIVENESS),
        Check("main", 1, READINESS),
    )
    assert life.take(Checked("main", 1, STARTUP, False)) == ()


def test_a_startup_probe_that_fails_for_good_restarts() -> None:
    life = Life.running(startupProbe=PROBE)
    life.take(Checked("main", 1, STARTUP, False))
    life.to_deadline()
    assert life.take(Checked("main", 1, STARTUP, False)) == (Terminate("main", 1),)


def test_a_readiness_probe_never_restarts() -> None:
    life = Life.running(readinessProbe=PROBE)
    for _ in range(5):
        assert life.take(Checked("main", 1, READINESS, False)) == ()
        assert life.to_deadline() == (Check("main", 1, READINESS),)


def test_answers_about_an_earlier_attempt_are_not_heard() -> None:
    life = Life.running(livenessProbe=PROBE | {"failureThreshold": 1})
    life.exited()
    life.started()
    assert life.take(Checked("main", 1, LIVENESS, False)) == ()
    assert life.take(Exited("main", 1, KILLED)) == ()
    assert life.take(Started("main", 1, 0.0)) == ()
    assert life.take(Exited("stranger", 1, KILLED)) == ()
    assert isinstance(life["main"].phase, Running)


# -- going on with what another kubelet began


def test_what_was_out_is_asked_again() -> None:
    life = Life.running(livenessProbe=PROBE)
    state, effects = machine.resume(life.state, life.now)
    assert effects == (Create("main", 1),)
    state, effects = machine.step(state, machine.Tick(), life.now, life.rules)
    assert effects == (Check("main", 1, LIVENESS),)


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (lambda life: life.tick(), (Create("main", 1),)),
        (lambda life: (life.tick(), life.started()), (Create("main", 1), RunHook("main", 1, Hook.POST_START))),
        (
            lambda life: (life.tick(), life.started(), life.hook_done(Hook.POST_START), life.end()),
            (Create("main", 1), RunHook("main", 1, Hook.PRE_STOP)),
        ),
        (
            lambda life: (
                (life.tick(), life.started(), life.hook_done(Hook.POST_START), life.end()),
                life.hook_done(Hook.PRE_STOP),
            ),
            (Create("main", 1), Terminate("main", 1)),
        ),
        (
            lambda life: (life.tick(), life.started(), life.end(), life.to_deadline(), life.to_deadline()),
            (Create("main", 1), Kill("main", 1)),
        ),
        (lambda life: life.end(), ()),
    ],
)
def test_signals_and_hooks_are_repeated(steps: object, wanted: object) -> None:
    life = Life.of(container(lifecycle={**POST_START["lifecycle"], **PRE_STOP["lifecycle"]}))
    steps(life)  # type: ignore[operator]
    _, effects = machine.resume(life.state, life.now)
    assert effects == wanted


def test_an_ended_container_is_left_alone() -> None:
    life = Life.of(container(), restartPolicy="Never")
    life.tick()
    life.started()
    life.exited(DONE)
    assert machine.resume(life.state, life.now) == (life.state, ())
    assert isinstance(life["main"].phase, Ended)
