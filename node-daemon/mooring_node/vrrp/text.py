"""Packed addresses as people read them."""

from ipaddress import ip_address


def address_text(packed: bytes) -> str:
    """`10.0.0.18` or `fe80::1`; "unknown" where a packet told none, "others" for the many."""
    if len(packed) not in (4, 16):
        return "others" if packed else "unknown"
    return str(ip_address(packed))
