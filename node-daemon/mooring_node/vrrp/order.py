"""Keeps the node's own addresses before ours: looks when one of them may have come back (shell)."""

from collections.abc import Callable, Sequence

from mooring_node.kernel.addresses import AddressKey, KernelAddress
from mooring_node.kernel.rtnetlink import is_ours
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.network import Network
from mooring_node.vrrp.precedence import in_the_way
from mooring_node.vrrp.reports import Reports

#: That an address comes is not heard, since each renewal would be heard then: after one of somebody else has gone,
#: so often and for so long is looked.
LOOK_EVERY_NS = SECOND_NS
LOOK_FOR_NS = 600 * SECOND_NS


class Order:
    """Looks once at the beginning, for what a predecessor may have left, and after an address has gone."""

    def __init__(self, network: Network, report: Reports) -> None:
        self._network = network
        self._report = report
        self._look_at_ns: int | None = 0
        self._until_ns = 0

    def look(self, now_ns: int) -> None:
        """Look once more at the next turn."""
        self._look_at_ns = now_ns

    def gone(self, address: KernelAddress, now_ns: int) -> None:
        """An address has gone; one of the node itself may come back."""
        if not is_ours(address):
            self._look_at_ns, self._until_ns = now_ns, now_ns + LOOK_FOR_NS

    def keep(self, all_groups: Callable[[], Sequence[Group]], now_ns: int) -> None:
        """Put ours behind the node's own where they are not; to be called at each turn."""
        if self._look_at_ns is None or now_ns < self._look_at_ns:
            return
        groups = all_groups()
        held = frozenset[AddressKey]().union(*(group.holdings.held for group in groups))
        seen = bool(held) and self._network.read()
        self._look_at_ns = None if seen and now_ns >= self._until_ns else now_ns + LOOK_EVERY_NS
        if not seen:
            # By what was known before, ours would be set again each time.
            return
        keys = in_the_way(self._network.addresses, held)
        for group in groups if keys else ():
            if group.holdings.put_behind(keys, now_ns):
                words = "an address of this node came back behind ours; ours were set again, behind it"
                self._report.log("info", words, group.config.name)
