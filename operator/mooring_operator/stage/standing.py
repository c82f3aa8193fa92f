"""What stands in the API for each node: the NodeConfig that was written last, and what its daemon said of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from mooring_api.nodeconfig import Instance, NodeConfigSpec, NodeConfigStatus
from mooring_api.problems import REMARK
from mooring_api.wire import GROUP
from mooring_operator.plan.servers.plans import NodeServices, services_in
from mooring_operator.stage.beside import ALONE, Beside, beside
from mooring_operator.stage.reported import read_status

#: On a NodeConfig: what it dropped and its node has not confirmed yet, as `GROUP=CLAIM`, divided by blanks.
DROPPED = f"{GROUP}/dropped"


@dataclass(frozen=True)
class Standing:
    """One node's NodeConfig as it stands in the API.

    `unreadable` names instances of the spec that could not be read and are not among `instances`, `unreadable_of`
    their VirtualIPs ("": of none). `unsaid` names instances whose state is one that this operator does not know
    ("": of some, nobody knows which).
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
    beside: Beside = ALONE
    unreadable_of: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()
    planned: bool = True
    """Whether the spec says what the node is to run; without it its daemon keeps what it has."""

    @property
    def services(self) -> NodeServices:
        """What the spec has beside the instances."""
        return self.beside.services

    def has(
        self, spec: NodeConfigSpec, kept: frozenset[str] = frozenset(), servers: frozenset[str] = frozenset()
    ) -> bool:
        """Whether exactly that stands here; what can't be read of these VirtualIPs and VirtualServers is to stay."""
        read = self.unreadable_of <= kept and self.beside.garbled_of <= servers
        return self.planned and read and self.instances == spec.instances and self.services == services_in(spec)

    def sharing(self, spec: NodeConfigSpec) -> "Standing":
        """The same, with the spec's own objects where they are equal: kept once, they are compared in no time."""
        found = self
        if self.instances == spec.instances:
            found = replace(found, instances=spec.instances)
        own = services_in(spec)
        if self.services == own:
            found = replace(found, beside=replace(found.beside, services=own))
        return found

    @property
    def confirmed(self) -> bool:
        """Whether the node runs what stands here, by its daemon's own word."""
        observed = self.status.observed_generation if self.status else None
        return observed is not None and observed >= self.generation

    @cached_property
    def refused(self) -> frozenset[str]:
        """The instances that the daemon confirmed without using them as they stand; "" is the NodeConfig as a whole."""
        problems = self.status.problems if self.status else ()
        return frozenset(p.instance for p in problems if p.path != REMARK and not p.of_balancing)

    def runs(self, instances: Iterable[str]) -> bool:
        """Whether the node runs these instances as they stand here; a refused one keeps its last good form."""
        return self.confirmed and "" not in self.refused and self.refused.isdisjoint(instances)

    def lacks(self, instances: Iterable[str]) -> bool:
        """Whether the node certainly runs none of these, though they stand here.

        Its daemon refuses each by its name. Of one that it keeps in its last good form it tells a state; of one that
        it never ran, or lost, it has none. Any state that could not be read may be of one of these.
        """
        names = frozenset(instances)
        if not names or not self.confirmed or self.status is None or self.unsaid or "" in self.refused:
            return False
        return names <= self.refused and names.isdisjoint(each.name for each in self.status.instances)


def standing_of(document: Mapping[str, Any], before: Standing | None = None) -> Standing:
    """Read a NodeConfig document for what stands in it; never raises for what it holds.

    Fields of a newer version are ignored at every depth. An instance that cannot be read is passed over and
    named in `unreadable`; a status that cannot be read counts as none. From `before`, an earlier standing of that
    name, the spec is taken where its generation is the same.
    """
    metadata = _mapping(document.get("metadata"))
    name, uid, generation = str(metadata.get("name", "")), str(metadata.get("uid", "")), metadata.get("generation")
    number = generation if isinstance(generation, int) else 0
    spec = _mapping(document.get("spec"))
    if before is not None and uid and number and (before.node, before.uid, before.generation) == (name, uid, number):
        instances, unreadable, others = before.instances, before.unreadable, before.beside
        owners = before.unreadable_of
    else:
        instances, unreadable, owners = _instances(spec.get("instances"))
        others = beside(spec, before.beside if before else None)
    note = _mapping(metadata.get("annotations")).get(DROPPED)
    status, unsaid = read_status(document.get("status"))
    return Standing(
        name,
        instances,
        number,
        status,
        unreadable,
        frozenset(note.split()) if isinstance(note, str) else frozenset(),
        uid,
        others,
        owners,
        unsaid,
        isinstance(spec.get("instances"), list | tuple),
    )


def _instances(entries: object) -> tuple[tuple[Instance, ...], tuple[str, ...], frozenset[str]]:
    found: list[Instance] = []
    unreadable: list[str] = []
    owners: set[str] = set()
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            found.append(Instance.model_validate(entry, extra="ignore", by_alias=True, by_name=False))
        except ValidationError:
            unreadable.append(str(_mapping(entry).get("name", "")))
            owners.add(str(_mapping(entry).get("virtualIP") or ""))
    return tuple(found), tuple(unreadable), frozenset(owners)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
