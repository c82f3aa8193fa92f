"""Routers whose VRID is nobody's here."""

from dataclasses import replace

from mooring_node.vrrp.foreign import LIMIT, ForeignRouter, ForeignRouters

ONE = ForeignRouter("eth0", 51, "10.0.0.9", 100, 2)


def test_a_router_is_new_once_and_its_last_word_counts() -> None:
    routers = ForeignRouters()
    assert routers.record(ONE)
    assert not routers.record(replace(ONE, priority=90))
    assert routers.all() == (replace(ONE, priority=90),)


def test_another_interface_vrid_or_source_is_another_router() -> None:
    routers = ForeignRouters()
    for each in (ONE, replace(ONE, interface="eth1"), replace(ONE, virtual_router_id=52), replace(ONE, source="x")):
        assert routers.record(each)
    assert len(routers.all()) == 4


def test_a_flood_pushes_out_the_least_recently_heard() -> None:
    routers = ForeignRouters()
    flood = [replace(ONE, source=f"10.0.1.{number}") for number in range(LIMIT)]
    for each in flood:
        routers.record(each)
    routers.record(flood[0])
    routers.record(replace(ONE, source="10.9.9.9"))
    assert len(routers.all()) == LIMIT
    assert flood[0] in routers.all()
    assert flood[1] not in routers.all()
