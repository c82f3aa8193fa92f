"""The node's own IPv4 addresses come before ours: which one the kernel takes as source, and kubelet as the node's.

The kernel keeps an interface's IPv4 addresses in a list. New ones go behind those that are there, so ours are behind
the node's own when we take them. But an own address that goes and comes back (networkd or ifupdown restarted, a DHCP
lease that changed) is behind ours then. The first of a subnet is its primary: what is behind it in the same subnet
gets no route for the subnet, and the node speaks from our address. So ours are taken away and set again, behind it.

Nothing like this is known for IPv6: ours are deprecated there, and never a source while there is another address. The
kernel's list is the newest first, whatever we do: a kubelet that goes by it needs --node-ip.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import Protocol, TypeAlias

#: Interface, family, address, prefix length, as everywhere in the kernel's messages.
Key: TypeAlias = tuple[int, int, bytes, int]
#: Behind another address of its subnet, the primary (IFA_F_SECONDARY of Linux' uapi/linux/if_addr.h).
SECONDARY = 0x01
_IPV4_BYTES = 4


class Listed(Protocol):
    """An address as the kernel lists it; see KernelAddress."""

    @property
    def key(self) -> Key: ...
    @property
    def scope(self) -> int: ...
    @property
    def flags(self) -> int: ...


def in_the_way(addresses: Sequence[Listed], ours: frozenset[Key]) -> frozenset[Key]:
    """Those of ours that stand where an own address of the node belongs; `addresses` in the kernel's order."""
    found: set[Key] = set()
    for index in {index for index, _, address, _ in ours if len(address) == _IPV4_BYTES}:
        listed = [each for each in addresses if each.key[0] == index and len(each.key[2]) == _IPV4_BYTES]
        found.update(_before_the_first(listed, ours))
        found.update(_primaries_of_others(listed, ours))
    return frozenset(found)


def _before_the_first(listed: Sequence[Listed], ours: frozenset[Key]) -> Iterable[Key]:
    first = next((place for place, each in enumerate(listed) if each.key not in ours), None)
    if first is None:
        return ()
    # A narrower scope comes before a wider one, also when it is set later.
    return [each.key for each in listed[:first] if each.scope <= listed[first].scope]


def _primaries_of_others(listed: Sequence[Listed], ours: frozenset[Key]) -> Iterable[Key]:
    primaries: dict[IPv4Network, Key] = {}
    for each in listed:
        _, _, address, prefix_length = each.key
        network = IPv4Network((address, prefix_length), strict=False)
        if not each.flags & SECONDARY:
            primaries.setdefault(network, each.key)
        elif each.key not in ours and primaries.get(network) in ours:
            yield primaries[network]
