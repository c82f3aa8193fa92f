"""The status of a VirtualServer from its plan and from what the nodes say: a pure function of its arguments."""

from dataclasses import dataclass
from datetime import datetime

from mooring_api.problems import Severity
from mooring_api.virtualip import Condition, ConditionStatus
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_operator.plan.servers.plans import ServerPlan
from mooring_operator.tell.past import SILENCE_S, Past
from mooring_operator.tell.servers.programmed import ServerJudged, programmed
from mooring_operator.tell.servers.ready import PortView, backend_summary, ready, views_of
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.phrases import clipped, listed
from mooring_operator.words.server_reasons import ServerReason

#: So many addresses, ports and nodes stand in a summary, which is a column of a table.
_SUMMED_UP = 3


@dataclass(frozen=True, slots=True)
class ServerTold:
    """A status to write if it differs from what stands, and when to judge again if nothing happens before."""

    status: VirtualServerStatus
    again_after_s: float | None = None


def status_of(scene: ServerScene, key: str, before: VirtualServerStatus | None, now: datetime) -> ServerTold:
    """The whole status of one VirtualServer of the scene's plan.

    `before` is its status as it stands in the API, `now` the operator's time, with its zone. With an unchanged scene
    the result as the next `before` gives the same again.
    """
    plan, generation = scene.plans[key], scene.generations.get(key)
    past = Past(before.conditions if before else (), now)
    lenient = past.is_true(ConditionType.PROGRAMMED, generation)
    programmed_now, silence_s = _patient(programmed(scene, key, lenient=lenient), past)
    views = () if plan.kept else views_of(scene, key)
    ready_now = _kept_ready(scene, key) if plan.kept else ready(scene, key, views)
    judged = (_accepted(plan), programmed_now, ready_now)
    kept = before if plan.kept and before else VirtualServerStatus()
    summaries = {
        "address_summary": _short(dict.fromkeys(a for view in views for a in view.status.addresses)),
        "port_summary": _short(_port(view) for view in views),
        "backend_summary": backend_summary(views),
        "holder_summary": _short(dict.fromkeys(node for view in views for node in view.holders)),
        "ports": tuple(view.status for view in views),
    }
    status = kept.model_copy(
        update={
            **({} if plan.kept else summaries),
            "observed_generation": generation,
            "conditions": tuple(past.dated(_condition(each, generation)) for each in judged),
        }
    )
    return ServerTold(status, silence_s)


def _accepted(plan: ServerPlan) -> ServerJudged:
    errors = [f for f in plan.findings if f.problem.severity is Severity.ERROR]
    told = errors or plan.findings
    if not told:
        return ServerJudged(ServerReason.ACCEPTED, "nothing is wrong with it")
    sentences = (f"{f.problem.path}: {f.problem.message}" if f.problem.path else f.problem.message for f in told)
    return ServerJudged(told[0].reason, clipped(listed(sentences, "; ")))


def _kept_ready(scene: ServerScene, key: str) -> ServerJudged:
    if scene.plans[key].findings and not scene.runs(key):
        message = "no node runs it, and it can't be read; see the condition Accepted"
        return ServerJudged(ServerReason.NOT_PROGRAMMED, message)
    message = "nobody can tell while it, its VirtualIP or its endpoints can't be read; nodes keep what they run"
    return ServerJudged(ServerReason.NOT_REPORTED, message)


def _patient(found: ServerJudged, past: Past) -> tuple[ServerJudged, float | None]:
    """Waiting for nodes that becomes silence after a time, and how much of that is left."""
    if found.reason is not ServerReason.WAITING_FOR_NODES:
        return found, None
    waited_s = past.waited_s(ConditionType.PROGRAMMED, ServerReason.NODES_SILENT)
    if waited_s >= SILENCE_S:
        return ServerJudged(ServerReason.NODES_SILENT, found.message), None
    return found, SILENCE_S - waited_s


def _condition(found: ServerJudged, generation: int | None) -> Condition:
    reason = found.reason
    status: ConditionStatus = reason.status
    return Condition(
        type=reason.condition, status=status, observed_generation=generation, reason=reason, message=found.message
    )


def _port(view: PortView) -> str:
    return f"{view.status.port}/{view.status.protocol}" if view.status.port else "mark"


def _short(parts: object) -> str | None:
    found = [str(part) for part in parts]  # type: ignore[attr-defined]
    more = [f"+{len(found) - _SUMMED_UP}"] if len(found) > _SUMMED_UP else []
    return " ".join([*found[:_SUMMED_UP], *more]) or None
