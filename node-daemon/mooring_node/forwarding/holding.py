"""Virtual addresses that a backend keeps on lo, and on an interface that unwraps tunnels (shell over rtnetlink).

They stay until they are taken away: no lease, so that nothing of VRRP's takes them for its own.
"""

import errno
import os
import socket
from collections.abc import Iterable, Mapping

from mooring_node.forwarding.text import family_of
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress, LeasedAddress, add_batch, delete_batch
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import Rtnetlink, tells_who_set_an_address
from mooring_node.ledger import LedgerAddress

LOOPBACK = "lo"
#: The kernel never takes an IPv4 address of this scope as a source by itself.
HOST_SCOPE = 254

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Holding:
    """The addresses of all interfaces, as they were when this was made."""

    def __init__(self, rtnetlink: Rtnetlink, links: Iterable[Link]) -> None:
        self._rtnetlink = rtnetlink
        self._indices = {link.name: link.index for link in links}
        names = {index: name for name, index in self._indices.items()}
        self._there: dict[LedgerAddress, KernelAddress] = {
            LedgerAddress(
                names.get(each.interface_index, ""), socket.inet_ntop(each.family, each.address), each.prefix_length
            ): each
            for each in rtnetlink.addresses()
        }

    def foreign(self, address: LedgerAddress) -> bool:
        """Whether it is there and bears another's name.

        On kernels that keep no names (before 5.18): whether it is there. So only what the ledger lacks is asked for.
        """
        found = self._there.get(address)
        if found is None:
            return False
        return not tells_who_set_an_address(os.uname().release) or found.protocol != PROTOCOL

    def others(self, interface: str, ours: frozenset[LedgerAddress]) -> bool:
        """Whether an interface has IPv4 addresses of somebody else."""
        return any(
            each.interface == interface and found.family == socket.AF_INET and each not in ours and self.foreign(each)
            for each, found in self._there.items()
        )

    def add(self, addresses: Iterable[LedgerAddress]) -> Mapping[LedgerAddress, str]:
        """Add those that are missing on interfaces that are there; what was refused, with the reason."""
        missing = sorted(each for each in addresses if each not in self._there and each.interface in self._indices)
        batch = add_batch([self._new(each) for each in missing], None)
        return {
            missing[failure.index]: failure.reason or os.strerror(failure.errno)
            for failure in self._rtnetlink.apply(batch)
            if failure.errno != errno.EEXIST
        }

    def remove(self, addresses: Iterable[LedgerAddress]) -> None:
        """Delete those that are there."""
        found = [self._there[each] for each in sorted(addresses) if each in self._there]
        self._rtnetlink.apply(delete_batch(found))

    def _new(self, each: LedgerAddress) -> LeasedAddress:
        family = _FAMILIES[family_of(each.address)]
        packed = socket.inet_pton(family, each.address)
        scope = HOST_SCOPE if family == socket.AF_INET else 0
        return LeasedAddress(self._indices[each.interface], family, packed, each.prefix_length, scope=scope)


def alone(interface: str, address: str) -> LedgerAddress:
    """An address with the prefix of a single one."""
    return LedgerAddress(interface, address, 128 if family_of(address) == 6 else 32)
