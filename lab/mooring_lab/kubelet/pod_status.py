"""What kubelet says of a pod in its status. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mooring_lab.kubelet import probing
from mooring_lab.kubelet.document import Document, View, container, init_containers, is_deleted, spec
from mooring_lab.kubelet.rules import PodRules
from mooring_lab.kubelet.states import (
    Container,
    Ended,
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

READY, CONTAINERS_READY, INITIALIZED, SCHEDULED = "Ready", "ContainersReady", "Initialized", "PodScheduled"
SANDBOX = "PodReadyToStartContainers"


class PodPhase(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    met: bool
    reason: str = ""
    message: str = ""


def timestamp(seconds: float) -> str:
    """RFC 3339, whole seconds, as Kubernetes writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(
    pod: View,
    state: Pod,
    rules: PodRules,
    addresses: Sequence[str],
    before: Mapping[str, View],
    now: float,
) -> Document:
    """The fields of the status that are kubelet's; `now` is seconds since the epoch.

    `before` holds the conditions as they were, by type: one that has not changed keeps its time.
    """
    whole = phase(state, rules, deleted=is_deleted(pod))
    said: Document = {
        "phase": whole,
        "hostIP": addresses[0],
        "hostIPs": [{"ip": address} for address in addresses],
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "startTime": (pod.get("status") or {}).get("startTime") or timestamp(now),
        "conditions": _conditions(pod, state, whole, before, timestamp(now)),
        "containerStatuses": [_container(pod, each) for each in state.main],
    }
    if state.init:
        said["initContainerStatuses"] = [_container(pod, each) for each in state.init]
    if state.refused:
        said |= {"reason": "NotSupported", "message": state.refused}
    return said


def phase(state: Pod, rules: PodRules, *, deleted: bool = False) -> PodPhase:
    """As kubelet's getPhase; a pod that was deleted is over when its last container has ended."""
    if deleted and state.ending and not state.alive:
        codes = [c.phase.exit.code if isinstance(c.phase, Ended) else 1 for c in state.main]
        return PodPhase.FAILED if any(codes) else PodPhase.SUCCEEDED
    exits = [c.phase.exit for c in state.init if isinstance(c.phase, Ended)]
    if any(ended.code and not rules.restarts(ended, init=True) for ended in exits):
        return PodPhase.FAILED
    if not _initialized(state) or any(isinstance(c.phase, Waiting | Starting) and not c.last for c in state.main):
        return PodPhase.PENDING
    exits = [c.phase.exit for c in state.main if isinstance(c.phase, Ended)]
    final = [ended for ended in exits if not rules.restarts(ended, init=False)]
    if len(final) < len(state.main):
        return PodPhase.RUNNING
    return PodPhase.FAILED if any(ended.code for ended in final) else PodPhase.SUCCEEDED


def _initialized(state: Pod) -> bool:
    return all(isinstance(c.phase, Ended) and c.phase.exit.code == 0 for c in state.init)


# -- conditions


def _conditions(pod: View, state: Pod, whole: PodPhase, before: Mapping[str, View], now: str) -> list[Document]:
    found = []
    for condition in _judged(pod, state, whole, before):
        status_ = "True" if condition.met else "False"
        last = before.get(condition.type, {})
        since = last.get("lastTransitionTime") if last.get("status") == status_ else None
        said = {"type": condition.type, "status": status_, "lastTransitionTime": since or now}
        extra = {"reason": condition.reason, "message": condition.message}
        found.append(said | {key: text for key, text in extra.items() if text})
    return found


def _judged(pod: View, state: Pod, whole: PodPhase, before: Mapping[str, View]) -> Iterable[Condition]:
    over = whole in (PodPhase.SUCCEEDED, PodPhase.FAILED)
    yield Condition(SCHEDULED, True)
    yield Condition(SANDBOX, not over and not state.refused and any(c.attempts for c in state.containers))
    waiting = [c.name for c in state.init if not (isinstance(c.phase, Ended) and c.phase.exit.code == 0)]
    yield _all_of(INITIALIZED, waiting, "ContainersNotInitialized", "containers with incomplete status")
    unready = [c.name for c in state.main if not is_ready(c)]
    if over:
        reason = "PodCompleted" if whole == PodPhase.SUCCEEDED else "PodFailed"
        yield Condition(CONTAINERS_READY, False, reason)
        yield Condition(READY, False, reason)
        return
    containers = _all_of(CONTAINERS_READY, unready, "ContainersNotReady", "containers with unready status")
    yield containers
    gates = [gate["conditionType"] for gate in spec(pod).get("readinessGates") or ()]
    shut = [gate for gate in gates if before.get(gate, {}).get("status") != "True"]
    if containers.met and shut:
        yield Condition(READY, False, "ReadinessGatesNotReady", f'conditions not "True": {_listed(shut)}')
    else:
        yield Condition(READY, containers.met, containers.reason, containers.message)


def _all_of(kind: str, lacking: Sequence[str], reason: str, words: str) -> Condition:
    return Condition(kind, False, reason, f"{words}: {_listed(lacking)}") if lacking else Condition(kind, True)


def _listed(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"


def is_ready(each: Container) -> bool:
    found = each.phase
    match found:
        case Running():
            return probing.ready(found.probes)
        case PreStop() | Terminating():
            return found.ready
        case _:
            return False


# -- containers


def _container(pod: View, each: Container) -> Document:
    image = container(pod, each.name)["image"]
    found = each.phase
    is_init = any(said["name"] == each.name for said in init_containers(pod))
    started = probing.started(found.probes) if isinstance(found, Running) else isinstance(found, PreStop | Terminating)
    # While it waits, the last attempt is the one that ended last.
    before = each.attempts if isinstance(found, Waiting) else each.attempts - 1
    said: Document = {
        "name": each.name,
        "image": image,
        "imageID": f"lab://{image}",
        "restartCount": max(each.attempts - 1, 0),
        "ready": isinstance(found, Ended) and found.exit.code == 0 if is_init else is_ready(each),
        "started": started,
        "state": _state(pod, each),
        "lastState": {"terminated": _terminated(pod, each, each.last, before)} if each.last else {},
    }
    if each.attempts:
        said["containerID"] = _id(pod, each, each.attempts)
    return said


def _state(pod: View, each: Container) -> Document:
    found = each.phase
    match found:
        case Waiting():
            said = {"reason": found.reason} | ({"message": found.message} if found.message else {})
            return {"waiting": said}
        case Starting():
            return {"waiting": {"reason": "ContainerCreating"}}
        case Ended():
            return {"terminated": _terminated(pod, each, found.exit, each.attempts)}
        case PostStart() | Running() | PreStop() | Terminating() | Killed():
            return {"running": {"startedAt": timestamp(found.started_at)}}


def _terminated(pod: View, each: Container, ended: Exit, attempt: int) -> Document:
    said: dict[str, Any] = {
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": timestamp(ended.started_at),
        "finishedAt": timestamp(ended.finished_at),
        "containerID": _id(pod, each, attempt),
    }
    return said | ({"message": ended.message} if ended.message else {})


def _id(pod: View, each: Container, attempt: int) -> str:
    return f"lab://{pod['metadata']['uid']}/{each.name}/{attempt}"
