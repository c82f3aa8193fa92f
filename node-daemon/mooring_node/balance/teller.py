"""What the agent and the VRRP process are told, how often, and in which pieces (shell around report.py)."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mooring_node.balance.outbox import Outbox
from mooring_node.balance.parts import Remark
from mooring_node.balance.report import PART_BYTES, parts, server_report
from mooring_node.balance.states import Happening, Pool
from mooring_node.channel import Channel
from mooring_node.ipvs.table import DestinationKey
from mooring_node.kernel.process import now_ns
from mooring_node.log import timestamp

REPORT_NS = 200_000_000
#: A large report is made so much more rarely than it takes time.
REPORT_SHARE = 20
#: In one go; a failed rack is one line more.
MOST_HAPPENINGS = 256
#: One line of the log tells of all that went before their time, no more often than this.
SHED_NS = 60_000_000_000
#: Of servers, in a line of the log.
MOST_NAMED = 5
#: What a report holds of each kind of trouble.
MOST_REMARKS = 64


class Teller:
    """Of one running process."""

    def __init__(self, agent: Channel) -> None:
        self._outbox = Outbox(agent)
        self._reports: dict[tuple[str, int], dict[str, Any]] = {}
        self._rest: tuple[Any, ...] | None = None
        self._changed = True
        self._not_before_ns = 0
        self._shed: Counter[str] = Counter()
        self._shed_not_before_ns = 0

    def log(self, level: str, message: str, server: str = "") -> None:
        """A line for the log."""
        self._outbox.put({"log": {"level": level, "message": message, "server": server}})

    def configured(self, generation: int) -> None:
        """This one runs."""
        self._outbox.put({"configured": generation})

    def answer(self, messages: Iterable[dict[str, Any]]) -> None:
        """To a question of the agent's."""
        for message in messages:
            self._outbox.put(message)

    def happened(self, happenings: Sequence[Happening]) -> None:
        """Each of them; of too many at a time the first, and how many more."""
        wall = time.time()
        for each in happenings[:MOST_HAPPENINGS]:
            where = {"address": each.backend.address, "port": each.backend.port} if each.backend else {}
            told = {
                "event": str(each.event),
                "server": each.server,
                "family": each.family,
                "reason": each.reason,
                "time": wall,
            }
            self._outbox.put({"happened": {"address": None, "port": None, **where, **told}})
        more = len(happenings) - MOST_HAPPENINGS
        if more > 0:
            self.log("error", f"and {more} more changes of backends and quorums at the same moment")

    def changed(
        self,
        pools: Mapping[tuple[str, int], Pool | None],
        unchecked: Callable[[tuple[str, int]], Mapping[DestinationKey, str]] = lambda _: {},
    ) -> None:
        """These are as follows now; None: it is gone. `unchecked`: whom of a pool this node cannot check, and why."""
        for key, pool in pools.items():
            self._changed = True
            if pool is None:
                self._reports.pop(key, None)
            else:
                self._reports[key] = server_report(pool, _time_of, unchecked(key))

    def shed(self, servers: Mapping[str, int], now: int) -> None:
        """So many of each server's backends that drained have gone before their time, since this was called last."""
        self._shed.update(servers)
        if not self._shed or now < self._shed_not_before_ns:
            return
        more = len(self._shed) - MOST_NAMED
        names = ", ".join(f"{name}: {count}" for name, count in self._shed.most_common(MOST_NAMED))
        self.log(
            "warning",
            "backends that were removed lost their connections before drainTimeout had passed, those first that were "
            f"removed first: more drain than there is room for ({names}{f' and {more} more' if more > 0 else ''})",
        )
        self._shed.clear()
        self._shed_not_before_ns = now + SHED_NS

    def report(self, now: int, remarks: Sequence[Remark], kube_proxy: dict[str, Any] | None) -> None:
        """The whole report, if anything in it is new and the last one is long enough ago and was taken."""
        rest = (tuple(remarks), kube_proxy)
        self._changed = self._changed or rest != self._rest
        if not self._changed or now < self._not_before_ns or not self._outbox.idle:
            return
        self._rest, self._changed = rest, False
        problems = [each._asdict() for each in remarks[:MOST_REMARKS]]
        for part in parts(self._reports.values(), problems, kube_proxy):
            self._outbox.put(part)
        self._not_before_ns = now + max(REPORT_NS, REPORT_SHARE * (now_ns() - now))

    @property
    def due_ns(self) -> int | None:
        """When `report` has something to do."""
        return self._not_before_ns if self._changed and self._outbox.idle else None

    @staticmethod
    def tracked_parts(tracked: Mapping[str, bool | str]) -> Iterator[dict[str, Any]]:
        """As messages that fit the channel."""
        yield from ({"tracked": dict(batch)} for batch in _fitting(tracked.items()))


def _fitting(entries: Iterable[tuple[str, bool | str]]) -> Iterator[list[tuple[str, bool | str]]]:
    batch: list[tuple[str, bool | str]] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(json.dumps(entry))
        if size > PART_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _time_of(boottime_ns: int) -> str:
    """A moment of CLOCK_BOOTTIME by the time of day, RFC 3339 in whole seconds."""
    seconds = (time.time_ns() - now_ns() + boottime_ns) / 1e9
    return timestamp(round(seconds)).replace(".000Z", "Z")
