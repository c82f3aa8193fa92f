"""Routers whose VRID is nobody's here."""

from dataclasses import replace

from mooring_node.vrrp.config import MemberConfig
from mooring_node.vrrp.foreign import LIMIT, Astray, AstrayAdverts, ForeignRouter, ForeignRouters

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


MEMBER = MemberConfig(
    name="web", family=4, interface="eth0", virtual_router_id=6, version=3, addresses=(), peers=("10.0.0.28",)
)


def test_a_peer_with_another_id_is_told_with_who_expects_it() -> None:
    adverts = AstrayAdverts()
    adverts.expect([MEMBER, replace(MEMBER, name="db", virtual_router_id=8), replace(MEMBER, peers=None)])
    for now_ns in (5, 9):
        adverts.record("eth0", 7, "10.0.0.28", now_ns)
    adverts.record("eth1", 7, "10.0.0.28", 5)
    adverts.record("eth0", 7, "10.0.0.9", 5)
    assert adverts.all() == (Astray("eth0", 7, "10.0.0.28", ("web (6)", "db (8)"), 2, 9),)
    adverts.expect([MEMBER])
    assert adverts.all() == ()


def test_a_peer_that_sends_with_all_ids_is_bounded() -> None:
    adverts = AstrayAdverts()
    adverts.expect([MEMBER])
    for virtual_router_id in range(1, 256):
        adverts.record("eth0", virtual_router_id, "10.0.0.28", 5)
    assert len(adverts.all()) == LIMIT
