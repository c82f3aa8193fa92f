"""Which of our addresses stand where one of the node belongs, by lists as the kernel gives them."""

import socket
from ipaddress import ip_interface

import pytest

from mooring_node.kernel.addresses import IFA_F_SECONDARY, AddressKey, KernelAddress
from mooring_node.vrrp.precedence import in_the_way


def listed(*words: str) -> tuple[KernelAddress, ...]:
    """`address/prefix`, with `ours`, `secondary`, `link` (the scope) or `@3` (the interface) after it."""
    found = []
    for each in words:
        text, *notes = each.split()
        interface = ip_interface(text)
        family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
        index = next((int(note[1:]) for note in notes if note.startswith("@")), 2)
        flags = IFA_F_SECONDARY if "secondary" in notes else 0
        scope = 253 if "link" in notes else 0
        ours = "ours" in notes
        length = interface.network.prefixlen
        found.append(
            KernelAddress(index, family, interface.ip.packed, length, None, scope, 6 if ours else None, flags, not ours)
        )
    return tuple(found)


def ours_of(addresses: tuple[KernelAddress, ...]) -> frozenset[AddressKey]:
    return frozenset(each.key for each in addresses if each.valid_lifetime_s)


def moved(*words: str) -> list[str]:
    addresses = listed(*words)
    keys = in_the_way(addresses, ours_of(addresses))
    return [word.partition(" ")[0] for word, each in zip(words, addresses, strict=True) if each.key in keys]


@pytest.mark.parametrize(
    "words",
    [
        ("10.0.0.18/24", "10.0.0.100/24 ours secondary"),
        ("10.0.0.18/24", "10.0.0.100/32 ours"),
        ("10.0.0.18/24", "10.0.0.100/32 ours", "198.51.100.7/24"),
        ("10.0.0.18/24", "10.0.0.100/32 ours", "10.0.0.19/24 secondary"),
        ("10.0.0.100/24 ours", "10.0.0.101/24 ours secondary"),
        ("10.0.0.100/32 ours link", "10.0.0.18/24"),
        ("10.0.0.18/24", "10.0.0.100/24 ours @3"),
        ("fd00::100/64 ours", "fd00::18/64"),
        (),
    ],
    ids=lambda words: ", ".join(words) or "nothing",
)
def test_what_stands_as_the_kernel_would_put_it_is_left(words: tuple[str, ...]) -> None:
    """Also what would stand there again: else it were taken away at each look."""
    assert moved(*words) == []


def test_what_stands_before_the_first_own_goes_behind_it() -> None:
    assert moved("10.0.0.100/32 ours", "10.0.0.101/32 ours", "10.0.0.18/24", "10.0.0.102/32 ours") == [
        "10.0.0.100/32",
        "10.0.0.101/32",
    ]


def test_the_primary_of_an_own_one_goes_behind_it() -> None:
    words = ("198.51.100.7/24", "10.0.0.100/24 ours", "10.0.0.101/24 ours secondary", "10.0.0.18/24 secondary")
    assert moved(*words) == ["10.0.0.100/24"]
    assert moved("10.0.0.100/24 ours", "10.0.0.18/24 secondary") == ["10.0.0.100/24"]


def test_interfaces_are_looked_at_each_by_itself() -> None:
    words = ("10.0.0.18/24", "10.0.0.100/24 ours secondary", "10.1.0.100/24 ours @3", "10.1.0.18/24 secondary @3")
    assert moved(*words) == ["10.1.0.100/24"]
