"""What was decided once and is kept: groups, which address is in which, their VRIDs and homes, and whose ports are."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mooring_api.nodeconfig import HeldAddress, Instance
from mooring_api.virtualip import Distribution, VirtualIP

#: As many as virtualRouterIDs may name.
MAX_GROUPS = 64


#: (address, protocol, port) of a port of VirtualServers, or a mark_key().
PortKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class GroupAllocation:
    """One group's lasting decisions."""

    virtual_router_id: int | None = None
    home: str | None = None
    """Balanced: the node that goes first whenever it can; kept while it is away."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """One VirtualIP's lasting decisions; `assignment` is address (no prefix) to group index."""

    groups: tuple[GroupAllocation, ...] = ()
    assignment: Mapping[str, int] = field(default_factory=dict)
    distribution: Distribution | None = None
    """For which distribution the groups were made; None: adopted, so the present one."""


@dataclass(frozen=True, slots=True)
class Allocations:
    """All lasting decisions, by the VirtualIP's name, and whose ports are: VirtualServers as `namespace/name`."""

    virtual_ips: Mapping[str, Allocation] = field(default_factory=dict)
    ports: Mapping[PortKey, str] = field(default_factory=dict)

    def keeping(self, before: "Allocations", names: Collection[str]) -> "Allocations":
        """The same, with the VirtualIPs of these names as they were before."""
        kept = {name: before.virtual_ips[name] for name in names if name in before.virtual_ips}
        return replace(self, virtual_ips={**self.virtual_ips, **kept}) if kept else self

    @property
    def virtual_router_ids(self) -> dict[str, int]:
        """Group name to VRID."""
        return {
            group_name(name, index): group.virtual_router_id
            for name, allocation in self.virtual_ips.items()
            for index, group in enumerate(allocation.groups)
            if group.virtual_router_id is not None
        }


def group_name(virtual_ip: str, index: int) -> str:
    return f"{virtual_ip}-{index}"


def bare(address: HeldAddress) -> str:
    """The address without its prefix; the model has made it canonical."""
    return address.address.partition("/")[0]


def version_of(address: HeldAddress | str) -> int:
    return 6 if ":" in (address if isinstance(address, str) else address.address) else 4


def shape(virtual_ip: VirtualIP, addresses: Sequence[str], eligible: int, prior: Allocation | None) -> Allocation:
    """The groups and who is in which; homes of new groups stay open.

    The number of groups changes only when the user changes what it follows from; a new address joins the
    smallest group of its family (of equals the last), and nothing else moves. Without an eligible node a Balanced
    VirtualIP is not shaped yet, unless its VRIDs say how many groups it has.
    """
    spec = virtual_ip.spec
    if prior is not None and prior.distribution not in (None, spec.distribution):
        prior = replace(prior, groups=prior.groups[:1], assignment={}, distribution=None)
        kept_count = 0
    else:
        kept_count = len(prior.groups) if prior else 0
    if spec.distribution is Distribution.FAILOVER:
        wanted = 1
    else:
        wanted = len(spec.vrrp.virtual_router_ids) or kept_count or _spread(addresses, eligible)
    known = prior.groups if prior else ()
    groups = known[:wanted] + (GroupAllocation(),) * (wanted - len(known))
    if prior is None or kept_count != wanted:
        assignment = _split(addresses, wanted)
    else:
        assignment = _joined(addresses, wanted, prior.assignment)
    return Allocation(groups, assignment, spec.distribution)


def _spread(addresses: Sequence[str], eligible: int) -> int:
    families = [version_of(address) for address in addresses]
    return min(eligible, max(families.count(4), families.count(6)), MAX_GROUPS)


def _split(addresses: Sequence[str], count: int) -> dict[str, int]:
    """In the order given and evenly, each family by itself; the first groups take what is left over."""
    assignment: dict[str, int] = {}
    for version in (4, 6):
        of_family = [address for address in addresses if version_of(address) == version]
        share, over = divmod(len(of_family), count) if count else (0, 0)
        position = 0
        for index in range(count):
            size = share + (index < over)
            assignment.update(dict.fromkeys(of_family[position : position + size], index))
            position += size
    return assignment


