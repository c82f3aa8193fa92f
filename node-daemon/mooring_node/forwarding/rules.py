"""The nftables table of this node as text for `nft -f -` (pure).

Masquerade. nftables cannot ask whether IPVS sent a packet. But IPVS keeps the connection that conntrack began when
the packet came in (net.ipv4.vs.conntrack = 1), so the original destination of the connection is still the virtual
address and port, and a packet that leaves for an address that is not this node's was sent to a backend by NAT
(what leaves by direct routing still bears the virtual address; what leaves in a tunnel is a connection of its own).

Marks. IPVS compares the whole mark, so ours replaces what stands there; it is set in `input` after everybody's
filters and right before IPVS (which looks at priority 98), and cleared before anybody else looks: at the first step
of `output` where IPVS sent the packet on, right after IPVS where the packet stays here.

Port guard. Before destination NAT, so that a node port of kube-proxy's is guarded as any other; only for addresses
that this node has now, so what it merely routes goes on.
"""

from collections.abc import Iterable, Iterator, Mapping

from mooring_node.balance.config import BalanceConfig, PortGuardConfig, ServerConfig
from mooring_node.forwarding.marks import families, is_marked, marks
from mooring_node.ipvs.table import SCTP, TCP, UDP, Method

TABLE = "mooring"
#: Replaces the table in one transaction: `add` so that `delete` finds one.
REMOVE = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"
#: Sets of the port guard whose elements count, by family and mode; see counters.py.
COUNTED = ("refused4", "refused6", "watched4", "watched6")

#: IPVS hooks into `input` at 98 and 99 (NF_IP_PRI_NAT_SRC - 2 and - 1).
BEFORE_IPVS = 90
AFTER_IPVS = 110
#: Before connection tracking and before everybody else's `output`.
FIRST = -500
#: Behind connection tracking (-200), before mangle (-150) and destination NAT (-100).
GUARD = -160

_PORT_TYPES = {4: "ipv4_addr . inet_proto . inet_service", 6: "ipv6_addr . inet_proto . inet_service"}
_ADDRESS_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_WORDS = {4: "ip", 6: "ip6"}
_PROTOCOLS = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}
#: What finds a path and a neighbour must pass; everything else of ICMP is an answer, or nobody's business.
_ICMP = {
    4: "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem }",
    6: (
        "icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem,"
        " nd-neighbor-solicit, nd-neighbor-advert }"
    ),
}


def ruleset(config: BalanceConfig, unwrapping: Iterable[str] = ()) -> str:
    """The transaction that replaces the table; "" when this configuration needs no rule at all.

    `unwrapping`: interfaces on which packets appear that a director sent through a tunnel.
    """
    parts = [*_masquerade(config), *_marked(config, sorted(unwrapping)), *_guard(config.port_guards)]
    if not parts:
        return ""
    return f"{REMOVE}table inet {TABLE} {{\n" + "\n".join(parts) + "\n}\n"


def masquerades(server: ServerConfig) -> bool:
    """Whether backends of this server are to see this node as the client."""
    ways = [each.way for each in server.backends] + ([server.sorry.way] if server.sorry else [])
    return server.masquerade and any(way.method is Method.MASQUERADE for way in ways)


# Masquerade.


def _masquerade(config: BalanceConfig) -> Iterator[str]:
    servers = [server for server in config.servers if masquerades(server)]
    action = "fib daddr type != local masquerade fully-random"
    rules = []
    for family, word in _WORDS.items():
        for number, protocol in _PROTOCOLS.items():
            if ports := _ports(servers, family, number):
                name = f"masquerade_{protocol}{family}"
                yield _set(name, f"{_ADDRESS_TYPES[family]} . inet_service", ports)
                # nft knows what a port of conntrack's is only where the rule names the protocol before.
                original = f"ct original {word} daddr . ct original proto-dst @{name}"
                rules.append(f"meta l4proto {protocol} {original} {action}")
        if marked := _user_marks(servers, family):
            yield _set(f"masquerade_marks{family}", "mark", marked)
            rules.append(f"meta nfproto ipv{family} meta mark @masquerade_marks{family} {action}")
    if rules:
        yield _chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", rules)


def _ports(servers: Iterable[ServerConfig], family: int, protocol: int) -> list[str]:
    return sorted(
        f"{address} . {server.port}"
        for server in servers
        if not server.mark and server.protocol == protocol
        for address in server.addresses
        if _family(address) == family
    )


def _user_marks(servers: Iterable[ServerConfig], family: int) -> list[str]:
    return sorted({f"{server.mark:#010x}" for server in servers if server.mark and family in server.families})


# Marks.


