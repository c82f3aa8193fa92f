"""nftables' words: sets, maps and chains as text for `nft -f -` (pure)."""

from collections.abc import Iterable, Mapping

from mooring_node.ipvs.table import SCTP, TCP, UDP

WORDS = {4: "ip", 6: "ip6"}
PROTOCOLS = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
#: Keys of an address, a protocol and a port, and the packet's own.
SERVICE = {family: f"{address} . inet_proto . inet_service" for family, address in ADDRESS.items()}
ADDRESSED = {family: f"{word} daddr . meta l4proto . th dport" for family, word in WORDS.items()}


def family_of(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def named_set(name: str, kind: str, elements: Iterable[str], more: str = "") -> str:
    return f"\tset {name} {{\n\t\ttype {kind}; {more}elements = {{\n{_lines(sorted(set(elements)))}\n\t\t}}\n\t}}"


def named_map(name: str, kind: str, elements: Mapping[str, str]) -> str:
    pairs = (f"{key} : {value}" for key, value in sorted(elements.items()))
    return f"\tmap {name} {{\n\t\ttype {kind}; elements = {{\n{_lines(pairs)}\n\t\t}}\n\t}}"


def anonymous(elements: Iterable[str]) -> str:
    return "{ " + ", ".join(elements) + " }"


def chain(name: str, rules: Iterable[str]) -> str:
    return f"\tchain {name} {{\n" + "\n".join(f"\t\t{rule}" for rule in rules) + "\n\t}"


def hooked(name: str, hook: str, priority: int, rules: Iterable[str], kind: str = "filter") -> str:
    return chain(name, [f"type {kind} hook {hook} priority {priority}; policy accept;", *rules])


def number(mark: int) -> str:
    """A mark as nft lists it."""
    return f"{mark:#010x}"


def _lines(elements: Iterable[str]) -> str:
    return ",\n".join(f"\t\t\t{each}" for each in elements)
