"""Which addresses a VirtualServer may reach as its backends: an EndpointSlice may be any tenant's own writing."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from mooring_operator.plan.servers.hosts import Hosts
from mooring_operator.plan.servers.plans import LeftOut, ServerReason


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose the addresses are that are asked about. What else a written slice names is Kubernetes' matter.

    Kubernetes lets whoever may write EndpointSlices name any pod and any machine in them (CVE-2021-25740). It does not
    let him name the node that a packet passes, and neither do we: nor what only this node can see, nor a node's own
    programs, nor addresses that are balanced themselves, so that two of them could hand packets to and fro.
    """

    hosts: Hosts = field(default_factory=Hosts)
    virtual_ips: Mapping[str, str] = field(default_factory=dict)
    """Address to the VirtualIP that has it."""
    free: bool = False
    """Whether the VirtualIP allows addresses of the tenant's choice (StaticServers)."""

    def among(self, addresses: Set[str], free: bool) -> "Reach":
        """What there is of these addresses, for a VirtualServer."""
        shared = self.virtual_ips.keys() & addresses
        return Reach(self.hosts.among(addresses), {address: self.virtual_ips[address] for address in shared}, free)

    def of(self, address: str) -> LeftOut | None:
        """Why nobody may name the address as a backend; None: who may name static servers may."""
        if kind := _kind(address):
            return LeftOut(address, f"is {kind}, which is no other machine's", ServerReason.BACKENDS_LEFT_OUT)
        if owner := self.virtual_ips.get(address):
            why = f"is an address of VirtualIP {owner}, and what is balanced is not balanced again"
            return LeftOut(address, why, ServerReason.BACKENDS_LEFT_OUT)
        return None

    def of_endpoint(self, address: str, node: str | None) -> LeftOut | None:
        """The same for an endpoint that names `node`: endpoints of another node's address are static servers."""
        if refused := self.of(address):
            return refused
        if self.free:
            return None
        # Who is believed. An InternalIP: kubelet writes it, and neither a tenant nor a daemon's token can. Against it
        # no slice counts that does not name its node.
        # A nodeName, against what nodes merely report: who forges slices may as well write the name of the node that
        # he is after (its pods with hostNetwork look like that), so to doubt it would stop nobody; but then one
        # stolen daemon's token could take away every pod, by reporting its address. For the same reason a targetRef
        # proves nothing. (Pods would, but those of the whole cluster are not watched.)
        # A report, against a slice that names no node, and only where Hosts finds more than one node's word for it.
        if owners := self.hosts.internal.get(address):
            return None if node in owners else _not_named(address, f"is node {min(owners)}'s own (its InternalIP)")
        if node is None and (claimants := sorted(self.hosts.claimants(address))):
            named = ", ".join(claimants[:_NAMED]) + (
                f" and {rest} more" if (rest := len(claimants) - _NAMED) > 0 else ""
            )
            unless = f"; if it is not, see status.interfaces of NodeConfig {claimants[0]}"
            return _not_named(address, f"is a node's own by the daemons' reports ({named})", unless)
        return None


#: So many nodes are named that report an address.
_NAMED = 3


def _not_named(address: str, whose: str, unless: str = "") -> LeftOut:
    why = (
        f"{whose}, which the endpoint's nodeName does not say: let Kubernetes write the endpoint of a pod there, or the"
        f" owner of the VirtualIP adds StaticServers to spec.tenantFeatures{unless}"
    )
    return LeftOut(address, why, ServerReason.FEATURE_NOT_ALLOWED)


@lru_cache(maxsize=65536)
def _kind(address: str) -> str | None:
    """What an address is that leads to no machine of its own, or to one that only this node sees; None: it is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        # Nothing is sent to what is no address; that is told elsewhere.
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return "an IPv4 address in the form of IPv6"
    if parsed.is_loopback:
        return "a loopback address"
    if parsed.is_link_local:
        return "a link-local address"
    if parsed.is_multicast:
        return "a multicast address"
    if parsed.is_unspecified or address.startswith("0."):
        return "an unspecified address"
    return "the broadcast address" if address == "255.255.255.255" else None
