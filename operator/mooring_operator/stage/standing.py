"""What stands in the API for each node: the NodeConfig that was written last, and what its daemon said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from mooring_api.nodeconfig import Instance, NodeConfigStatus
from mooring_api.nodeconfig_status import REMARK
from mooring_api.wire import GROUP

#: On a NodeConfig: what it dropped and its node has not confirmed yet, as `GROUP=CLAIM`, divided by blanks.
DROPPED = f"{GROUP}/dropped"


@dataclass(frozen=True)
class Standing:
    """One node's NodeConfig as it stands in the API.

    `unreadable` names instances of the spec that could not be read and are not among `instances`.
    `status` is None where the daemon has not written one that can be read.
    """

    node: str
    instances: tuple[Instance, ...] = ()
    generation: int = 0
    status: NodeConfigStatus | None = None
    unreadable: tuple[str, ...] = ()
    dropped: frozenset[str] = frozenset()
    """What the spec no longer has, and the node may still run with until it has confirmed."""
    uid: str = ""

    @property
    def confirmed(self) -> bool:
        """Whether the node runs what stands here, by its daemon's own word."""
        observed = self.status.observed_generation if self.status else None
        return observed is not None and observed >= self.generation

    @cached_property
    def refused(self) -> frozenset[str]:
        """The instances that the daemon confirmed without using them as they stand; "" is the NodeConfig as a whole."""
        problems = self.status.problems if self.status else ()
        return frozenset(problem.instance for problem in problems if problem.path != REMARK)

    def runs(self, instances: Iterable[str]) -> bool:
        """Whether the node runs these instances as they stand here; a refused one keeps its last good form."""
        return self.confirmed and "" not in self.refused and self.refused.isdisjoint(instances)


def standing_of(document: Mapping[str, Any], before: Standing | None = None) -> Standing:
    """Read a NodeConfig document for what stands in it; never raises for what it holds.

    Fields of a newer version are ignored at every depth. An instance that cannot be read is passed over and
    named in `unreadable`; a status that cannot be read counts as none. From `before`, an earlier standing of that
    name, the spec is taken where its generation is the same.
    """
    metadata = _mapping(document.get("metadata"))
    name, uid, generation = str(metadata.get("name", "")), str(metadata.get("uid", "")), metadata.get("generation")
    number = generation if isinstance(generation, int) else 0
    if before is not None and uid and number and (before.node, before.uid, before.generation) == (name, uid, number):
        instances, unreadable = before.instances, before.unreadable
    else:
        instances, unreadable = _instances(_mapping(document.get("spec")).get("instances"))
    note = _mapping(metadata.get("annotations")).get(DROPPED)
    return Standing(
        name,
        instances,
        number,
        _status(document.get("status")),
        unreadable,
        frozenset(note.split()) if isinstance(note, str) else frozenset(),
        uid,
    )


def _instances(entries: object) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    found: list[Instance] = []
    unreadable: list[str] = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            found.append(Instance.model_validate(entry, extra="ignore", by_alias=True, by_name=False))
        except ValidationError:
            unreadable.append(str(_mapping(entry).get("name", "")))
    return tuple(found), tuple(unreadable)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _status(given: object) -> NodeConfigStatus | None:
    try:
        return NodeConfigStatus.model_validate(given, extra="ignore", by_alias=True, by_name=False) if given else None
    except ValidationError:
        return None
