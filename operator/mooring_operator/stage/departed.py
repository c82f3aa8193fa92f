"""What was taken away though a daemon may still run it: a NodeConfig whose Node is there, a Node whose daemon lives.

A daemon whose NodeConfig is gone keeps what it runs. So it is planned with as it last stood, and counts as silent,
until it has reported on the NodeConfig that is made anew. A Node that is gone may have a daemon for a while: its
NodeConfig is emptied like that of any node that leaves, and deleted when the daemon has let go, or after GRACE_S.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mooring_api.nodeconfig import Metadata, NodeConfig
from mooring_operator.cluster.view import Stored, View
from mooring_operator.stage.standing import Standing, standing_of

Document = dict[str, Any]

#: A pod whose Node is gone is deleted in less; a node that is dead says nothing however long one waits.
GRACE_S = 60.0


class Departed:
    """Remembers NodeConfigs as they last stood, and since when Nodes are gone; a new process begins with neither.

    Times are seconds of a clock that never jumps: a calendar that is set forward would end every grace at once.
    """

    def __init__(self) -> None:
        self._last: Mapping[str, Stored] = {}
        self._lost: dict[str, Document] = {}
        self._gone_since: dict[str, float] = {}

    def hear(self, view: View, now_s: float) -> None:
        """Compare with the view before."""
        configs, nodes = view.objects["NodeConfig"], view.objects["Node"]
        for name, before in self._last.items():
            stored = configs.get(name)
            if stored is before or name not in nodes:
                continue
            if stored is None or stored.uid != before.uid:
                self._lost.setdefault(name, _silent(before.document))
        for name in tuple(self._lost):
            if name not in nodes or (name in configs and _reported(configs[name].document)):
                del self._lost[name]
        self._last = configs
        gone = configs.keys() - nodes.keys()
        self._gone_since = {name: self._gone_since.get(name, now_s) for name in gone}

    # -- NodeConfigs whose Node is there

    @property
    def missing(self) -> frozenset[str]:
        """Nodes whose NodeConfig is to be made anew."""
        return frozenset(self._lost) - self._last.keys()

    def report(self, name: str) -> Document | None:
        """What the node last said, to be planned with; None where what stands says it itself."""
        lost = self._lost.get(name)
        return None if lost is None else {key: part for key, part in lost.items() if key != "spec"}

    def standings(self, standings: Mapping[str, Standing]) -> Mapping[str, Standing]:
        """With what such nodes may still run."""
        if not self._lost:
            return standings
        lost = {name: standing_of(document) for name, document in self._lost.items()}
        anew = {n: replace(standings[n], status=s.status) if n in standings else s for n, s in lost.items()}
        return {**standings, **anew}

    # -- NodeConfigs whose Node is gone

    def leaving(self, standings: Mapping[str, Standing], now_s: float) -> Mapping[str, NodeConfig]:
        """What is to be written for nodes whose daemon may still let go; the others' NodeConfigs may be deleted."""
        return {
            name: NodeConfig(metadata=Metadata(name=name))
            for name, since in self._gone_since.items()
            if now_s - since < GRACE_S and (found := standings.get(name)) is not None and _may_run(found)
        }

    def again_after_s(self, leaving: Mapping[str, NodeConfig], now_s: float) -> Iterator[float]:
        """When one of them has waited long enough."""
        yield from (self._gone_since[name] + GRACE_S - now_s for name in leaving)


def _may_run(standing: Standing) -> bool:
    listed = standing.instances or standing.unreadable or standing.services or standing.beside.garbled
    return bool(listed or (standing.dropped and not standing.confirmed))


def _silent(document: Document) -> Document:
    """Without the daemon's word on what it runs."""
    status = {key: part for key, part in _mapping(document.get("status")).items() if key != "observedGeneration"}
    return {**document, "status": status}


def _reported(document: Document) -> bool:
    return _mapping(document.get("status")).get("observedGeneration") is not None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
