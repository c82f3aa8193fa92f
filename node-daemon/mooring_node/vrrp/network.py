"""What the VRRP process knows of this node's interfaces, and its sockets on them."""

import socket
from collections.abc import Iterable, Iterator, Mapping

from mooring_node.kernel.addresses import KernelAddress, LeasedAddress
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import AddressGone, Change, LinkChanged, LinkGone, Overrun, Rtnetlink, is_ours
from mooring_node.vrrp.ports import FramePort, Port
from mooring_node.vrrp.receive import is_link_local
from mooring_node.vrrp.text import naming

READ_AGAIN_NS = 500_000_000
#: An IPv6 address that is still checked for duplicates cannot be sent from, unless it is optimistic (RFC 4429).
IFA_F_TENTATIVE, IFA_F_OPTIMISTIC = 0x40, 0x04
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Network:
    """Links by name, their addresses, and one socket for each interface and family, opened when first asked for."""

    def __init__(self, rtnetlink: Rtnetlink) -> None:
        self._rtnetlink = rtnetlink
        self._links: dict[str, Link] = {}
        self._addresses: tuple[KernelAddress, ...] = ()
        self._ports: dict[tuple[str, int], Port] = {}
        self._frame_ports: dict[str, FramePort] = {}
        self._virtual: frozenset[bytes] = frozenset()
        self._foreign: Mapping[bytes, str] | None = None
        self._read_at_ns = 0
        self.behind: OSError | None = None
        """Why the last reading failed; None: it did not."""
        self.read()

    def read_again(self, now_ns: int) -> bool:
        """Read anew, but not for each of many groups that ask at the same time; whether that was done."""
        if now_ns - self._read_at_ns < READ_AGAIN_NS:
            return False
        self._read_at_ns = now_ns
        return self.read()

    def read(self) -> bool:
        """Read everything anew from the kernel. False where it refuses (see Exchange): what was known stays known."""
        try:
            links, addresses = self._rtnetlink.links(), self._rtnetlink.addresses()
        except OSError as error:
            self.behind = error
            return False
        self.behind = None
        self._links = {link.name: link for link in links}
        self._addresses = addresses
        self._foreign = None
        self._drop_stale_ports()
        return True

    def apply(self, change: Change) -> None:
        """Take note of what the monitor told."""
        self._foreign = None
        match change:
            case LinkChanged(link=link):
                self._links = {name: each for name, each in self._links.items() if each.index != link.index}
                self._links[link.name] = link
                self._drop_stale_ports()
            case LinkGone(index=index):
                self._links = {name: each for name, each in self._links.items() if each.index != index}
                self._drop_stale_ports()
            case AddressGone(address=address):
                self._addresses = tuple(each for each in self._addresses if each.key != address.key)
            case Overrun():
                self.read()

    @property
    def addresses(self) -> tuple[KernelAddress, ...]:
        """All of the node as last read, those of an interface in the kernel's order."""
        return self._addresses

    def never_as_source(self, addresses: frozenset[bytes]) -> None:
        """Virtual addresses: adverts never come from them."""
        self._virtual = addresses

    def link(self, interface: str) -> Link | None:
        return self._links.get(interface)

    def source(self, interface: str, family: int, wanted: bytes | None) -> bytes | None:
        """Where adverts come from: `wanted` if the interface has it, else its first IPv4 or link-local IPv6 one.

        None while there is no such address (RFC 9568 5.1.1.1, 5.1.2.1).
        """
        link = self._links.get(interface)
        if link is None:
            return None
        for each in self._addresses:
            usable = each.flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) != IFA_F_TENTATIVE
            if each.interface_index != link.index or each.family != FAMILIES[family] or not usable:
                continue
            if wanted is not None:
                if each.address == wanted:
                    return wanted
            elif each.address not in self._virtual and (family == 4 or is_link_local(each.address)):
                return each.address
        return None

    def foreign_addresses(self) -> Mapping[bytes, str]:
        """Addresses that others have set, and on which interface; but for loopback, where servers keep theirs."""
        if self._foreign is None:
            names = {link.index: link.name for link in self._links.values()}
            self._foreign = {
                each.address: names.get(each.interface_index, "an interface that is gone")
                for each in self._addresses
                if not is_ours(each) and names.get(each.interface_index) != "lo"
            }
        return self._foreign

    def set_by_others(self, addresses: Iterable[bytes]) -> str:
        """Which of these somebody else has set, and where, in words; empty: none."""
        foreign = self.foreign_addresses()
        return naming((each for each in addresses if each in foreign), foreign)

    def left(self, addresses: Iterable[LeasedAddress]) -> list[KernelAddress]:
        """What this daemon, or one before it, has set of these, with whatever prefix; as last read from the kernel."""
        wanted = {(each.interface_index, each.address) for each in addresses}
        return [each for each in self._addresses if is_ours(each) and (each.interface_index, each.address) in wanted]

    def port(self, interface: str, family: int) -> Port | None:
        """The interface's VRRP socket; None where there is no such interface (any more)."""
        link = self._links.get(interface)
        if link is None:
            return None
        key = (interface, family)
        if key not in self._ports:
            try:
                self._ports[key] = Port(interface, link.index, family)
            except OSError:
                return None
        return self._ports[key]

    def frame_port(self, interface: str) -> FramePort | None:
        """The interface's socket for Ethernet frames; None where there is no such interface (any more)."""
        link = self._links.get(interface)
        if link is None:
            return None
        if interface not in self._frame_ports:
            try:
                self._frame_ports[interface] = FramePort(interface, link.index)
            except OSError:
                return None
        return self._frame_ports[interface]

    def ports(self) -> Iterator[Port]:
        return iter(tuple(self._ports.values()))

    def keep_only(self, used: frozenset[tuple[str, int]]) -> None:
        """Close VRRP sockets that no configured instance uses any more."""
        for key in self._ports.keys() - used:
            self._ports.pop(key).close()

    def _drop_stale_ports(self) -> None:
        """An interface that was made anew has another index: sockets bound to the old one hear nothing."""
        for key, port in tuple(self._ports.items()):
            link = self._links.get(key[0])
            if link is None or link.index != port.index:
                self._ports.pop(key).close()
        for name, frame_port in tuple(self._frame_ports.items()):
            link = self._links.get(name)
            if link is None or link.index != frame_port.index:
                self._frame_ports.pop(name).close()


def forwards_ipv6(interface: str) -> bool:
    """Whether this node routes IPv6 on an interface, which its neighbour advertisements must say (RFC 4861 7.2.6)."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{interface}/forwarding") as setting:
            return setting.read().strip() != "0"
    except OSError:
        return False
