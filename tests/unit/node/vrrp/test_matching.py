"""Which running group goes on as which configured one."""

from dataclasses import replace

import pytest

from mooring_node.vrrp.config import AddressConfig, FormConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.matching import continued, members_continued, routers_of

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


# While a VRID changes.


def changing(group: GroupConfig, own: int, *accepted: int) -> GroupConfig:
    forms = tuple(FormConfig(vrid, 3, 10**9) for vrid in accepted)
    return replace(group, members=(replace(group.members[0], virtual_router_id=own, accepted=forms),))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (changing(WEB, 51), changing(WEB, 51, 61)),
        (changing(WEB, 51, 61), changing(WEB, 61, 51)),
        (changing(WEB, 61, 51), changing(WEB, 61)),
        (changing(WEB, 51, 61), changing(WEB, 61)),
        (changing(WEB, 51), changing(WEB, 61, 51)),
        (changing(WEB, 51, 61), changing(WEB, 71, 61)),
    ],
)
def test_a_group_goes_on_while_its_vrid_changes(before: GroupConfig, after: GroupConfig) -> None:
    for one, other in ((before, after), (after, before)):
        assert continued([one], [other]) == {"web": 0}
        assert continued([one], [replace(other, name="shop")]) == {"shop": 0}
        assert members_continued(one.members, other.members) == {"web": 0}


def test_who_sends_a_vrid_goes_on_before_who_accepts_it() -> None:
    running = changing(WEB, 51, 61)
    left, new = changing(WEB, 61), replace(changing(OTHER, 51), name="a")
    assert continued([running], [left, new]) == {"a": 0}
    assert continued([running, OTHER], [changing(WEB, 52, 51), changing(OTHER, 61)]) == {"web": 1, "other": 0}


def test_of_two_that_accept_it_the_one_of_the_same_name_goes_on() -> None:
    running = changing(WEB, 51, 61, 71)
    assert continued([running], [replace(changing(WEB, 71), name="a"), changing(WEB, 61)]) == {"web": 0}


def test_members_are_told_apart_by_their_family() -> None:
    six = replace(changing(WEB, 51).members[0], name="six", family=6)
    swapped = [replace(six, name="web"), replace(changing(WEB, 61, 51).members[0], name="six")]
    assert members_continued([changing(WEB, 51).members[0], six], swapped) == {"web": 1, "six": 0}


def test_a_member_is_heard_under_each_of_its_vrids() -> None:
    assert routers_of(changing(WEB, 51, 61, 61).members[0]) == {("eth0", 4, 51), ("eth0", 4, 61)}
