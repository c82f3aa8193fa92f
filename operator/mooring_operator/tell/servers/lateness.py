"""Which nodes do not get on with what they are told: pure but for its memory."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from mooring_operator.stage.standing import Standing

#: A daemon that runs takes a new list of backends within a second, and confirms it at most a second later.
GRACE_S = 5.0


class _Stuck(NamedTuple):
    observed: int | None
    since: datetime


class Lateness:
    """Nodes that have confirmed nothing new for longer than GRACE_S, though something new stands.

    Endpoints may change all the time; who confirms one generation after the other is not late.
    """

    def __init__(self) -> None:
        self._stuck: dict[str, _Stuck] = {}

    def hear(self, nodes: Iterable[str], standings: Mapping[str, Standing], now: datetime) -> frozenset[str]:
        """Take in what stands for these nodes; those that are late."""
        before, self._stuck = self._stuck, {}
        for node in nodes:
            standing = standings.get(node)
            if standing is None or standing.confirmed:
                continue
            observed, known = standing.status.observed_generation if standing.status else None, before.get(node)
            # A clock that was set back begins anew.
            kept = known is not None and known.observed == observed and known.since <= now
            self._stuck[node] = known if kept and known else _Stuck(observed, now)
        return frozenset(node for node, stuck in self._stuck.items() if _waited_s(stuck, now) >= GRACE_S)

    def again_after_s(self, now: datetime) -> list[float]:
        """When the next ones are late if they do not get on."""
        waits = (GRACE_S - _waited_s(stuck, now) for stuck in self._stuck.values())
        return [wait for wait in waits if wait > 0.0]


def _waited_s(stuck: _Stuck, now: datetime) -> float:
    return (now - stuck.since).total_seconds()
