"""Daemons of another release than the operator: what is not written to whom, and which VirtualIPs wait for them.

A daemon reports the level of the contract that it understands (mooring_api.levels). What it does not know and can do
without is left out for it. Of what is critical nothing is written to a group before each of its members knows it:
they would disagree about who holds the addresses. So an upgrade needs no order among the nodes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mooring_api.levels import FIRST_LEVEL
from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import Instance, NodeConfig, NodeConfigSpec
from mooring_api.novelties import Novelties, required_level, uses, without_later
from mooring_operator.stage.standing import Standing
from mooring_operator.words.phrases import clipped, listed


@dataclass(frozen=True, slots=True)
class Skew:
    """`held`: VirtualIP to why its nodes keep what they run. `without`: VirtualIP to what some nodes run it without."""

    held: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)


ALIKE = Skew()


def level_of(standing: Standing | None) -> int:
    """Up to which level the node's daemon understands a spec; who says none is of the first release."""
    said = standing.status.contract_level if standing and standing.status else None
    return said or FIRST_LEVEL


def skew_of(target: Mapping[str, NodeConfig], standings: Mapping[str, Standing], novelties: Novelties) -> Skew:
    """What the plan asks of daemons that are older than it."""
    if not novelties:
        return ALIKE
    newest = max(each.level for each in novelties)
    levels = {node: level_of(standings.get(node)) for node in target}
    if all(level >= newest for level in levels.values()):
        return ALIKE
    needs = _needs(target, novelties)
    late: dict[str, dict[str, None]] = {}
    critical: dict[str, set[str]] = {}
    without: dict[str, dict[str, None]] = {}
    for node, config in sorted(target.items()):
        for instance in config.spec.instances:
            name = instance.virtual_ip or ""
            if levels[node] < needs[name]:
                late.setdefault(name, {})[_called(node, standings)] = None
            for use in uses(instance, novelties):
                if use.novelty.critical:
                    critical.setdefault(name, set()).add(use.path)
                elif use.novelty.level > levels[node]:
                    without.setdefault(name, {})[f"{_called(node, standings)} without {use.path}"] = None
    held = {name: _why(nodes, critical[name], needs[name]) for name, nodes in late.items()}
    return Skew(held, {name: clipped(listed(found)) for name, found in without.items() if name not in held})


def _needs(target: Mapping[str, NodeConfig], novelties: Novelties) -> dict[str, int]:
    """The level that each VirtualIP asks of all its nodes."""
    found: dict[str, int] = {}
    for config in target.values():
        for instance in config.spec.instances:
            name = instance.virtual_ip or ""
            found[name] = max(found.get(name, FIRST_LEVEL), required_level(instance, novelties))
    return found


def _why(nodes: Iterable[str], paths: Iterable[str], level: int) -> str:
    return clipped(
        f"{listed(sorted(paths))} needs daemons that understand level {level} of the contract; waiting for an upgrade"
        f" of {listed(nodes)}; until then its nodes keep what they run"
    )


def _called(node: str, standings: Mapping[str, Standing]) -> str:
    standing = standings.get(node)
    version = standing.status.daemon_version if standing and standing.status else None
    return f"{node} (daemon {version or 'of an unknown version'}, level {level_of(standing)})"


def fitted(spec: NodeConfigSpec, level: int, novelties: Novelties) -> NodeConfigSpec:
    """The spec as a daemon of that level is given it; the same object where nothing is later than level 1."""
    if not novelties:
        return spec
    instances = tuple(_fitted_instance(each, level, novelties) for each in spec.instances)
    servers = tuple(_fitted_server(each, level, novelties) for each in spec.virtual_servers)
    update: dict[str, Any] = {"instances": instances, "virtual_servers": servers}
    update["backend_addresses"] = tuple(without_later(each, level, novelties) for each in spec.backend_addresses)
    update["port_guards"] = tuple(without_later(each, level, novelties) for each in spec.port_guards)
    if spec.connection_sync is not None:
        update["connection_sync"] = without_later(spec.connection_sync, level, novelties)
    made = spec.model_copy(update=update)
    return spec if made == spec else made


def _fitted_instance(entry: Instance, level: int, novelties: Novelties) -> Instance:
    return without_later(entry, level, novelties).model_copy(update=_required(entry, novelties))


def _fitted_server(entry: NodeVirtualServer, level: int, novelties: Novelties) -> NodeVirtualServer:
    return without_later(entry, level, novelties).model_copy(update=_required(entry, novelties))


def _required(entry: Instance | NodeVirtualServer, novelties: Novelties) -> dict[str, Any]:
    needed = required_level(entry, novelties)
    return {"required_level": needed if needed > FIRST_LEVEL else None}


def as_they_stand(
    wire: Mapping[str, Any],
    stored: object,
    standing: Standing,
    kept: frozenset[str],
    servers: frozenset[str],
) -> dict[str, Any]:
    """A spec to be written, with what stands of these VirtualIPs and VirtualServers exactly as it is `stored`.

    It may be of a newer operator, and hold what this one does not know: read and written back, that would be lost,
    and an entry that can't be read would go with its addresses.
    """
    instances = list(_as_stored(wire["instances"], _listed(stored, "instances"), "virtualIP", kept))
    instances += [
        each
        for each in _listed(stored, "instances")
        if each.get("name") in standing.unreadable and each.get("virtualIP") in kept
    ]
    held = {str(a.get("address")).partition("/")[0] for i in instances for a in _listed(i, "addresses")}
    found = list(_as_stored(wire["virtualServers"], _listed(stored, "virtualServers"), "virtualServer", servers))
    found += [
        each
        for each in _listed(stored, "virtualServers")
        if each.get("name") in standing.beside.unreadable
        and each.get("virtualServer") in servers
        and held.issuperset(map(str, each.get("addresses") or ()))
    ]
    return {**wire, "instances": instances, "virtualServers": found}


def _listed(value: object, field: str) -> list[Mapping[str, Any]]:
    found = value.get(field) if isinstance(value, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _as_stored(
    entries: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]], owner: str, kept: frozenset[str]
) -> Iterator[Mapping[str, Any]]:
    """Those of kept owners as they stand, but for one that goes on with fewer addresses."""
    there = {each.get("name"): each for each in stored if each.get(owner) in kept}
    for entry in entries:
        before = there.get(entry["name"]) if entry.get(owner) in kept else None
        same = before is not None and _addresses(before) == _addresses(entry)
        yield before if before is not None and same else entry


def _addresses(entry: Mapping[str, Any]) -> list[str]:
    found = entry.get("addresses")
    return [str(a.get("address") if isinstance(a, Mapping) else a) for a in found] if isinstance(found, list) else []
