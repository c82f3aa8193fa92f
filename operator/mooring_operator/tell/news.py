"""What became otherwise from one status of a VirtualIP to the next, as events for people."""

from collections.abc import Iterator
from dataclasses import dataclass

from mooring_api.virtualip import VirtualIPStatus
from mooring_operator.words.kinds import EventType
from mooring_operator.words.phrases import called, clipped, listed
from mooring_operator.words.reasons import EVENTS, REASONS, EventReason, Reason
from mooring_operator.words.server_reasons import ServerEventReason, ServerReason

#: What an event's message may hold (Kubernetes' limit).
EVENT_LENGTH = 1024
#: Trouble that was told, so its end is told as well.
_TROUBLE = (Reason.NO_HOLDER, Reason.TWO_HOLDERS, Reason.HOLDER_UNREACHABLE)


@dataclass(frozen=True, slots=True)
class News:
    """One event. Of one object, those with an equal reason and key are the same one again, whatever they say."""

    type: EventType
    reason: Reason | EventReason | ServerReason | ServerEventReason
    message: str
    key: str = ""


def news_of(before: VirtualIPStatus | None, after: VirtualIPStatus) -> tuple[News, ...]:
    """What to tell once `after` has been written in place of `before`, the status that stood in the API.

    Only what became otherwise, so a process that starts tells nothing of what it finds and finds to be still so.
    """
    return (*_of_conditions(before, after), *_of_holders(before, after))


def _of_conditions(before: VirtualIPStatus | None, after: VirtualIPStatus) -> Iterator[News]:
    past = {c.type: REASONS.get(c.reason) for c in before.conditions} if before else {}
    for condition in after.conditions:
        reason, was = REASONS[condition.reason], past.get(condition.type)
        if reason is was:
            continue
        if was is Reason.PAUSED:
            yield _news(EventReason.RESUMED, "the pause is over: its plan is brought up to date")
        if reason is not Reason.HELD or was in _TROUBLE:
            yield from [_news(reason, condition.message)] if reason in EVENTS else ()


def _of_holders(before: VirtualIPStatus | None, after: VirtualIPStatus) -> Iterator[News]:
    past = {group.name: group.holder for group in before.groups} if before else {}
    moved: dict[tuple[str, str], list[str]] = {}
    for group in after.groups:
        if group.holder and group.holder != past.get(group.name):
            moved.setdefault((group.holder, past.get(group.name) or ""), []).append(called(group))
    for (holder, was), groups in sorted(moved.items()):
        message = f"{holder} holds {listed(groups)}" + (f", before it {was}" if was else "")
        yield _news(EventReason.HOLDER_CHANGED, message, key=message)


def _news(reason: Reason | EventReason, message: str, key: str = "") -> News:
    return News(EVENTS[reason], reason, clipped(message, EVENT_LENGTH), key)
