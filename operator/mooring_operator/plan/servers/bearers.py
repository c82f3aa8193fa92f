"""VirtualIPs as their VirtualServers see them: whose addresses they are, and which nodes may hold which of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mooring_api.nodeconfig import HeldAddress
from mooring_api.virtualip import VirtualIP
from mooring_operator.plan.allocations import bare
from mooring_operator.plan.placement import Group, Placed
from mooring_operator.plan.servers.services import Candidates


@dataclass(frozen=True, slots=True)
class Bearer:
    """A VirtualIP with its own addresses without prefix, and who is to run which of them."""

    virtual_ip: VirtualIP
    addresses: tuple[str, ...]
    held: Mapping[str, frozenset[str]]
    """Node to addresses."""
    candidates: Candidates


class Bearers:
    """Kept from plan to plan: a bearer that did not change is the same object."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[object, Bearer]] = {}
        self._now: dict[str, tuple[object, Bearer]] = {}

    def next(self) -> None:
        """Another plan begins; what was not asked for in the last one is forgotten."""
        self._before, self._now = self._now, {}

    def of(self, placed: Placed, addresses: Sequence[HeldAddress], planned: Collection[str]) -> Bearer:
        """`planned` names the groups that nodes are to run."""
        name = placed.virtual_ip.metadata.name
        running = tuple(group for group in placed.groups if group.name in planned)
        made_from = (placed.virtual_ip, addresses, running)
        known = self._before.get(name)
        if known is None or known[0] != made_from:
            found = _bearer(placed.virtual_ip, addresses, running)
            known = made_from, known[1] if known is not None and known[1] == found else found
        self._now[name] = known
        return known[1]


def _bearer(virtual_ip: VirtualIP, addresses: Sequence[HeldAddress], running: Sequence[Group]) -> Bearer:
    held: dict[str, frozenset[str]] = {}
    candidates: dict[str, frozenset[str]] = {}
    for group in running:
        own = frozenset(bare(address) for each in group.addresses.values() for address in each)
        for member in group.members:
            there = frozenset(attachment.interface for attachment in member.attachments.values())
            held[member.node] = held[member.node] | own if member.node in held else own
            candidates[member.node] = candidates.get(member.node, there) | there
    return Bearer(virtual_ip, tuple(map(bare, addresses)), held, candidates)
