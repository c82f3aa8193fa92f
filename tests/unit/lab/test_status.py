"""How holdings are shown and compared."""

import pytest

from mooring_lab.status import compare, ranges, states_of


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


WANTED = {"web-0": ("10.0.0.100", "10.0.0.101"), "web-1": ("10.0.0.106",)}


def test_agreement_is_silent() -> None:
    assert compare("lb-1", {"web-0": "Active", "web-1": "Backup"}, WANTED, WANTED["web-0"]) == []


def test_an_active_daemon_without_addresses_is_shown() -> None:
    (sentence,) = compare("lb-1", {"web-0": "Active"}, WANTED, ["10.0.0.100"])
    assert "its kernel has no 10.0.0.101" in sentence


def test_a_backup_with_addresses_is_shown() -> None:
    (sentence,) = compare("lb-1", {"web-0": "Backup", "web-1": "Fault"}, WANTED, ["10.0.0.106"])
    assert "its kernel has 10.0.0.106" in sentence


def test_states_come_from_the_answer() -> None:
    assert states_of({"instances": [{"name": "web-0", "state": "Active"}]}) == {"web-0": "Active"}
    assert states_of({}) == {}
