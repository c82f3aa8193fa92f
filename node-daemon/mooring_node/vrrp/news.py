"""What the kernel tells of interfaces and addresses, and what follows from that for each group (shell)."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from mooring_node.kernel.addresses import AddressKey, KernelAddress
from mooring_node.kernel.rtnetlink import AddressGone, Monitor, Overrun
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.network import Network
from mooring_node.vrrp.order import Order
from mooring_node.vrrp.reports import Reports

#: Lets a group do something at that time, and notes when it wants its next turn.
Touch: TypeAlias = Callable[[Group, int, Callable[[int], None]], None]


class News:
    """Keeps the network as the kernel tells that it is; `touch` is called for each group that it may concern."""

    def __init__(self, network: Network, order: Order, report: Reports, touch: Touch) -> None:
        self._monitor = Monitor()
        self._network = network
        self._order = order
        self._report = report
        self._touch = touch
        self._unread = False
        """The kernel could not be read yet for what it has not told."""

    def fileno(self) -> int:
        return self._monitor.fileno()

    @property
    def overdue(self) -> bool:
        """Whether the kernel is to be read, though it tells nothing."""
        return self._unread or self._network.behind is not None

    def read(self, groups: Sequence[Group], now_ns: int) -> None:
        """Take note of what changed since the last call; each group does what follows for it."""
        known = self._network.addresses
        told = self._monitor.read()
        gone: set[AddressKey] = set()
        for change in told:
            self._network.apply(change)
            if isinstance(change, AddressGone):
                gone.add(change.address.key)
                self._order.gone(change.address, now_ns)
        structure = not all(isinstance(change, AddressGone) for change in told)
        if self._read_unheard(any(isinstance(change, Overrun) for change in told), now_ns):
            structure = True
            gone |= self._gone_unheard(known, groups, now_ns)
        elif any(_speaks_from(group, gone) for group in groups):
            # With another prefix it may be there: that one comes is not told.
            self._network.read()
        for group in groups:
            self._follow(group, gone, structure, now_ns)

    def _follow(self, group: Group, gone: set[AddressKey], structure: bool, now_ns: int) -> None:
        if structure or (gone and group.faults):
            self._touch(group, now_ns, group.refresh)
        if gone & group.holdings.held:
            self._touch(group, now_ns, group.address_gone)
        if _speaks_from(group, gone):
            self._touch(group, now_ns, group.refresh)

    def _read_unheard(self, overrun: bool, now_ns: int) -> bool:
        """Whether the kernel has just been read for news that were lost; where it refuses, soon again."""
        behind = self._network.behind
        if behind is None:
            read, self._unread = overrun or self._unread, False
            return read
        if not self._unread:
            words = f"interfaces and addresses could not be read ({behind}); what was known counts until they can be"
            self._report.log("warning", words)
        self._unread = not self._network.read_again(now_ns)
        return not self._unread

    def _gone_unheard(self, known: Iterable[KernelAddress], groups: Sequence[Group], now_ns: int) -> set[AddressKey]:
        """What was there, or what we had set, and is not there any more."""
        there = {each.key for each in self._network.addresses}
        lost = [each for each in known if each.key not in there]
        for each in lost:
            self._order.gone(each, now_ns)
        # An own address of the node may have gone and come back.
        self._order.look(now_ns)
        held = frozenset[AddressKey]().union(*(group.holdings.held for group in groups))
        return {each.key for each in lost} | (held - there)


def _speaks_from(group: Group, addresses: Iterable[AddressKey]) -> bool:
    """Whether adverts of a group come from one of these."""
    sources = {member.prepared.source for member in group.members if member.prepared}
    return any(key[2] in sources for key in addresses)
