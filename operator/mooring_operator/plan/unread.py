"""Members of a group whose interfaces nobody knows at present: each stays where it stands. Pure.

A report may be lost with the object that it stood in, or be of a form that this release does not know. What the node
was told to run stands all the same, and its daemon runs it: to plan without it would have the others stop hearing it,
and have it let go, for no reason of its own. So it is a member as it was, and while there is one nobody is put out for
being on another segment, and nobody new comes in: which segment it is cannot be known.
"""

from collections.abc import Iterable, Mapping

from mooring_api.nodeconfig import HeldAddress
from mooring_api.virtualip import NodeOverride, VirtualIP
from mooring_api.vrrp import Family
from mooring_operator.plan.present import Part, Parts, Present
from mooring_operator.plan.segments import Attachment, parsed
from mooring_operator.plan.snapshot import Node
from mooring_operator.words.phrases import listed

Attachments = Mapping[Family, Attachment]
Addresses = Mapping[Family, tuple[HeldAddress, ...]]

AS_IT_STANDS = "as it stands: what its daemon reports of its interfaces is lost, or can't be read"


def unread_members(
    virtual_ip: VirtualIP, group: str, addresses: Addresses, nodes: Iterable[Node], present: Present
) -> dict[str, Attachments | str]:
    """Those of the nodes whose place is not known: where each stands, or why it can't stay there as is wanted now."""
    name = virtual_ip.metadata.name
    overrides = {override.node: override for override in virtual_ip.spec.nodes.overrides}
    found: dict[str, Attachments | str] = {}
    for node in nodes:
        parts = present.of(node.name, name, group)
        if any(_unread(node, part) for part in parts.values()):
            override = overrides.get(node.name)
            found[node.name] = _as_it_stands(parts, addresses, virtual_ip.spec.interface, override)
    return found


def _unread(node: Node, part: Part) -> bool:
    if node.interfaces is None:
        return True
    link = node.links.get(part.interface or "") if node.unread else None
    return node.unread and (link is None or all(str(own.ip) != part.source for own in link.addresses))


def _as_it_stands(
    parts: Parts, addresses: Addresses, interface: str | None, override: NodeOverride | None
) -> Attachments | str:
    interface = (override and override.interface) or interface
    source = override.source.partition("%")[0] if override and override.source else None
    found: dict[Family, Attachment] = {}
    for family, own in addresses.items():
        part = parts.get(family)
        if part is None or part.interface is None:
            return f"has no part in {family} yet"
        if part.first != str(parsed(own[0].address).ip):
            return f"has its part for {part.first} yet"
        if interface is not None and interface != part.interface:
            return f"has its part on {part.interface} yet, not on {interface}"
        if source is not None and (":" in source) == (family is Family.IPV6) and source != part.source:
            return f"speaks from {part.source} yet, not from {source}"
        found[family] = Attachment(part.interface, parsed(part.source), part.source, frozenset(), unread=True)
    return found


def waits_for(unread: Iterable[str]) -> str:
    """Why nobody new comes in."""
    return f"joins when the interfaces of {listed(sorted(unread))} are known, or their Nodes are deleted"
