"""Whether a group has found its place after a start (pure): a rolling update waits for that on each node."""

from collections.abc import Iterable
from typing import assert_never

from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.states import (
    Active,
    Backup,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Observing,
    Router,
    Stopped,
)
from mooring_node.vrrp.translation import LastHeard

#: Faults that a new version of the daemon, or its rights, may have brought: they hold an update up. The others are
#: about the node and its network; an unplugged cable must not keep all other nodes from being updated.
OF_OURS = frozenset(
    {
        FaultReason.KERNEL_REFUSED,
        FaultReason.GROUP_REFUSED,
        FaultReason.SOCKET_REFUSED,
        FaultReason.ADDRESS_IN_USE,
        FaultReason.ADDRESS_LOST,
    }
)


def unsettled(router: Router, faults: Iterable[FaultReason], heard: LastHeard | None, now_ns: int) -> str:
    """What the group waits for, in words; empty: nothing. Times in nanoseconds."""
    match router.state:
        case Initialize():
            return "is not started"
        case Backup() as state:
            return _of_backup(router, state, heard, now_ns)
        case Fault():
            ours = ", ".join(sorted(OF_OURS.intersection(faults)))
            return f"cannot hold its addresses: {ours}" if ours else ""
        case Leaving():
            return "is being handed over"
        case Active() | Doubting() | Observing() | Stopped():
            return ""
    assert_never(router.state)


def _of_backup(router: Router, state: Backup, heard: LastHeard | None, now_ns: int) -> str:
    """It will be Active when Active_Down has passed, unless somebody speaks whom it does not preempt."""
    settings = router.settings
    if heard is None:
        return "has heard nobody yet, and waits before it takes its role"
    if heard.priority >= settings.priority or not settings.preempt or now_ns < router.hold_down_until:
        return ""
    if heard.priority and state.preempt_at is not None and now_ns < state.preempt_at:
        return ""
    return f"takes the role of {heard.source} soon"
