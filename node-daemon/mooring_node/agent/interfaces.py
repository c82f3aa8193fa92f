"""Which of a node's interfaces and addresses its daemon reports: neither those of pods nor what Mooring holds.

Kinds tell more than names: a pod's end of a cable looks alike under each network plugin.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any

from mooring_node.agent.hearsay import is_interface_name
from mooring_node.kernel.addresses import (
    IFA_F_DADFAILED,
    IFA_F_SECONDARY,
    IFA_F_TENTATIVE,
    PROTOCOL,
    KernelAddress,
)
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import is_ours
from mooring_node.ledger import LedgerAddress
from mooring_node.vrrp.text import address_text

MOST_INTERFACES = 64
MOST_ADDRESSES = 32
#: Made by software, for pods and virtual machines as a rule: told of only with an address of a network.
_SOFTWARE = frozenset({"veth", "tun", "vxlan", "geneve", "dummy", "ifb"})
#: Gateways of pods whose kind is that of a node's own bridge (Open vSwitch).
HIDDEN = ("antrea-gw*", "ovn-k8s-mp*")
_ETHERNET_BYTES = 6
#: For IPv6 the bit of IFA_F_SECONDARY marks a temporary address (RFC 8981): another one tomorrow.
_PASSING = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_SECONDARY


@dataclass(frozen=True, slots=True)
class Choice:
    """Shell patterns of names for what the kinds do not tell; `shown` comes before `hidden`."""

    shown: tuple[str, ...] = ()
    hidden: tuple[str, ...] = HIDDEN


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kernel has: `default_interfaces` are the indexes of those with a default route."""

    links: Sequence[Link]
    addresses: Sequence[KernelAddress]
    default_interfaces: Collection[int]


@dataclass(frozen=True, slots=True)
class InterfaceReport:
    """An interface as the status tells of it; `addresses` with prefix length, in the kernel's order."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    carrier: bool
    mtu: int

    def to_wire(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "mac": self.mac,
            "addresses": list(self.addresses),
            "carrier": self.carrier,
            "mtu": self.mtu,
        }


def report(
    seen: Seen, held: Collection[LedgerAddress], choice: Choice
) -> tuple[tuple[InterfaceReport, ...], tuple[str, ...]]:
    """The interfaces by name, and what was left out because it would be too much, in words.

    `held`: what Mooring may have set here, by the ledger; older kernels do not tell who set an address.
    """
    addresses = _own_addresses(seen, held)
    chosen = [link for link in seen.links if _is_nodes_own(link, seen, addresses, choice)]
    left_out = []
    reportable = [link for link in chosen if is_interface_name(link.name)]
    if len(reportable) < len(chosen):
        nameless = len(chosen) - len(reportable)
        left_out.append(f"{nameless} interfaces are not reported: their names have other characters than ASCII's")
    chosen = reportable
    # What has addresses is what can be planned with: virtual functions of a card come by the hundred without.
    chosen.sort(key=lambda link: (not addresses.get(link.index), link.name))
    if len(chosen) > MOST_INTERFACES:
        left_out.append(f"{MOST_INTERFACES} of {len(chosen)} interfaces are reported, those with addresses first")
    reports = []
    for link in sorted(chosen[:MOST_INTERFACES], key=lambda link: link.name):
        found = addresses.get(link.index, [])
        if len(found) > MOST_ADDRESSES:
            left_out.append(f"{MOST_ADDRESSES} of {len(found)} addresses of {link.name} are reported")
        texts = tuple(f"{address_text(each.address)}/{each.prefix_length}" for each in found[:MOST_ADDRESSES])
        reports.append(InterfaceReport(link.name, link.mac.hex(":"), texts, link.up, link.mtu))
    return tuple(reports), tuple(left_out)


def _own_addresses(seen: Seen, held: Collection[LedgerAddress]) -> dict[int, list[KernelAddress]]:
    """By interface, in the kernel's order: the first IPv4 address is the one that adverts come from."""
    names = {link.index: link.name for link in seen.links}
    found: dict[int, list[KernelAddress]] = {}
    for each in seen.addresses:
        passing = len(each.address) > 4 and each.flags & _PASSING
        mapped = getattr(ip_address(each.address), "ipv4_mapped", None)
        if not passing and not mapped and not _is_held(each, names.get(each.interface_index, ""), held):
            found.setdefault(each.interface_index, []).append(each)
    return found


def _is_held(address: KernelAddress, interface: str, held: Collection[LedgerAddress]) -> bool:
    if not is_ours(address):
        return False
    listed = LedgerAddress(interface, address_text(address.address), address.prefix_length)
    return address.protocol == PROTOCOL or listed in held


def _is_nodes_own(link: Link, seen: Seen, addresses: Mapping[int, Iterable[KernelAddress]], choice: Choice) -> bool:
    if len(link.mac) != _ETHERNET_BYTES or not any(link.mac):
        return False
    if any(fnmatchcase(link.name, pattern) for pattern in choice.shown):
        return True
    if any(fnmatchcase(link.name, pattern) for pattern in choice.hidden):
        return False
    if link.index in seen.default_interfaces:
        return True
    if link.kind == "bridge":
        # One whose ports are all made by software, or that has none, connects pods or virtual machines.
        return any(port.master == link.index and port.kind not in _SOFTWARE for port in seen.links)
    return link.kind not in _SOFTWARE or any(_is_of_a_network(each) for each in addresses.get(link.index, ()))


def _is_of_a_network(address: KernelAddress) -> bool:
    """Network plugins give their ends host addresses (/32, /128) or leave them with a link-local one."""
    return address.prefix_length < 8 * len(address.address) and not ip_address(address.address).is_link_local
