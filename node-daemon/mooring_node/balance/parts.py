"""What the checks process is put together from, as it sees it; tests put others in their place."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from mooring_node.balance.answer import Load
from mooring_node.balance.config import BalanceConfig, SyncConfig
from mooring_node.balance.notify import Programs
from mooring_node.checks.config import Target
from mooring_node.checks.verdict import Verdict
from mooring_node.ipvs.modules import IPVS
from mooring_node.ipvs.table import ServiceKey, Table

SETTINGS_OF_IPVS = "net.ipv4.vs."
Owners: TypeAlias = Mapping[ServiceKey, str]
"""The name of each service's server."""


class Remark(NamedTuple):
    """What is reported of a part."""

    server: str
    """"": several."""
    path: str
    message: str
    module: str = ""
    """The kernel module that is missing, where that is the trouble."""


def without_consequences(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    """Where IPVS is missing, that alone: its settings are missing with it, and so is its sync daemon."""
    missing = [each for each in remarks if each.module == IPVS]
    if not missing:
        return remarks
    rest = (each for each in remarks if each.module != IPVS and not each.message.startswith(SETTINGS_OF_IPVS))
    return (missing[0], *rest)


class Checker(Protocol):
    """Checks targets; see checks.runner.Runner."""

    def set_targets(self, targets: Iterable[Target], starts_up: Callable[[Target], bool]) -> None: ...
    def pause(self, targets: Collection[Target]) -> None: ...
    async def run(self) -> None: ...
    def stop(self) -> None: ...


class Tables(Protocol):
    """The kernel's tables and its sync daemon; none of it blocks for long, or raises."""

    def want(self, table: Table, sync: SyncConfig | None) -> None: ...
    def turn(self, now_ns: int) -> int:
        """Do a piece of what is to be done; when to call again."""

    def remarks(self, owners: Owners) -> tuple[Remark, ...]: ...
    def lacking(self, owners: Owners) -> dict[str, str]:
        """The servers of which a service is not in the kernel, and why, in a few words."""

    def release(self) -> tuple[str, ...]:
        """Take away all that is ours; what could not be."""


class Packets(Protocol):
    """What packets need beside the tables; see forwarding.node.Forwarding. None of it raises."""

    async def configure(self, config: BalanceConfig) -> tuple[Remark, ...]: ...
    async def turn(self) -> tuple[Remark, ...]: ...
    async def release(self) -> tuple[str, ...]: ...
    def fileno(self) -> int: ...


class Facts(Protocol):
    """What is told who asks."""

    async def about(self) -> dict[str, Any]: ...
    def loads(self, owners: Owners) -> Iterable[Load]: ...
    def kube_proxy(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """`checker` makes one that tells the first function its verdicts, the second what keeps it from checking, and the
    third what keeps it from checking this target ("": nothing any more). `keeps`: at a planned end, whether addresses
    stay here for the next start.
    """

    checker: Callable[
        [Callable[[Target, Verdict], None], Callable[[str], None], Callable[[Target, str], None]], Checker
    ]
    tables: Tables
    packets: Packets
    programs: Programs
    marks: Callable[[BalanceConfig], Mapping[tuple[str, int], int]]
    facts: Facts
    keeps: Callable[[], bool] = lambda: False
