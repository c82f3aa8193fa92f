"""What the VRRP process tells of itself when asked: plain values, in parts that fit a message."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from mooring_node.kernel.addresses import AddressKey
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.config import TrackerConfig
from mooring_node.vrrp.foreign import Astray, ForeignRouter
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.lateness import Lateness
from mooring_node.vrrp.member import Member
from mooring_node.vrrp.refusals import Refusals
from mooring_node.vrrp.states import Leaving, Observing
from mooring_node.vrrp.text import MOST_NAMED, address_text
from mooring_node.vrrp.translation import active_heard, under_way, visible_state

_T = TypeVar("_T")
#: A part stays below what a message may hold. An address weighs 1 and takes up to 50 bytes; a member's peers and
#: refusals, of which an enemy may make 64 each, take up to 12 KiB.
MEMBER_WEIGHT = 256
PART_WEIGHT = 3072


def parts(groups: Iterable[Group], about: dict[str, Any], now_ns: int) -> Iterator[dict[str, Any]]:
    """The state as messages: `{"part": ...}` for some groups each, then `{"end": ...}` about the process."""
    for some in in_parts(groups, _weight):
        yield {"part": [_group(group, now_ns) for group in some]}
    yield {"end": about}


def ready(groups: Iterable[Group], generation: int, now_ns: int) -> dict[str, Any]:
    """Whether the groups have found their places: which generation runs (0: none), and what is waited for."""
    waits = ((group.config.name, group.unsettled(now_ns)) for group in groups)
    return {
        "ready": "vrrp",
        "runs": generation,
        "waits": "; ".join(f"{name} {why}" for name, why in waits if why)[:400],
    }


def in_parts(groups: Iterable[_T], weight: Callable[[_T], int]) -> Iterator[list[_T]]:
    """The groups in order, so many at once as PART_WEIGHT allows; one alone is never divided."""
    part: list[_T] = []
    room = PART_WEIGHT
    for group in groups:
        if part and weight(group) > room:
            yield part
            part, room = [], PART_WEIGHT
        part.append(group)
        room -= weight(group)
    if part:
        yield part


def _weight(group: Group) -> int:
    return len(group.holdings.held) + MEMBER_WEIGHT * len(group.members)


def lateness(measured: Lateness) -> dict[str, Any]:
    return {"counts": measured.counts, "totalNs": measured.total_ns, "worstNs": measured.worst_ns}


def foreign_router(router: ForeignRouter) -> dict[str, Any]:
    return {
        "interface": router.interface,
        "virtualRouterID": router.virtual_router_id,
        "source": router.source,
        "priority": router.priority,
        "version": router.version,
    }


def _group(group: Group, now_ns: int) -> dict[str, Any]:
    router = group.router
    return {
        "name": group.config.name,
        "virtualIP": group.config.virtual_ip,
        "state": visible_state(router),
        "detail": _detail(group, now_ns),
        "forSeconds": (now_ns - group.since_ns) // SECOND_NS,
        "priority": group.priority,
        "configuredPriority": group.config.priority,
        "transitions": group.transitions,
        "faults": sorted(group.faults),
        "remedies": group.remedies,
        "tracked": [_tracker(each, group) for each in group.config.trackers],
        "lastHeard": None
        if group.last_heard is None
        else {
            "source": group.last_heard.source,
            "priority": group.last_heard.priority,
            "secondsAgo": _seconds_ago(group.last_heard.at_ns, now_ns),
        },
        "activeHeard": active_heard(router, group.member_heard, now_ns),
        "heldAddresses": [_key_text(key) for key in sorted(group.holdings.held)],
        "leaseSeconds": group.config.lease_s,
        "members": [_member(member, now_ns) for member in group.members],
    }


def _tracker(tracker: TrackerConfig, group: Group) -> dict[str, Any]:
    good = tracker.server not in group.bad
    return {"name": tracker.name, "server": tracker.server, "weight": tracker.weight, "good": good}


def _detail(group: Group, now_ns: int) -> str:
    return "; ".join(text for text in (_condition(group, now_ns), under_way(group.config)) if text)


def _condition(group: Group, now_ns: int) -> str:
    router = group.router
    if group.faults:
        return group.fault_detail
    if isinstance(router.state, Leaving):
        return "handing over"
    if isinstance(router.state, Observing):
        return "not eligible, listens only"
    if group.priority != group.config.priority:
        return f"priority {group.config.priority} by configuration, {group.priority} by what is tracked"
    if now_ns < router.hold_down_until:
        left = (router.hold_down_until - now_ns) // SECOND_NS
        return f"flapped: will not preempt for {left}s"
    return ""


def _member(member: Member, now_ns: int) -> dict[str, Any]:
    counters = member.counters
    return {
        "name": member.config.name,
        "interface": member.config.interface,
        "family": f"IPv{member.config.family}",
        "virtualRouterID": member.config.virtual_router_id,
        "version": member.config.version,
        "alsoAccepts": [
            {
                "virtualRouterID": form.virtual_router_id,
                "version": form.version,
                "intervalNs": form.interval_ns,
            }
            for form in member.config.accepted
        ],
        "source": address_text(member.prepared.source) if member.prepared else None,
        "advertsSent": counters.adverts_sent,
        "releasesSent": counters.releases_sent,
        "advertsReceived": counters.adverts_received,
        "advertsForeign": counters.adverts_foreign,
        "sendErrors": counters.send_errors,
        "announcements": counters.announcements,
        "refused": refused(member.refusals, now_ns),
        "peers": [
            {
                "source": address_text(source),
                "priority": peer.priority,
                "adverts": peer.adverts,
                "secondsAgo": _seconds_ago(peer.heard_at_ns, now_ns),
            }
            for source, peer in member.peers.items()
        ],
    }


def refused(refusals: Refusals, now_ns: int) -> list[dict[str, Any]]:
    return [
        {
            "reason": reason,
            "source": address_text(source),
            "count": count,
            "secondsAgo": _seconds_ago(refusals.last_ns(reason, source), now_ns),
        }
        for (reason, source), count in refusals.counts().items()
    ]


def astray(adverts: Iterable[Astray], now_ns: int) -> list[dict[str, Any]]:
    return [
        {
            "interface": each.interface,
            "virtualRouterID": each.virtual_router_id,
            "source": each.source,
            "instances": each.instances[:MOST_NAMED],
            "moreInstances": max(0, len(each.instances) - MOST_NAMED),
            "count": each.count,
            "secondsAgo": _seconds_ago(each.last_ns, now_ns),
        }
        for each in adverts
    ]


def _seconds_ago(at_ns: int, now_ns: int) -> float:
    return round((now_ns - at_ns) / SECOND_NS, 1)


def _key_text(key: AddressKey) -> str:
    return f"{address_text(key[2])}/{key[3]}"
