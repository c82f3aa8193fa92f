"""Virtual addresses on lo (shell over rtnetlink).

They stay until they are taken away: no lease, so that nothing of VRRP's takes them for its own.
"""

import errno
import os
import socket
from collections.abc import Iterable, Mapping

from mooring_node.forwarding.wanted import family_of
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress, LeasedAddress, add_batch, delete_batch
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import Rtnetlink, tells_who_set_an_address

LOOPBACK = "lo"
#: The kernel never takes an IPv4 address of this scope as a source by itself.
HOST_SCOPE = 254

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Loopback:
    """The addresses of lo, as they were when this was made."""

    def __init__(self, rtnetlink: Rtnetlink, links: Iterable[Link]) -> None:
        self._rtnetlink = rtnetlink
        self._index = next((link.index for link in links if link.name == LOOPBACK), 1)
        self._there: dict[str, KernelAddress] = {
            socket.inet_ntop(each.family, each.address): each
            for each in rtnetlink.addresses()
            if each.interface_index == self._index and each.prefix_length == 8 * len(each.address)
        }

    def foreign(self, address: str) -> bool:
        """Whether it is there and bears another's name; False on kernels that keep no names (before 5.18)."""
        found = self._there.get(address)
        return found is not None and tells_who_set_an_address(os.uname().release) and found.protocol != PROTOCOL

    def has(self, address: str) -> bool:
        return address in self._there

    def add(self, addresses: Iterable[str]) -> Mapping[str, str]:
        """Add those that are missing; what was refused, with the reason."""
        missing = sorted(each for each in addresses if each not in self._there)
        batch = add_batch([self._new(each) for each in missing], None)
        return {
            missing[failure.index]: failure.reason or os.strerror(failure.errno)
            for failure in self._rtnetlink.apply(batch)
            if failure.errno != errno.EEXIST
        }

    def remove(self, addresses: Iterable[str]) -> None:
        """Delete those that are there."""
        found = [self._there[each] for each in sorted(addresses) if each in self._there]
        self._rtnetlink.apply(delete_batch(found))

    def _new(self, address: str) -> LeasedAddress:
        family = _FAMILIES[family_of(address)]
        packed = socket.inet_pton(family, address)
        scope = HOST_SCOPE if family == socket.AF_INET else 0
        return LeasedAddress(self._index, family, packed, 8 * len(packed), scope=scope)
