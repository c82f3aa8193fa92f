"""Rules of the port guard: on its addresses nothing answers but the ports that are named (pure).

It stands before destination NAT, so that a node port of kube-proxy's is guarded like any other, and before IPVS. Only
what is for this node is looked at: what it merely routes goes on. ARP is no part of an inet table, VRRP goes to other
addresses, and answers to connections of this node's own pass.
"""

from collections.abc import Iterable, Iterator

from mooring_node.balance.config import PortGuardConfig
from mooring_node.forwarding.text import ADDRESS, ADDRESSED, SERVICE, WORDS, chain, family_of, hooked, named_set

#: Behind connection tracking (-200), before mangle (-150) and destination NAT (-100).
PRIORITY = -160
#: Sets whose elements count what was dropped, and what would have been.
REFUSED, WATCHED = "refused", "watched"
COUNTED = frozenset(f"{kind}{family}" for kind in (REFUSED, WATCHED) for family in WORDS)

#: What asks whether the address lives, and what finds a path or a neighbour.
_ICMP = {
    4: "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem }",
    6: (
        "icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem,"
        " nd-neighbor-solicit, nd-neighbor-advert }"
    ),
}


def guard(guards: Iterable[PortGuardConfig]) -> Iterator[str]:
    """Sets and chains; nothing where nothing is guarded."""
    guards = tuple(guards)
    rules = []
    for family, word in WORDS.items():
        refused, watched = (_addresses(guards, family, enforce=enforce) for enforce in (True, False))
        if not refused and not watched:
            continue
        yield named_set(f"guarded{family}", ADDRESS[family], refused | watched)
        checks = []
        if open_ports := _open(guards, family):
            yield named_set(f"open{family}", SERVICE[family], open_ports)
            checks.append(f"{ADDRESSED[family]} @open{family} return")
        checks += ["ct state { established, related } return", f"{_ICMP[family]} return"]
        for kind, addresses, verdict in ((REFUSED, refused, " drop"), (WATCHED, watched, "")):
            if addresses:
                yield named_set(f"{kind}{family}", ADDRESS[family], addresses, "counter; ")
                checks.append(f"{word} daddr @{kind}{family}{verdict}")
        yield chain(f"guard{family}", checks)
        rules.append(f"{word} daddr @guarded{family} fib daddr type local jump guard{family}")
    if rules:
        yield hooked("prerouting", "prerouting", PRIORITY, ['iifname "lo" return', *rules])


def _addresses(guards: Iterable[PortGuardConfig], family: int, *, enforce: bool) -> frozenset[str]:
    return frozenset(
        address
        for each in guards
        if each.enforce is enforce
        for address in each.addresses
        if family_of(address) == family
    )


def _open(guards: Iterable[PortGuardConfig], family: int) -> list[str]:
    return [
        f"{address} . {protocol} . {port}"
        for each in guards
        for address in each.addresses
        if family_of(address) == family
        for protocol, port in each.ports
    ]
