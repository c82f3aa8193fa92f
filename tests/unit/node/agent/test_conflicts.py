"""Claims of held addresses by another MAC: evidence after a grace, bounded, logged once a minute."""

from ipaddress import ip_address

from mooring_node.agent.conflicts import GRACE_NS, LOG_EVERY_NS, MOST_CONFLICTS, Conflicts
from mooring_node.vrrp.frames import Claim

ADDRESS = ip_address("10.0.0.100").packed
OWN, OTHER = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
HELD = frozenset({ADDRESS})
NOW = 10**12


def claim(conflicts: Conflicts, now: int, address: bytes = ADDRESS, mac: bytes = OTHER) -> None:
    conflicts.claimed(Claim(mac, address), "eth0", frozenset({OWN}), HELD, now)


def test_a_claim_counts_after_the_grace() -> None:
    conflicts = Conflicts()
    claim(conflicts, NOW)
    assert conflicts.confirm(HELD, NOW + GRACE_NS - 1) == ()
    (found,) = conflicts.confirm(HELD, NOW + GRACE_NS)
    assert (found.address, found.mac, found.interface, found.count) == ("10.0.0.100", "02:00:00:00:00:02", "eth0", 1)
    assert conflicts.total == 1
    assert conflicts.confirm(HELD, NOW + 9 * GRACE_NS) == ()


def test_a_hand_over_is_no_conflict() -> None:
    conflicts = Conflicts()
    claim(conflicts, NOW)
    assert conflicts.confirm(frozenset(), NOW + GRACE_NS) == ()
    assert conflicts.confirm(HELD, NOW + 2 * GRACE_NS) == ()
    assert (conflicts.total, conflicts.all()) == (0, ())


def test_an_address_that_went_and_came_back_within_the_grace_was_claimed_by_right() -> None:
    conflicts = Conflicts()
    claim(conflicts, NOW)
    conflicts.let_go(HELD)
    assert conflicts.confirm(HELD, NOW + GRACE_NS) == ()
    assert conflicts.total == 0


def test_our_own_claims_and_those_of_other_addresses_are_none() -> None:
    conflicts = Conflicts()
    claim(conflicts, NOW, mac=OWN)
    claim(conflicts, NOW, address=ip_address("10.0.0.7").packed)
    assert conflicts.confirm(HELD, NOW + GRACE_NS) == ()
    assert conflicts.total == 0


def test_a_lasting_conflict_is_logged_once_a_minute_and_counted_throughout() -> None:
    conflicts = Conflicts()
    logged = []
    for second in range(121):
        now = NOW + second * GRACE_NS
        logged += [(second, found.count) for found in conflicts.confirm(HELD, now)]
        claim(conflicts, now)
    assert [second for second, _ in logged] == [1, 61]
    assert LOG_EVERY_NS == 60 * GRACE_NS
    assert conflicts.total == conflicts.all()[0].count == 120


def test_many_claims_within_a_grace_are_one() -> None:
    conflicts = Conflicts()
    for moment in range(50):
        claim(conflicts, NOW + moment)
    assert len(conflicts.confirm(HELD, NOW + GRACE_NS)) == 1
    assert conflicts.total == 1


def test_a_flood_of_invented_macs_is_bounded() -> None:
    conflicts = Conflicts()
    for wave in range(5):
        now = NOW + wave * 2 * GRACE_NS
        for number in range(1000):
            claim(conflicts, now, mac=bytes([2, 0, 0, wave, *number.to_bytes(2, "big")]))
        conflicts.confirm(HELD, now + GRACE_NS)
        assert len(conflicts.all()) <= MOST_CONFLICTS
        assert conflicts.total <= (wave + 1) * MOST_CONFLICTS
    # Those heard last are the ones that are told.
    assert {each.mac.split(":")[3] for each in conflicts.all()} == {"04"}
