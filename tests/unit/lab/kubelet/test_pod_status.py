"""What the status says of a pod in each of its states."""

from typing import Any

import pytest
from tests.unit.lab.kubelet.life import DONE, FAILED, TERMINATED, Life
from tests.unit.lab.kubelet.pods import Document, container

from mooring_lab.kubelet.events import Checked, Hook, NotStarted
from mooring_lab.kubelet.pod_status import PodPhase, phase, status
from mooring_lab.kubelet.states import Exit, ProbeKind

NOW = 1_700_000_000.0
TIME = "2023-11-14T22:13:20Z"
PROBE = {"exec": {"command": ["x"]}}


def said(life: Life, before: dict[str, Any] | None = None, now: float = NOW) -> Document:
    return status(life.document, life.state, life.rules, ("10.0.0.18", "fd00:10::18"), before or {}, now)


def conditions(life: Life) -> dict[str, str]:
    return {each["type"]: each["status"] for each in said(life)["conditions"]}


def test_before_anything_runs() -> None:
    life = Life.of(container())
    life.tick()
    found = said(life)
    assert found["phase"] == "Pending"
    assert found["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(life)["PodScheduled"] == "True"
    assert conditions(life)["Ready"] == "False"
    assert (found["podIP"], found["podIPs"]) == ("10.0.0.18", [{"ip": "10.0.0.18"}, {"ip": "fd00:10::18"}])
    assert found["startTime"] == TIME


def test_a_running_pod() -> None:
    life = Life.running()
    found = said(life)
    assert found["phase"] == "Running"
    assert set(conditions(life).values()) == {"True"}
    (main,) = found["containerStatuses"]
    assert (main["ready"], main["started"], main["restartCount"]) == (True, True, 0)
    assert main["state"] == {"running": {"startedAt": "1970-01-01T00:16:40Z"}}
    assert main["lastState"] == {}
    assert main["containerID"] == "lab://u-1/main/1"


def test_readiness_moves_ready_and_says_who_is_not() -> None:
    life = Life.of(container("a"), container("b", readinessProbe=PROBE))
    life.tick()
    life.started("a")
    life.started("b")
    found = {each["type"]: each for each in said(life)["conditions"]}
    assert found["Ready"]["reason"] == "ContainersNotReady"
    assert found["Ready"]["message"] == "containers with unready status: [b]"
    life.take(Checked("b", 1, ProbeKind.READINESS, True))
    assert conditions(life)["Ready"] == "True"


def test_a_startup_probe_moves_started() -> None:
    life = Life.running(startupProbe=PROBE)
    assert said(life)["containerStatuses"][0]["started"] is False
    assert conditions(life)["Ready"] == "False"
    life.take(Checked("main", 1, ProbeKind.STARTUP, True))
    assert said(life)["containerStatuses"][0]["started"] is True
    assert conditions(life)["Ready"] == "True"


def test_a_container_that_is_told_to_end_stays_ready_until_it_has() -> None:
    """As kubelet; who sends traffic looks at deletionTimestamp."""
    life = Life.running(lifecycle={"preStop": PROBE})
    life.end()
    assert conditions(life)["Ready"] == "True"
    life.hook_done(Hook.PRE_STOP)
    assert conditions(life)["Ready"] == "True"
    life.exited(TERMINATED)
    assert conditions(life)["Ready"] == "False"


def test_a_restart_tells_of_the_end_before() -> None:
    life = Life.running()
    life.exited(FAILED)
    life.started()
    life.exited(Exit(9, "Error", "words", NOW, NOW + 1))
    (main,) = said(life)["containerStatuses"]
    assert main["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main["state"]["waiting"]["message"] == "back-off 10s restarting failed container=main"
    assert main["lastState"]["terminated"] == {
        "exitCode": 9,
        "reason": "Error",
        "message": "words",
        "startedAt": TIME,
        "finishedAt": "2023-11-14T22:13:21Z",
        "containerID": "lab://u-1/main/2",
    }
    assert main["restartCount"] == 1
    assert said(life)["phase"] == "Running"


def test_what_was_missing_is_in_the_status() -> None:
    life = Life.of(container())
    life.tick()
    life.take(NotStarted("main", 1, "CreateContainerConfigError", 'secret "x" not found'))
    (main,) = said(life)["containerStatuses"]
    assert main["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    assert "containerID" not in main


def test_init_containers_have_their_own_place() -> None:
    life = Life.of(container(), initContainers=[container("first")])
    life.tick()
    life.started("first")
    found = said(life)
    assert found["phase"] == "Pending"
    assert found["initContainerStatuses"][0]["ready"] is False
    initialized = next(each for each in found["conditions"] if each["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [first]"
    life.exited(DONE, "first")
    assert said(life)["initContainerStatuses"][0]["ready"] is True
    assert conditions(life)["Initialized"] == "True"


@pytest.mark.parametrize(
    ("policy", "exits", "expected"),
    [
        ("Always", (DONE, None), PodPhase.RUNNING),
        ("Never", (DONE, None), PodPhase.RUNNING),
        ("Never", (DONE, DONE), PodPhase.SUCCEEDED),
        ("Never", (DONE, FAILED), PodPhase.FAILED),
        ("OnFailure", (DONE, DONE), PodPhase.SUCCEEDED),
        ("OnFailure", (DONE, FAILED), PodPhase.RUNNING),
    ],
)
def test_phases(policy: str, exits: tuple[Exit | None, ...], expected: PodPhase) -> None:
    life = Life.of(container("a"), container("b"), restartPolicy=policy)
    life.tick()
    for name, exit_ in zip(("a", "b"), exits, strict=True):
        life.started(name)
        if exit_:
            life.exited(exit_, name)
    assert phase(life.state, life.rules) == expected
    if expected in (PodPhase.SUCCEEDED, PodPhase.FAILED):
        reasons = {each["type"]: each.get("reason") for each in said(life)["conditions"]}
        assert reasons["Ready"] == ("PodCompleted" if expected == PodPhase.SUCCEEDED else "PodFailed")


def test_a_failed_init_container_fails_a_pod_that_restarts_nothing() -> None:
    life = Life.of(container(), initContainers=[container("first")], restartPolicy="Never")
    life.tick()
    life.started("first")
    life.exited(FAILED, "first")
    assert phase(life.state, life.rules) == PodPhase.FAILED


@pytest.mark.parametrize(("exit_", "expected"), [(DONE, PodPhase.SUCCEEDED), (TERMINATED, PodPhase.FAILED)])
def test_a_deleted_pod_is_over_when_its_last_container_has_ended(exit_: Exit, expected: PodPhase) -> None:
    life = Life.running()
    life.end()
    assert phase(life.state, life.rules, deleted=True) == PodPhase.RUNNING
    life.exited(exit_)
    assert phase(life.state, life.rules, deleted=True) == expected
    # One that only the kubelet ends is to run again.
    assert phase(life.state, life.rules) == PodPhase.RUNNING


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    life = Life.running()
    first = {each["type"]: each for each in said(life)["conditions"]}
    assert said(life, first, NOW + 50)["conditions"] == list(first.values())
    life.exited(FAILED)
    later = {each["type"]: each for each in said(life, first, NOW + 50)["conditions"]}
    assert later["Ready"]["lastTransitionTime"] == "2023-11-14T22:14:10Z"
    assert later["PodScheduled"]["lastTransitionTime"] == TIME


def test_readiness_gates_hold_ready_back() -> None:
    life = Life.running()
    life.document["spec"]["readinessGates"] = [{"conditionType": "example.com/x"}]

    def ready(gate: str) -> Document:
        found = said(life, {"example.com/x": {"status": gate}})["conditions"]
        answer: Document = next(each for each in found if each["type"] == "Ready")
        return answer

    assert ready("False")["reason"] == "ReadinessGatesNotReady"
    assert ready("True")["status"] == "True"


def test_a_refused_pod_says_why() -> None:
    life = Life.of(container())
    life.state = type(life.state)(life.state.init, life.state.main, refused="the lab has no pod network")
    found = said(life)
    assert (found["phase"], found["reason"], found["message"]) == (
        "Pending",
        "NotSupported",
        "the lab has no pod network",
    )
