"""Faults: what is seen now, and what has to cool down first."""

from mooring_node.vrrp.faults import COOLING_NS, FaultReason, Faults

NOW = 10**12


def test_what_is_seen_goes_with_the_next_look() -> None:
    faults = Faults()
    assert faults.saw(frozenset({FaultReason.INTERFACE_DOWN}))
    assert not faults.saw(frozenset())
    assert faults.text() == "no fault any more"


def test_what_no_event_ends_cools_down() -> None:
    faults = Faults()
    faults.add(FaultReason.ADDRESS_LOST, "", NOW)
    faults.cool(NOW + COOLING_NS[FaultReason.ADDRESS_LOST] - 1)
    assert faults.saw(frozenset())
    faults.cool(NOW + COOLING_NS[FaultReason.ADDRESS_LOST])
    assert not faults.saw(frozenset())


def test_what_has_cooled_down_is_there_still_if_it_is_seen() -> None:
    faults = Faults()
    faults.add(FaultReason.ADDRESS_IN_USE, "10.0.0.100", NOW)
    faults.cool(NOW + COOLING_NS[FaultReason.ADDRESS_IN_USE])
    assert faults.saw(frozenset({FaultReason.ADDRESS_IN_USE}))
    assert not faults.saw(frozenset())


def test_each_reason_has_a_remedy_and_the_text_names_all() -> None:
    assert all(reason.remedy for reason in FaultReason)
    faults = Faults()
    faults.saw(frozenset({FaultReason.NO_PEERS, FaultReason.INTERFACE_DOWN}))
    assert faults.text() == "; ".join(
        f"{each}: {each.remedy}" for each in (FaultReason.INTERFACE_DOWN, FaultReason.NO_PEERS)
    )


def test_what_a_fault_is_about_is_told_also_while_it_cools_down() -> None:
    faults = Faults()
    faults.add(FaultReason.ADDRESS_IN_USE, "10.0.0.100", NOW)
    assert faults.saw(frozenset())
    assert faults.detail == "10.0.0.100"
    faults.saw(frozenset(), "10.0.0.100 on eth1", ([], ["shop/web: refused"]))
    assert faults.detail == "10.0.0.100 on eth1"
    assert faults.text().startswith("AddressInUse: 10.0.0.100 on eth1: ")
    assert faults.text().endswith("; Tracked: shop/web: refused")
    faults.cool(NOW + COOLING_NS[FaultReason.ADDRESS_IN_USE])
    faults.saw(frozenset())
    assert faults.detail == ""
