"""Marks: stable, apart from each other and from everybody else's."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.balance.desired import keys
from mooring_node.forwarding.marks import KUBE_PROXY, marks

SERVER = ServerConfig(name="shop/web:80", addresses=("10.0.0.100",), port=80, other_directors=("02:00:00:00:00:01",))
names = st.lists(st.text("abcdef/:0123456789", min_size=1, max_size=12), unique=True, max_size=40)


def configuration(chosen: list[str]) -> BalanceConfig:
    return BalanceConfig(1, tuple(replace(SERVER, name=name, addresses=("10.0.0.1", "fd00::1")) for name in chosen))


@given(names)
def test_a_mark_is_of_one_server_and_family_and_of_nobody_else(chosen: list[str]) -> None:
    found = marks(configuration(chosen))
    assert set(found) == {(name, family) for name in chosen for family in (4, 6)}
    assert len(set(found.values())) == len(found)
    for mark in found.values():
        assert 0x8000_0000 <= mark <= 0xFFFF_FFFF
        assert not mark & KUBE_PROXY


@given(names)
def test_a_mark_stays_while_others_come_and_go(chosen: list[str]) -> None:
    before = marks(configuration(chosen))
    after = marks(configuration([*reversed(chosen), "another"]))
    assert {key: after[key] for key in before} == before


def test_a_mark_is_the_same_on_every_node_and_in_every_version() -> None:
    assert marks(BalanceConfig(1, (SERVER,)))["shop/web:80", 4] == 0xB80708BC


def test_only_servers_that_directors_share_have_one_and_a_users_mark_stays_his() -> None:
    plain = replace(SERVER, name="plain", other_directors=None)
    his = replace(SERVER, name="his", addresses=(), port=0, mark=7)
    assert not marks(BalanceConfig(1, (plain, his)))


@given(st.lists(st.integers(0, 255).map("02:00:00:00:00:{:02x}".format), unique=True).map(tuple))
def test_a_service_is_the_same_whether_this_node_is_a_backend_or_not(others: tuple[str, ...]) -> None:
    """Another one would know none of the connections, and none of those that another director tells of."""
    found = replace(SERVER, addresses=("10.0.0.1", "fd00::1"), other_directors=others)
    for family in (4, 6):
        assert keys(found, family, marks(BalanceConfig(1, (found,)))) == keys(
            replace(found, other_directors=()), family, marks(configuration([SERVER.name]))
        )
