"""The condition Programmed: whether the nodes run what is planned, and if not, who is waited for and why."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mooring_api.nodeconfig import Instance, NodeConfigStatus, ReportedProblem
from mooring_api.problems import REMARK
from mooring_api.secret import SECRET_TYPE
from mooring_api.virtualip import ConditionStatus, VirtualIPStatus
from mooring_operator.tell.scene import Scene
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.phrases import FOREIGN_LENGTH, clipped, listed
from mooring_operator.words.reasons import REASONS, Reason

#: What a daemon of an older release misses in a NodeConfig that says nothing yet.
_UNPLANNED = "spec.instances"
#: Node to the instances of one VirtualIP there.
Share = Mapping[str, tuple[Instance, ...]]


class Judged(NamedTuple):
    reason: Reason
    message: str


def programmed(scene: Scene, name: str, planned: VirtualIPStatus) -> Judged:
    """Judge one VirtualIP; `planned` is its status as the plan makes it."""
    told = next((c for c in planned.conditions if c.type == ConditionType.PROGRAMMED), None)
    if name in scene.paused:
        return Judged(Reason.PAUSED, "its nodes keep what they have until the annotation mooring.dev/paused is removed")
    if told is None:
        return Judged(Reason.NOT_ACCEPTED, "nothing of it can be planned; see the condition Accepted")
    if lost := scene.unplanned.get(name):
        return Judged(Reason.CHANGING_OVER, clipped(lost.why))
    if told.status is ConditionStatus.FALSE:
        return Judged(REASONS[told.reason], clipped(told.message))
    if too_old := scene.skew.held.get(name):
        return Judged(Reason.DAEMON_TOO_OLD, too_old)
    share = scene.shares.get(name, {})
    running = scene.reports.running(name)
    # A part that a node has confirmed and then spoke against is worse than one that it is only slow with.
    if trouble := _missing_secrets(scene, share, running) or _refusals(scene, share, running):
        return trouble
    if name in scene.staged.moving or name in scene.waiting:
        return Judged(Reason.CHANGING_OVER, _steps(scene, name, share, running))
    if silent := _silent(scene, share, running):
        return Judged(Reason.WAITING_FOR_NODES, f"waiting for {silent}")
    if not share:
        return Judged(Reason.PLANNED, clipped(told.message))
    remarks = f"{_unreported(scene, name)}{_pods(scene, name)}{_answered_by_others(scene, share)}{_skew(scene, name)}"
    return Judged(Reason.PROGRAMMED, clipped(f"runs on {listed(sorted(share))}{remarks}"))


def _silent(scene: Scene, share: Share, running: Share) -> str:
    """Who has not confirmed its part yet, or has no part any more and has not let go."""
    late = [node for node, own in share.items() if running.get(node) != own]
    # A node that is gone or dead holds nobody up: its part of the change is that it is not there.
    leaving = [node for node in running if node not in share and node in scene.ready]
    parts = [f"{_called(scene, node)} to confirm its configuration" for node in late]
    return listed([*parts, *(f"{node} to let go" for node in leaving)])


def _called(scene: Scene, node: str) -> str:
    return node if node in scene.ready else f"{node} (its Node is not Ready)"


def _steps(scene: Scene, name: str, share: Share, running: Share) -> str:
    steps = sorted(f"{each.group}: {each.why}" for each in scene.waiting.get(name, ()))
    if steps:
        return clipped(listed((clipped(step, FOREIGN_LENGTH) for step in steps), "; "))
    silent = _silent(scene, share, running)
    return "the change goes round in steps" + (f"; this one waits for {silent}" if silent else "")


def _unreported(scene: Scene, name: str) -> str:
    nodes = scene.unreported(name)
    return f"; nothing is planned on {listed(nodes)}: not reported yet" if nodes else ""


def _pods(scene: Scene, name: str) -> str:
    remark = scene.plan.remarks.get(name)
    return f"; {remark}" if remark else ""


def _skew(scene: Scene, name: str) -> str:
    without = scene.skew.without.get(name)
    return f"; older daemons run it without what they do not know: {without}" if without else ""


def _answered_by_others(scene: Scene, share: Share) -> str:
    """kube-proxy in its IPVS mode has the external addresses of Services on every node.

    Whether the VirtualIP's is one of them is not known here, so this is a remark.
    """
    found = [n for n, status in _speaking(scene, share) if status.kube_proxy and status.kube_proxy.answers_arp]
    if not found:
        return ""
    return (
        f"; kube-proxy on {listed(found)} answers ARP for addresses of Services on every node: set ipvs.strictARP: true"
        " in its configuration if one of these addresses is a Service's"
    )


def _missing_secrets(scene: Scene, share: Share, running: Share) -> Judged | None:
    lacking: dict[str, list[str]] = {}
    for node, status in _speaking(scene, share):
        needed = _secrets(share[node]) if running.get(node) == share[node] else set()
        for report in status.credentials:
            if report.name in needed and report.current is None:
                lacking.setdefault(report.name, []).append(node)
    parts = [
        f"no Secret {secret} of type {SECRET_TYPE} with the key `password` on {listed(nodes)}"
        for secret, nodes in sorted(lacking.items())
    ]
    where = "in Mooring's own namespace (mooring-system, if nobody chose another)"
    message = f"{listed(parts, '; ')}; it is read {where}, and one of another type is not"
    return Judged(Reason.SECRET_MISSING, clipped(message)) if parts else None


def _secrets(instances: tuple[Instance, ...]) -> set[str]:
    references = (i.authentication.secret_ref for i in instances if i.authentication)
    return {reference.name for reference in references if reference}


def _refusals(scene: Scene, share: Share, running: Share) -> Judged | None:
    """What daemons say against the parts that they confirmed, and against a whole NodeConfig that they did not."""
    found = []
    for node, status in _speaking(scene, share):
        confirmed = running.get(node) == share[node]
        own = {instance.name for instance in share[node]}
        for problem in status.problems:
            # Of a NodeConfig that says nothing yet a daemon may say just that, which is no news here.
            remark = problem.path in (REMARK, _UNPLANNED)
            of_all = not problem.instance and not remark and not problem.of_balancing
            if problem.instance in own if confirmed else of_all:
                found.append(f"{node}: {_words(problem)}")
    return Judged(Reason.REFUSED_BY_NODE, clipped(listed(found, "; "))) if found else None


def _words(problem: ReportedProblem) -> str:
    place = " ".join(part for part in (problem.instance, problem.path) if part)
    return clipped(f"{place}: {problem.message}" if place else problem.message, FOREIGN_LENGTH)


def _speaking(scene: Scene, share: Share) -> Iterator[tuple[str, NodeConfigStatus]]:
    for node in share:
        if status := scene.reports.status(node):
            yield node, status
