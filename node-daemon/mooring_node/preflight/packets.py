"""Whether one part of an nftables rule matches an advert (pure); the forms are those of libnftables-json(5).

Three answers: True, False, and None where that cannot be told from here (a mark that another rule sets, a limit, a
match of xtables). Nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

VRRP = 112
#: How nft spells protocols where the system knows their names; only what could be confused with ours matters.
_VRRP_NAMES = ("vrrp", str(VRRP), VRRP)
Answer: TypeAlias = bool | None
Sets: TypeAlias = Mapping[str, Sequence[Any] | None]
"""The elements of a table's named sets; None: they cannot be told."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An advert as a hook sees it; what is not known is None. `states`: what connection tracking may call it."""

    family: int
    source: str | None
    destination: str | None
    incoming: str | None = None
    outgoing: str | None = None
    states: frozenset[str] = field(default_factory=lambda: frozenset({"new"}))

    @property
    def multicast(self) -> Answer:
        return None if self.destination is None else ip_address(self.destination).is_multicast


def matches(said: Mapping[str, Any], packet: Packet, sets: Sets) -> Answer:
    """A `match` statement."""
    wanted, operation = said.get("right"), said.get("op", "==")
    if operation not in ("==", "!=", "in"):
        return None
    answer = _equals(said.get("left"), wanted, packet, sets)
    return answer if answer is None or operation != "!=" else not answer


def _equals(left: Any, right: Any, packet: Packet, sets: Sets) -> Answer:
    if isinstance(left, dict) and len(left) == 1:
        (kind, what), *_ = left.items()
        if kind == "payload" and isinstance(what, dict):
            return _payload(what.get("protocol"), what.get("field"), right, packet, sets)
        if kind == "meta" and isinstance(what, dict):
            return _meta(what.get("key"), right, packet, sets)
        if kind == "ct" and isinstance(what, dict) and what.get("key") == "state":
            return _state(right, packet)
        if kind == "fib" and isinstance(what, dict) and what.get("flags") == ["daddr"]:
            return _destination_type(right, packet)
    return None


def _payload(protocol: Any, name: Any, right: Any, packet: Packet, sets: Sets) -> Answer:
    if protocol in ("ip", "ip6"):
        if packet.family != (4 if protocol == "ip" else 6):
            return False
        if name in ("protocol", "nexthdr"):
            return _any(right, sets, lambda each: each in _VRRP_NAMES)
        if name in ("saddr", "daddr"):
            return _address(packet.source if name == "saddr" else packet.destination, right, sets)
        return None
    # A header that an advert does not have (tcp, udp, icmp, th) never matches; link layers are not known here.
    return None if protocol in ("ether", "vlan", None) else False


def _meta(key: Any, right: Any, packet: Packet, sets: Sets) -> Answer:
    match key:
        case "l4proto":
            return _any(right, sets, lambda each: each in _VRRP_NAMES)
        case "nfproto":
            return _any(right, sets, lambda each: each == ("ipv4" if packet.family == 4 else "ipv6"))
        case "protocol":
            return _any(right, sets, lambda each: each == ("ip" if packet.family == 4 else "ip6"))
        case "iifname" | "iif":
            return _interface(packet.incoming, right, sets)
        case "oifname" | "oif":
            return _interface(packet.outgoing, right, sets)
        case "pkttype":
            group = packet.multicast
            kinds = ("multicast",) if group else ("host", "unicast")
            return None if group is None else _any(right, sets, lambda each: each in kinds)
        case _:
            return None


def _state(right: Any, packet: Packet) -> Answer:
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    if right is None:
        return None
    asked = {each for each in (right if isinstance(right, list) else [right]) if isinstance(each, str)}
    found = {state in asked for state in packet.states}
    return found.pop() if len(found) == 1 else None


def _destination_type(right: Any, packet: Packet) -> Answer:
    group = packet.multicast
    if group is None or packet.incoming is None or not isinstance(right, str):
        return None
    return right == ("multicast" if group else "local")


def _interface(name: str | None, right: Any, sets: Sets) -> Answer:
    """nft writes `eth*` as it was said."""
    if name is None:
        return None

    def same(each: Any) -> Answer:
        if not isinstance(each, str):
            return None
        return name.startswith(each[:-1]) if each.endswith("*") else each == name

    return _any(right, sets, same)


def _address(address: str | None, right: Any, sets: Sets) -> Answer:
    if address is None:
        return None

    def within(each: Any) -> Answer:
        try:
            if isinstance(each, dict) and "prefix" in each:
                return ip_address(address) in ip_network(f"{each['prefix']['addr']}/{each['prefix']['len']}")
            if isinstance(each, dict) and "range" in each:
                first, last = (ip_address(end) for end in each["range"])
                return int(first) <= int(ip_address(address)) <= int(last)
            return ip_address(each) == ip_address(address) if isinstance(each, str) else None
        except (ValueError, TypeError, KeyError):
            return None

    return _any(right, sets, within)


def _any(right: Any, sets: Sets, same: Any) -> Answer:
    """Whether one of what is on the right side is it."""
    elements = _elements(right, sets)
    if elements is None:
        return None
    answers = [same(each) for each in elements]
    return True if True in answers else None if None in answers else False


def _elements(right: Any, sets: Sets) -> Sequence[Any] | None:
    if isinstance(right, str) and right.startswith("@"):
        return sets.get(right[1:])
    found = right["set"] if isinstance(right, dict) and "set" in right else right
    if isinstance(found, list):
        return [_bare(each) for each in found]
    return [found]


def _bare(element: Any) -> Any:
    """An element with a timeout, a counter or a comment has them around its value."""
    return (
        element["elem"].get("val") if isinstance(element, dict) and isinstance(element.get("elem"), dict) else element
    )
