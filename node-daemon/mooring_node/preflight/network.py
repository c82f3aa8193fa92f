"""Interfaces, addresses and those who manage them beside us (pure)."""

from collections.abc import Iterator, Sequence

from mooring_node.preflight.facts import Facts, Interface, Wanted
from mooring_node.preflight.finding import Finding, error, warning

STRICT = 1
#: Of arp_ignore: no answer at all; answers only to who is in the address's own subnet, which is empty for a /32.
SILENT, NEIGHBOURS_ALONE = 8, (2, 3)
#: Linux' least MTU for IPv6 (RFC 8200 5): below it the kernel takes IPv6 off the interface.
LEAST_IPV6_MTU = 1280
ALONE = {4: 32, 6: 128}


def judge(facts: Facts) -> Iterator[Finding]:
    """What of the network would keep an instance from being heard, or its addresses from being reached or kept."""
    for name in sorted({each.interface for each in facts.wanted}):
        instances = [each for each in facts.wanted if each.interface == name]
        interface = facts.interfaces.get(name)
        if interface is None:
            yield error(
                "InterfaceMissing",
                f"there is no interface {name}",
                "create it, or name another one in the configuration",
            )
            continue
        if any(each.family == 4 for each in instances):
            yield from _ipv4(facts, interface, instances)
        if any(each.family == 6 for each in instances):
            yield from _ipv6(interface)
        yield from _managers(interface)
    yield from _set_already(facts)
    yield from _node_address(facts)


def _ipv4(facts: Facts, interface: Interface, instances: list[Wanted]) -> Iterator[Finding]:
    name = interface.name
    for peer in sorted({peer for each in instances if each.family == 4 for peer in each.peers}):
        back = facts.ways_back.get(peer)
        if interface.rp_filter == STRICT and back is not None and back != name:
            yield error(
                "ReversePathStrict",
                f"adverts of {peer} come in on {name}, but the way back is {back}: the kernel drops them (rp_filter 1)",
                f"set net.ipv4.conf.{name}.rp_filter=2, or mend the route to {peer}",
            )
    others = sorted(each.name for each in facts.interfaces.values() if each.default_route and each.name != name)
    if interface.rp_filter == STRICT and others and not interface.default_route:
        yield warning(
            "ReversePathStrict",
            f"{name} checks the reverse path strictly and the default route is {others[0]}: clients from beyond the"
            f" subnet are dropped, unless a rule of their own routes what goes back",
            f"set net.ipv4.conf.{name}.rp_filter=2, or route by source (`ip rule`)",
        )
    alone = [address for each in instances for address, length in each.addresses if length == ALONE[4]]
    if interface.arp_ignore == SILENT or (interface.arp_ignore in NEIGHBOURS_ALONE and alone):
        about = "any address" if interface.arp_ignore == SILENT else f"{alone[0]}/32"
        yield error(
            "ArpIgnored",
            f"arp_ignore of {name} is {interface.arp_ignore}: the kernel does not answer ARP for {about}",
            f"set net.ipv4.conf.{name}.arp_ignore and that of `all` to 0 or 1",
        )


def _ipv6(interface: Interface) -> Iterator[Finding]:
    name = interface.name
    if interface.mtu < LEAST_IPV6_MTU:
        message = f"the MTU of {name} is {interface.mtu}: below {LEAST_IPV6_MTU} the kernel has no IPv6 there"
        yield error("MtuTooSmall", message, f"set it to {LEAST_IPV6_MTU} at least")
    elif interface.ipv6_off:
        yield error("Ipv6Off", f"IPv6 is off on {name}", f"set net.ipv6.conf.{name}.disable_ipv6=0")
    if interface.forwards_ipv6 and interface.accept_ra == 1 and interface.default_route:
        yield warning(
            "RouterAdvertsIgnored",
            f"{name} forwards IPv6, so it ignores router advertisements: a default route from one will end",
            f"set net.ipv6.conf.{name}.accept_ra=2, or set the route by hand",
        )


def _managers(interface: Interface) -> Iterator[Finding]:
    if interface.networkd_file is not None and not interface.networkd_keeps:
        yield warning(
            "AddressesManaged",
            f"systemd-networkd manages {interface.name} ({interface.networkd_file}), and removes addresses that are not"
            " in its file when it restarts",
            "add `KeepConfiguration=yes` to [Network] in a drop-in of that file, and run `networkctl reload`",
        )
    if interface.network_manager:
        yield warning(
            "AddressesManaged",
            f"NetworkManager manages {interface.name}, and removes addresses of others when it activates a connection"
            " again",
            f"activate none while addresses are held, or take it out: `nmcli device set {interface.name} managed no`",
        )


def _set_already(facts: Facts) -> Iterator[Finding]:
    there = dict(facts.set_by_others)
    for instance in facts.wanted:
        for address, _ in instance.addresses:
            if address in there:
                yield error(
                    "AddressInUse",
                    f"{address} ({instance.name}) is set on {there[address]} for good, by somebody else",
                    "remove it there (netplan, ifcfg, cloud-init), or take it out of the configuration",
                )


def _node_address(facts: Facts) -> Iterator[Finding]:
    """An address that wanders must not become the one by which the cluster knows the node."""
    virtual = {address: each.name for each in facts.wanted for address, _ in each.addresses}
    if facts.node_ip in virtual:
        yield error(
            "NodeAddressIsVirtual",
            f"the node's InternalIP is {facts.node_ip}, which is a virtual address ({virtual[facts.node_ip]}): it goes"
            " to another node with its role",
            "start kubelet with --node-ip=ADDRESS, an address of this node alone, and restart it",
        )
    elif facts.kubelet is not None and not _says_node_ip(facts.kubelet):
        # Also where nothing is configured yet: the time to set it is before the first virtual address.
        yield warning(
            "NodeAddressNotSet",
            "kubelet runs without --node-ip: where it starts while a virtual address is here, it may take that as the"
            " node's",
            "start it with --node-ip=ADDRESS",
        )


def _says_node_ip(command: Sequence[str]) -> bool:
    return any(each.partition("=")[0] in ("--node-ip", "-node-ip") for each in command)