def _marked(config: BalanceConfig, unwrapping: list[str]) -> Iterator[str]:
    servers = [server for server in config.servers if is_marked(server)]
    if not servers:
        return
    allotted = marks(config)
    groups = {macs: place for place, macs in enumerate(sorted({server.other_directors for server in servers}))}
    yield _set("ours", "mark", sorted(f"{each:#010x}" for each in allotted.values()))
    rules = ['iifname "lo" return']
    if unwrapping:
        rules.append("iifname { " + ", ".join(f'"{each}"' for each in unwrapping) + " } return")
    for family in sorted({family for server in servers for family in families(server)}):
        mine = [
            (f"{address} . {server.protocol} . {server.port}", server)
            for server in servers
            for address in server.addresses
            if _family(address) == family
        ]
        service = f"{_WORDS[family]} daddr . meta l4proto . th dport"
        numbers = {element: f"{allotted[server.name, family]:#010x}" for element, server in mine}
        ways = {element: f"goto directors{groups[server.other_directors]}_{family}" for element, server in mine}
        yield _map(f"marks{family}", f"{_PORT_TYPES[family]} : mark", numbers)
        for macs, place in groups.items():
            passed = "ether saddr { " + ", ".join(macs) + " } return"
            yield _chain(f"directors{place}_{family}", "", [passed, f"meta mark set {service} map @marks{family}"])
        yield _map(f"ways{family}", f"{_PORT_TYPES[family]} : verdict", ways)
        rules.append(f"{service} vmap @ways{family}")
    clear = ["meta mark @ours meta mark set 0"]
    yield _chain("input", f"type filter hook input priority {BEFORE_IPVS}; policy accept;", rules)
    yield _chain("input_after", f"type filter hook input priority {AFTER_IPVS}; policy accept;", clear)
    yield _chain("output", f"type filter hook output priority {FIRST}; policy accept;", clear)


# Port guard.


def _guard(guards: Iterable[PortGuardConfig]) -> Iterator[str]:
    guards = tuple(guards)
    rules = []
    for family, word in _WORDS.items():
        modes = {"refused": _guarded(guards, family, enforce=True), "watched": _guarded(guards, family, enforce=False)}
        if not any(modes.values()):
            continue
        checks = ["ct state { established, related } return", f"{_ICMP[family]} return"]
        if open_ports := _open(guards, family):
            yield _set(f"open{family}", _PORT_TYPES[family], open_ports)
            checks.insert(0, f"{word} daddr . meta l4proto . th dport @open{family} return")
        addresses = sorted({address for found in modes.values() for address in found})
        yield _set(f"guarded{family}", _ADDRESS_TYPES[family], addresses)
        for mode, found in modes.items():
            if found:
                yield _set(f"{mode}{family}", _ADDRESS_TYPES[family], found, "counter; ")
                checks.append(f"{word} daddr @{mode}{family}" + (" drop" if mode == "refused" else ""))
        yield _chain(f"guard{family}", "", checks)
        rules.append(f"{word} daddr @guarded{family} fib daddr type local jump guard{family}")
    if rules:
        hook = f"type filter hook prerouting priority {GUARD}; policy accept;"
        yield _chain("prerouting", hook, ['iifname "lo" return', *rules])


def _open(guards: Iterable[PortGuardConfig], family: int) -> list[str]:
    return sorted(
        {
            f"{address} . {protocol} . {port}"
            for guard in guards
            for address in guard.addresses
            if _family(address) == family
            for protocol, port in guard.ports
        }
    )


def _guarded(guards: Iterable[PortGuardConfig], family: int, *, enforce: bool) -> list[str]:
    return sorted(
        {
            address
            for guard in guards
            if guard.enforce is enforce
            for address in guard.addresses
            if _family(address) == family
        }
    )


# Text.


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _set(name: str, kind: str, elements: Iterable[str], more: str = "") -> str:
    return f"\tset {name} {{\n\t\ttype {kind}; {more}elements = {{\n{_lines(elements)}\n\t\t}}\n\t}}"


def _map(name: str, kind: str, elements: Mapping[str, str]) -> str:
    pairs = (f"{key} : {value}" for key, value in sorted(elements.items()))
    return f"\tmap {name} {{\n\t\ttype {kind}; elements = {{\n{_lines(pairs)}\n\t\t}}\n\t}}"


def _chain(name: str, hook: str, rules: Iterable[str]) -> str:
    lines = ([hook] if hook else []) + list(rules)
    return f"\tchain {name} {{\n" + "\n".join(f"\t\t{line}" for line in lines) + "\n\t}"


def _lines(elements: Iterable[str]) -> str:
    return ",\n".join(f"\t\t\t{each}" for each in elements)
