"""Rules of the port guard: on its addresses nothing answers but the ports that are named (pure).

It stands before destination NAT, so that a node port of kube-proxy's is guarded like any other, and before IPVS. Only
what is for this node is looked at: what it merely routes goes on. ARP is no part of an inet table, VRRP goes to other
addresses, and answers to connections of this node's own pass.

A port is open for the servers behind it, not for a program of this node that listens there too. IPVS takes what it
balances; what begins a connection to a balanced port and is still there right behind IPVS was not taken, because the
kernel has no such service (no module, refused, not set yet), and is dropped. What goes on with a connection that IPVS
does not know (after a takeover) passes: the kernel resets it, and the client begins anew at once.
"""

from collections.abc import Iterable, Iterator

from mooring_node.balance.config import BalanceConfig, PortGuardConfig, ServerConfig
from mooring_node.forwarding.marking import AFTER_IPVS
from mooring_node.forwarding.text import ADDRESS, ADDRESSED, SERVICE, WORDS, chain, family_of, hooked, named_set
from mooring_node.ipvs.table import Method

#: Behind connection tracking (-200), before mangle (-150) and destination NAT (-100).
PRIORITY = -160
#: Behind the chain that shows again what was hidden from IPVS.
UNTAKEN_PRIORITY = AFTER_IPVS + 1
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
#: What begins no connection: TCP with more or less than SYN, SCTP with another chunk than INIT (always alone).
_GOES_ON = ("tcp flags & (syn | ack) != syn return", "meta l4proto sctp @th,96,8 != 1 return")


def guard(config: BalanceConfig) -> Iterator[str]:
    """Sets and chains; nothing where nothing is guarded."""
    guards = config.port_guards
    rules, untaken = [], []
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
        if balanced := _balanced_elsewhere(config, refused):
            yield named_set(f"balanced{family}", SERVICE[family], balanced)
            # The set that counts comes last: an element counts whenever it is found.
            last = f"{word} daddr @{REFUSED}{family} drop"
            yield chain(f"untaken{family}", ["ct direction reply return", *_GOES_ON, last])
            untaken.append(f"{ADDRESSED[family]} @balanced{family} jump untaken{family}")
    if rules:
        yield hooked("prerouting", "prerouting", PRIORITY, ['iifname "lo" return', *rules])
    if untaken:
        yield hooked("input_untaken", "input", UNTAKEN_PRIORITY, ['iifname "lo" return', *untaken])


def _balanced_elsewhere(config: BalanceConfig, addresses: frozenset[str]) -> list[str]:
    """The services of these addresses that no packet leaves IPVS for this node's own programs from."""
    hosted = frozenset(each.address for each in config.backend_addresses)
    return [
        f"{address} . {server.protocol} . {server.port}"
        for server in config.servers
        for address in addresses.intersection(server.addresses)
        if not server.mark and not _may_stay(server, address, hosted)
    ]


def _may_stay(server: ServerConfig, address: str, hosted: frozenset[str]) -> bool:
    """Whether a backend may be this node, and be sent packets that still bear the virtual address."""
    ends = [(each.address, each.way) for each in server.backends]
    if server.sorry is not None:
        ends.append((server.sorry.address, server.sorry.way))
    if address in (end for end, _ in ends):
        return True
    if all(way.method is Method.MASQUERADE for _, way in ends):
        return False
    # The operator says of each node whether it answers for an address; in a file nobody need.
    return address in hosted or bool(server.other_directors) or server.virtual_server is None


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
