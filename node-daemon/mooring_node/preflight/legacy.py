"""Rules of iptables-legacy as the kernel gives them out, told in the words of nft's lists (pure).

nft does not show them, and `iptables-legacy-save` is not in our image. Layouts as in Linux' uapi/linux/
netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h and netfilter/x_tables.h, on 64 bits.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

Entry: TypeAlias = Mapping[str, Any]

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
INFO = struct.Struct("=32sI5I5III")
_TARGET = struct.Struct("=H29sB")
_VERDICT = struct.Struct("=i")
_VERDICTS = {-1: "drop", -2: "accept", -5: "return"}
_IN, _OUT, _SOURCE, _DESTINATION, _PROTOCOL = 1, 2, 8, 16, 64
_ERROR = "ERROR"
_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
#: Of xt_conntrack_mtinfo2 and 3: which of its conditions are asked, which are turned round, and the states.
_CONNTRACK = struct.Struct("=146xHHH")
_OF_STATE = 1
#: Only says that the rule was written with the old match `state`.
_ALIAS = 0x2000


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a family's entry has its parts."""

    family: str
    address_bytes: int
    interfaces: int
    protocol: int
    flags: int
    inverted: int
    goto: int
    offsets: int
    size: int


_LAYOUTS = {
    4: _Layout("ip", 4, 16, 80, 82, 83, 2, 88, 112),
    6: _Layout("ip6", 16, 64, 128, 131, 132, 4, 140, 168),
}


def listed(family: int, table: str, info: bytes, entries: bytes) -> Iterator[Entry]:
    """The chains and rules of one table; ValueError where it is not laid out as expected."""
    try:
        yield from _Table(_LAYOUTS[family], table, info, entries).listed()
    except (struct.error, IndexError) as error:
        raise ValueError(f"the table {table} is not laid out as expected: {error}") from error