def _joined(addresses: Sequence[str], count: int, prior: Mapping[str, int]) -> dict[str, int]:
    assignment = {a: prior[a] for a in addresses if prior.get(a, count) < count}
    sizes = {4: [0] * count, 6: [0] * count}
    for address, index in assignment.items():
        sizes[version_of(address)][index] += 1
    for address in addresses:
        if address not in assignment and count:
            of_family = sizes[version_of(address)]
            index = min(range(count), key=lambda i: (of_family[i], -i))
            of_family[index] += 1
            assignment[address] = index
    return assignment


def mark_key(mark: int) -> PortKey:
    return "", "mark", mark


def adopt(
    virtual_ips: Iterable[VirtualIP],
    configured: Mapping[str, Sequence[Instance]],
    documents: Iterable[Mapping[str, Any]] = (),
) -> Allocations:
    """Rebuild what was allocated from the VirtualIPs' statuses, else from what the NodeConfigs hold.

    `configured` is each node's instances. Groups of neither are allocated anew by the next plan. Ports are whose the
    NodeConfigs among `documents` say; of one that two VirtualServers have there nothing is known.
    """
    from_nodes = _adopt_from_nodes(configured)
    found = dict(from_nodes)
    for virtual_ip in virtual_ips:
        if adopted := _adopt_from_status(virtual_ip):
            found[virtual_ip.metadata.name] = adopted
    return Allocations(found, _adopt_ports(documents))


def _adopt_ports(documents: Iterable[Mapping[str, Any]]) -> dict[PortKey, str]:
    """Written by us, but not only: what is not as expected is passed over."""
    found: dict[PortKey, set[str]] = {}
    for document in documents:
        spec = document.get("spec") if document.get("kind") == "NodeConfig" else None
        servers = spec.get("virtualServers") if isinstance(spec, Mapping) else None
        for server in servers if isinstance(servers, list) else ():
            for key, owner in _ports_of(server) if isinstance(server, Mapping) else ():
                found.setdefault(key, set()).add(owner)
    return {key: owner for key, (owner, *others) in found.items() if not others}


def _ports_of(server: Mapping[str, Any]) -> Iterable[tuple[PortKey, str]]:
    owner, mark, port = server.get("virtualServer"), server.get("firewallMark"), server.get("port")
    addresses = server.get("addresses") or ()
    if isinstance(owner, str) and isinstance(mark, int):
        yield mark_key(mark), owner
    if isinstance(owner, str) and isinstance(port, int) and isinstance(addresses, list):
        yield from (((str(address), str(server.get("protocol") or "TCP"), port), owner) for address in addresses)


def _index(virtual_ip: str, group: str) -> int | None:
    """The index in `NAME-3` or `NAME-3-ipv4`; None when it is not a group of that VirtualIP."""
    head, _, number = group.removesuffix("-ipv4").removesuffix("-ipv6").rpartition("-")
    return int(number) if head == virtual_ip and number.isdecimal() and int(number) < MAX_GROUPS else None


def _assembled(groups: Mapping[int, GroupAllocation], assignment: Mapping[str, int]) -> Allocation | None:
    if not groups:
        return None
    count = max(groups) + 1
    return Allocation(tuple(groups.get(i, GroupAllocation()) for i in range(count)), dict(assignment))


def _adopt_from_status(virtual_ip: VirtualIP) -> Allocation | None:
    groups: dict[int, GroupAllocation] = {}
    assignment: dict[str, int] = {}
    for group in virtual_ip.status.groups if virtual_ip.status else ():
        index = _index(virtual_ip.metadata.name, group.name)
        if index is not None:
            groups[index] = GroupAllocation(group.virtual_router_id, group.home)
            assignment.update(dict.fromkeys(group.addresses, index))
    return _assembled(groups, assignment)


def _adopt_from_nodes(configured: Mapping[str, Sequence[Instance]]) -> dict[str, Allocation]:
    groups: dict[str, dict[int, GroupAllocation]] = {}
    assignment: dict[str, dict[str, int]] = {}
    first: dict[tuple[str, int], tuple[int, str]] = {}
    for node, instances in sorted(configured.items()):
        for instance in instances:
            name = instance.virtual_ip
            index = _index(name, instance.group_name) if name else None
            if name is None or index is None:
                continue
            first[name, index] = max(first.get((name, index), (0, "")), (instance.priority, node))
            home = first[name, index][1]
            groups.setdefault(name, {})[index] = GroupAllocation(instance.virtual_router_id, home)
            assignment.setdefault(name, {}).update({bare(a): index for a in instance.addresses})
    return {name: found for name in groups if (found := _assembled(groups[name], assignment[name]))}
