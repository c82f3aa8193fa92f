"""What the groups of a VRRP process have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.vrrp.network import Network


class Reporter(Protocol):
    """Where a group tells what happened to it; must not block."""

    def transition(self, group: str, before: str, after: str, reason: str, former: str) -> None: ...

    def priority(self, group: str, priority: int | None) -> None: ...

    def log(self, level: str, message: str, group: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What all groups of the process share."""

    rtnetlink: Rtnetlink
    network: Network
    report: Reporter
    clock: Callable[[], int]
