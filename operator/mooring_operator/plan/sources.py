"""From which of its reported addresses a node may speak: never from another's, whatever its daemon says. Pure.

A report is a node's own word. What the Node objects and the VirtualIPs say of an address stands above it, so that no
report, mistaken or forged, takes an address from the machine that has it.
"""

from collections.abc import Iterable, Mapping

from mooring_operator.plan.snapshot import Node, virtual_ip_name

#: Addresses that a node reports and does not speak from, each with why, after `ADDRESS on INTERFACE`.
Refused = tuple[tuple[str, str], ...]


def reported_by(nodes: Iterable[Node]) -> Mapping[str, tuple[str, ...]]:
    """Each address (without prefix and zone) to the nodes that report it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        for address in node.reported:
            found[address] = (*found.get(address, ()), node.name)
    return found


def of_other_nodes(nodes: Mapping[str, Node], reported: Mapping[str, tuple[str, ...]]) -> Mapping[str, Refused]:
    """Node to the addresses that it reports and that are another's InternalIP, but not its own one."""
    found: dict[str, Refused] = {}
    for owner in sorted(nodes.values(), key=lambda n: n.name):
        for address in owner.internal_addresses:
            for name in reported.get(address, ()):
                if name != owner.name and address not in nodes[name].internal_addresses:
                    why = f"is the InternalIP of node {owner.name}, not of this one; give {name} an address of its own"
                    found[name] = (*found.get(name, ()), (address, why))
    return found


def refused(
    of_others: Mapping[str, Refused],
    virtual: Mapping[str, Iterable[str]],
    reported: Mapping[str, tuple[str, ...]],
) -> Mapping[str, Refused]:
    """The same with the virtual addresses that a node reports; `virtual` is VirtualIP to its addresses, bare."""
    found = dict(of_others)
    for virtual_ip, addresses in virtual.items():
        for address in addresses:
            for name in reported.get(address, ()):
                why = f"is an address of {virtual_ip_name(virtual_ip)}; take it away on {name}"
                found[name] = (*found.get(name, ()), (address, why))
    return found
