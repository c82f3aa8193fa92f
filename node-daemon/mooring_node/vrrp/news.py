"""What the kernel tells of interfaces and addresses, and what follows from that for each group (shell)."""

from collections.abc import Callable, Sequence, Set
from typing import TypeAlias

from mooring_node.kernel.addresses import AddressKey
from mooring_node.kernel.rtnetlink import AddressGone, Monitor
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.network import Network
from mooring_node.vrrp.order import Order

#: Lets a group do something at that time, and notes when it wants its next turn.
Touch: TypeAlias = Callable[[Group, int, Callable[[int], None]], None]


class News:
    """Keeps the network as the kernel tells that it is; `touch` is called for each group that it may concern."""

    def __init__(self, network: Network, order: Order, touch: Touch) -> None:
        self._monitor = Monitor()
        self._network = network
        self._order = order
        self._touch = touch

    def fileno(self) -> int:
        return self._monitor.fileno()

    def read(self, groups: Sequence[Group], now_ns: int) -> None:
        """Take note of what changed since the last call."""
        structure = False
        gone: set[AddressKey] = set()
        for change in self._monitor.read():
            self._network.apply(change)
            if isinstance(change, AddressGone):
                gone.add(change.address.key)
                self._order.gone(change.address, now_ns)
            else:
                structure = True
        for group in groups:
            if structure or (gone and group.faults):
                self._touch(group, now_ns, group.refresh)
            if gone:
                self._addresses_gone(group, gone, now_ns)

    def _addresses_gone(self, group: Group, gone: Set[AddressKey], now_ns: int) -> None:
        if gone & group.holdings.held:
            self._touch(group, now_ns, group.address_gone)
        if _sources(group) & {key[2] for key in gone}:
            self._touch(group, now_ns, group.refresh)


def _sources(group: Group) -> set[bytes]:
    """Where its adverts come from."""
    return {member.prepared.source for member in group.members if member.prepared}
