"""Which running group goes on as which configured one."""

from dataclasses import replace

from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.matching import continued

FOUR = MemberConfig("web", "eth0", 4, 51, 3, (AddressConfig("10.0.0.100", 24, "eth0"),))
SIX = replace(FOUR, name="web-ipv6", family=6, addresses=(AddressConfig("2001:db8::10", 64, "eth0"),))
WEB = GroupConfig("web", (FOUR,))
OTHER = GroupConfig("other", (replace(FOUR, virtual_router_id=52),))


def test_the_same_groups_go_on_in_any_order() -> None:
    assert continued([WEB, OTHER], [OTHER, WEB]) == {"web": 0, "other": 1}


def test_names_and_order_of_members_are_nothing_to_the_wire() -> None:
    both = GroupConfig("web", (SIX, replace(FOUR, name="web-ipv4")))
    assert continued([WEB], [both]) == {"web": 0}
    assert continued([both], [replace(WEB, name="shop")]) == {"shop": 0}


def test_another_router_of_the_same_name_begins_anew() -> None:
    assert continued([WEB], [replace(OTHER, name="web")]) == {}


def test_one_that_swaps_names_with_another_goes_by_its_router() -> None:
    swapped = [replace(WEB, name="other"), replace(OTHER, name="web")]
    assert continued([WEB, OTHER], swapped) == {"other": 0, "web": 1}


def test_each_goes_on_once_and_the_same_name_comes_first() -> None:
    both = GroupConfig("web", (FOUR, SIX))
    parted = [GroupConfig("a", (FOUR,)), GroupConfig("web", (SIX,))]
    assert continued([both], parted) == {"web": 0}
