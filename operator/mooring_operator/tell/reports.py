"""What the nodes' daemons said, kept with the order in which it came in: the clocks of nodes are never compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import Instance, InstanceState, InstanceStatus, NodeConfigStatus
from mooring_api.nodeconfig_status import VirtualServerReport
from mooring_api.vrrp import Family
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.servers.shares import Shares, by_server

#: The number of what was there when this process began to listen: nobody knows in which order it had come.
AT_START = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A node's last word of an instance is that it is Active there.

    `claimed` is the number of the report with which this stay began, `heard` that of the node's last report of
    any kind; AT_START for what was said before this process began to listen.
    """

    node: str
    since_time: str
    claimed: int
    heard: int


@dataclass(frozen=True, slots=True)
class _Said:
    """One node's last words.

    `running` are its instances in the newest generation that it confirmed, `confirmed`; `balancing` is what it had of
    each VirtualServer there. `servers` are its reports by the entry's name and family.
    """

    uid: str
    status: NodeConfigStatus
    heard: int
    states: Mapping[str, InstanceStatus]
    claimed: Mapping[str, int]
    confirmed: int = 0
    running: Mapping[str, tuple[Instance, ...]] = field(default_factory=dict)
    balancing: Shares = field(default_factory=dict)
    servers: Mapping[tuple[str, Family], VirtualServerReport] = field(default_factory=dict)


class Reports:
    """The nodes' last words by node, by instance, by VirtualIP and by VirtualServer.

    It reads nothing itself: hand it each list (`listed`) and each change (`changed`, `gone`) as they come in.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._said: dict[str, _Said] = {}
        self._active: dict[str, set[str]] = {}
        self._runners: dict[str, set[str]] = {}

    def listed(self, standings: Iterable[Standing]) -> None:
        """These are all NodeConfigs that there are; what is new among them came in no order that is known."""
        self._last = AT_START if self._last is None else self._last + 1
        found = {standing.node: standing for standing in standings}
        for node in self._said.keys() - found.keys():
            self.gone(node)
        for standing in found.values():
            self._see(standing, self._last)

    def changed(self, standing: Standing) -> None:
        """A NodeConfig as a watch showed it; the same one may come again."""
        self._last = (AT_START if self._last is None else self._last) + 1
        self._see(standing, self._last)

    def gone(self, node: str) -> None:
        """That node's NodeConfig is no longer there: what it said counts no more."""
        self._keep(node, None)

    def status(self, node: str) -> NodeConfigStatus | None:
        """All that the node said last; None: nothing."""
        said = self._said.get(node)
        return said.status if said else None

    def state(self, node: str, instance: str) -> InstanceStatus | None:
        """What the node said last of the instance; None: nothing."""
        said = self._said.get(node)
        return said.states.get(instance) if said else None

    def claims(self, instance: str) -> tuple[Claim, ...]:
        """All nodes whose last word of the instance is Active, by name."""
        nodes = sorted(self._active.get(instance, ()))
        return tuple(_claim(node, self._said[node], instance) for node in nodes)

    def running(self, virtual_ip: str) -> dict[str, tuple[Instance, ...]]:
        """Node to the VirtualIP's instances in the newest generation that the node confirmed, where there are any.

        A later generation that is not confirmed yet and leaves these instances alone changes nothing here.
        """
        nodes = sorted(self._runners.get(virtual_ip, ()))
        return {node: self._said[node].running[virtual_ip] for node in nodes}

    def balancing(self, node: str, server: str) -> tuple[NodeVirtualServer, ...]:
        """What the node has of a VirtualServer in the newest generation that it confirmed."""
        said = self._said.get(node)
        return said.balancing.get(server, ()) if said else ()

    def server(self, node: str, entry: str, family: Family) -> VirtualServerReport | None:
        """What the node said last of the backends of one entry in one family; None: nothing."""
        said = self._said.get(node)
        return said.servers.get((entry, family)) if said else None

    def running_on(self, node: str) -> frozenset[str]:
        """The VirtualIPs of which the node has instances in the newest generation that it confirmed."""
        said = self._said.get(node)
        return frozenset(said.running) if said else frozenset()

    def _see(self, standing: Standing, number: int) -> None:
        self._keep(standing.node, _said(self._said.get(standing.node), standing, number))

    def _keep(self, node: str, said: _Said | None) -> None:
        before = self._said.pop(node, None)
        if said:
            self._said[node] = said
        _index(self._active, node, before.claimed if before else (), said.claimed if said else ())
        _index(self._runners, node, before.running if before else (), said.running if said else ())


def by_virtual_ip(instances: Iterable[Instance]) -> dict[str, tuple[Instance, ...]]:
    """The instances of each VirtualIP, in their order."""
    found: dict[str, list[Instance]] = {}
    for instance in instances:
        found.setdefault(instance.virtual_ip or "", []).append(instance)
    return {name: tuple(own) for name, own in found.items()}


def _claim(node: str, said: _Said, instance: str) -> Claim:
    return Claim(node, said.states[instance].since_time, said.claimed[instance], said.heard)


def _said(before: _Said | None, standing: Standing, number: int) -> _Said | None:
    status = standing.status
    if status is None:
        return None
    if before and before.uid != standing.uid:
        before = None
    if before and before.status == status:
        said = before
    else:
        states = {state.name: state for state in status.instances}
        servers = _servers(before, status)
        said = _Said(standing.uid, status, number, states, _claimed(before, states, number), servers=servers)
        # A daemon that runs an older generation again (its state folder was lost) takes back what it confirmed.
        if before and (status.observed_generation or 0) >= before.confirmed:
            kept = (before.confirmed, before.running, before.balancing)
            said = replace(said, confirmed=kept[0], running=kept[1], balancing=kept[2])
    if standing.confirmed and said.confirmed != standing.generation:
        balancing = by_server(standing.services.virtual_servers)
        running = by_virtual_ip(standing.instances)
        said = replace(said, confirmed=standing.generation, running=running, balancing=balancing)
    return said


def _servers(before: _Said | None, status: NodeConfigStatus) -> Mapping[tuple[str, Family], VirtualServerReport]:
    if before is not None and before.status.virtual_servers == status.virtual_servers:
        return before.servers
    return {(report.name, report.family): report for report in status.virtual_servers}


def _claimed(before: _Said | None, states: Mapping[str, InstanceStatus], number: int) -> dict[str, int]:
    """The number of the report with which each stay in Active began."""
    found = {}
    for name, state in states.items():
        if state.state is InstanceState.ACTIVE:
            known = before.states.get(name) if before else None
            stays = known is not None and _stay(known) == _stay(state)
            found[name] = before.claimed[name] if before and stays else number
    return found


def _stay(state: InstanceStatus) -> tuple[InstanceState, str, int]:
    return state.state, state.since_time, state.transitions


def _index(index: dict[str, set[str]], node: str, before: Iterable[str], after: Iterable[str]) -> None:
    """Bring an index of keys to nodes up to date for one node."""
    old, new = set(before), set(after)
    for key in old - new:
        index[key].discard(node)
        if not index[key]:
            del index[key]
    for key in new - old:
        index.setdefault(key, set()).add(node)
