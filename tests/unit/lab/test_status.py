"""How holdings are shown and compared."""

import pytest

from mooring_lab.status import compare, ranges, said_held, states_of


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        ([], ""),
        (["10.0.0.100"], "10.0.0.100"),
        (["10.0.0.101", "10.0.0.100", "10.0.0.103"], "10.0.0.100-101, 10.0.0.103"),
        (["10.0.0.9", "10.0.0.10"], "10.0.0.9-10"),
        (["fd00::2", "fd00::1", "10.0.0.1"], "10.0.0.1, fd00::1-2"),
    ],
)
def test_neighbours_are_joined(addresses: list[str], text: str) -> None:
    assert ranges(addresses) == text


ANSWER = {
    "groups": [
        {"name": "web-0", "state": "Active", "heldAddresses": ["10.0.0.100/24 eth0", "10.0.0.101/24 eth0"]},
        {"name": "web-1", "state": "Backup", "heldAddresses": []},
    ]
}


def test_agreement_is_silent() -> None:
    assert compare("lb-1", said_held(ANSWER), ["10.0.0.100", "10.0.0.101"]) == []


def test_what_only_the_daemon_holds_is_shown() -> None:
    (sentence,) = compare("lb-1", said_held(ANSWER), ["10.0.0.100"])
    assert sentence == "lb-1: its daemon says that it holds 10.0.0.101, its kernel does not"


def test_what_only_the_kernel_holds_is_shown() -> None:
    (sentence,) = compare("lb-1", [], ["10.0.0.106"])
    assert sentence == "lb-1: its kernel has 10.0.0.106, its daemon does not say so"


def test_states_come_from_the_answer() -> None:
    assert states_of(ANSWER) == {"web-0": "Active", "web-1": "Backup"}