class _Table:
    def __init__(self, layout: _Layout, table: str, info: bytes, entries: bytes) -> None:
        self._layout = layout
        self._table = f"iptables-legacy {table}"
        self._priority = PRIORITIES.get(table, 0)
        _name, self._hooks, *offsets = INFO.unpack_from(info)
        self._begins, self._ends = offsets[:5], offsets[5:10]
        self._entries = entries
        self._chains = self._chain_names()

    def _chain_names(self) -> dict[int, str]:
        """Where each chain begins: base chains by their hook, others behind an entry that has their name."""
        names = {self._begins[hook]: HOOKS[hook].upper() for hook in range(5) if self._hooks >> hook & 1}
        for at in self._places():
            name, body = self._target(at)
            if name == _ERROR:
                names[self._next(at)] = _text(body)
        return names

    def listed(self) -> Iterator[Entry]:
        head = {"family": self._layout.family, "table": self._table}
        bases = {self._begins[hook]: hook for hook in range(5) if self._hooks >> hook & 1}
        for at, name in self._chains.items():
            chain: dict[str, Any] = {**head, "name": name}
            if at in bases:
                hook = bases[at]
                policy = self._verdict(self._ends[hook])
                chain |= {"type": "filter", "hook": HOOKS[hook], "prio": self._priority, "policy": policy}
            yield {"chain": chain}
        chain_name = ""
        ends = {self._ends[hook] for hook in range(5) if self._hooks >> hook & 1}
        for at in self._places():
            chain_name = self._chains.get(at, chain_name)
            if at not in ends and self._target(at)[0] != _ERROR:
                yield {"rule": {**head, "chain": chain_name, "expr": list(self._statements(at))}}

    def _places(self) -> Iterator[int]:
        at = 0
        while at < len(self._entries):
            yield at
            at = self._next(at)

    def _next(self, at: int) -> int:
        step: int = struct.unpack_from("=H", self._entries, at + self._layout.offsets + 2)[0]
        if step < self._layout.size:
            raise ValueError("an entry without an end")
        return at + step

    def _target(self, at: int) -> tuple[str, bytes]:
        where = at + struct.unpack_from("=H", self._entries, at + self._layout.offsets)[0]
        size, name, _revision = _TARGET.unpack_from(self._entries, where)
        return _text(name), self._entries[where + _TARGET.size : where + size]

    def _verdict(self, at: int) -> str:
        return _VERDICTS.get(_VERDICT.unpack_from(self._target(at)[1])[0], "accept")

    def _statements(self, at: int) -> Iterator[Entry]:
        yield from self._conditions(at)
        yield from self._matches(at)
        name, body = self._target(at)
        if name:
            yield {"xt": {"type": "target", "name": name}}
            return
        verdict = _VERDICT.unpack_from(body)[0]
        if verdict < 0:
            yield {_VERDICTS.get(verdict, "queue"): None}
        elif verdict != self._next(at):
            goto = self._entries[at + self._layout.flags] & self._layout.goto
            yield {"goto" if goto else "jump": {"target": self._chains.get(verdict, "")}}

    def _conditions(self, at: int) -> Iterator[Entry]:
        layout, entries = self._layout, self._entries
        inverted = entries[at + layout.inverted]
        size = layout.address_bytes
        for place, flag, field in ((0, _SOURCE, "saddr"), (1, _DESTINATION, "daddr")):
            address = entries[at + place * size : at + (place + 1) * size]
            mask = entries[at + (place + 2) * size : at + (place + 3) * size]
            if any(mask):
                left = {"payload": {"protocol": layout.family, "field": field}}
                yield _match(left, _network(address, mask), inverted & flag)
        for place, flag, key in ((0, _IN, "iifname"), (1, _OUT, "oifname")):
            name = entries[at + layout.interfaces + 16 * place :][:16]
            mask = entries[at + layout.interfaces + 32 + 16 * place :][:16]
            if any(mask):
                said, known = _text(name), mask.count(0xFF)
                yield _match({"meta": {"key": key}}, said if known > len(said) else f"{said[:known]}*", inverted & flag)
        protocol = struct.unpack_from("=H", entries, at + layout.protocol)[0]
        if protocol:
            yield _match({"meta": {"key": "l4proto"}}, protocol, inverted & _PROTOCOL)

    def _matches(self, at: int) -> Iterator[Entry]:
        place = at + self._layout.size
        end = at + struct.unpack_from("=H", self._entries, at + self._layout.offsets)[0]
        while place < end:
            size, name, revision = _TARGET.unpack_from(self._entries, place)
            if size < _TARGET.size:
                raise ValueError("a match without an end")
            yield _extension(_text(name), revision, self._entries[place + _TARGET.size : place + size])
            place += size


def _extension(name: str, revision: int, body: bytes) -> Entry:
    """What is known of it; else its name, which says that nothing is known."""
    states: int | None = None
    inverted = 0
    if name == "state" and len(body) >= 4:
        states = struct.unpack_from("=I", body)[0]
    elif name == "conntrack" and revision >= 2 and len(body) >= _CONNTRACK.size:
        asked, turned, mask = _CONNTRACK.unpack_from(body)
        states, inverted = (mask, turned & _OF_STATE) if asked & ~_ALIAS == _OF_STATE else (None, 0)
    if states is None:
        return {"xt": {"type": "match", "name": name}}
    return _match({"ct": {"key": "state"}}, [each for each, bit in _STATES.items() if states & bit], inverted)


def _match(left: Any, right: Any, inverted: int) -> Entry:
    return {"match": {"op": "!=" if inverted else "==", "left": left, "right": right}}


def _network(address: bytes, mask: bytes) -> Any:
    """As nft writes it; a mask with holes is told as what nothing is known of."""
    bits = bin(int.from_bytes(mask))[2:]
    if "01" in bits or len(bits) != 8 * len(mask):
        return None
    network = ip_network(f"{ip_address(address)}/{bits.count('1')}", strict=False)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _text(name: bytes) -> str:
    return name.split(b"\0", 1)[0].decode(errors="replace")
