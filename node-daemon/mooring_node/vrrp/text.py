"""Packed addresses as people read them."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from types import MappingProxyType

#: An answer must fit a message.
MOST_NAMED = 3


def address_text(packed: bytes) -> str:
    """`10.0.0.18` or `fe80::1`; "unknown" where a packet told none, "others" for the many."""
    if len(packed) not in (4, 16):
        return "others" if packed else "unknown"
    return str(ip_address(packed))


def naming(addresses: Iterable[bytes], where: Mapping[bytes, str] = MappingProxyType({})) -> str:
    """The first few of them, packed, with the interface where `where` has it; and how many more there are."""
    texts = [f"{address_text(each)} on {where[each]}" if each in where else address_text(each) for each in addresses]
    more = [f"{len(texts) - MOST_NAMED} more"] if len(texts) > MOST_NAMED else []
    return ", ".join([*texts[:MOST_NAMED], *more])
