"""From pools to the wanted table."""

from collections.abc import Callable
from typing import Any

import pytest

from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig, Way
from mooring_node.balance.desired import changed, desired, destinations, following, keys, service
from mooring_node.ipvs.table import (
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
)

Make = Callable[..., ServerConfig]
ONE, TWO, SORRY = (DestinationKey(f"10.0.0.{number}", 80) for number in (1, 2, 9))


def weights(pool: Any) -> dict[str, int]:
    return {key.address[-1]: each.weight for key, each in destinations(pool).items()}


def test_each_address_of_the_family_is_a_service_with_the_same_backends(course: Any, server_of: Make) -> None:
    config = server_of(2, addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1"))
    table = desired([course(config).pool, course(config, 6).pool], {})
    assert set(table) == {
        ServiceKey(4, 6, "192.0.2.1", 80),
        ServiceKey(4, 6, "192.0.2.2", 80),
        ServiceKey(6, 6, "2001:db8::1", 80),
    }
    four = table[ServiceKey(4, 6, "192.0.2.1", 80)]
    assert four == table[ServiceKey(4, 6, "192.0.2.2", 80)]
    assert four.destinations == {ONE: Destination(1), TWO: Destination(1)}
    assert table[ServiceKey(6, 6, "2001:db8::1", 80)].destinations == {}


def test_a_mark_is_one_service_the_users_own_or_the_one_that_leaves_others_out(server_of: Make) -> None:
    own = server_of(addresses=(), port=0, mark=7, families=(4, 6))
    assert keys(own, 6, {}) == (ServiceKey(6, mark=7),)
    allotted = server_of(addresses=("192.0.2.1", "192.0.2.2", "2001:db8::1"))
    assert keys(allotted, 4, {("web", 4): 0x80000001}) == (ServiceKey(4, mark=0x80000001),)
    assert keys(allotted, 6, {("web", 4): 0x80000001}) == (ServiceKey(6, 6, "2001:db8::1", 80),)


def test_who_drains_keeps_its_place_whatever_its_checks_say_and_whoever_answers(course: Any, server_of: Make) -> None:
    zero = (BackendConfig("10.0.0.1", 80, weight=0), BackendConfig("10.0.0.2", 80))
    pool = course(server_of(2, sorry=SorryConfig("10.0.0.9", 80)))
    pool.change(backends=zero)
    pool.down(1)
    assert weights(pool.pool) == {"1": 0, "2": 1}
    pool.down(2)
    assert weights(pool.pool) == {"1": 0, "9": 1}


def test_persistence_is_a_flag_a_time_and_a_prefix(server_of: Make) -> None:
    plain = server_of(scheduler="sh", flags=ServiceFlag.SCHEDULER_1)
    assert service(plain, 4) == Service("sh", ServiceFlag.SCHEDULER_1, netmask_bits=32)
    assert service(plain, 6).netmask_bits == 128
    sticky = server_of(persistence_timeout_s=50, persistence_bits_ipv4=24, persistence_bits_ipv6=64)
    assert service(sticky, 4) == Service("wlc", ServiceFlag.PERSISTENT, 50, 24)
    assert service(sticky, 6) == Service("wlc", ServiceFlag.PERSISTENT, 50, 64)
    calls = server_of(protocol=17, persistence_timeout_s=50, persistence_engine="sip")
    assert service(calls, 4) == Service("wlc", ServiceFlag.PERSISTENT, 50, 32, "sip")


def test_a_backend_goes_as_it_is_configured(course: Any, server_of: Make) -> None:
    way = Way(Method.TUNNEL, TunnelKind.GUE, 5555, TunnelFlag.CHECKSUM)
    pool = course(server_of(backends=(BackendConfig("10.0.0.1", 80, 3, 20, 10, way=way),)))
    assert destinations(pool.pool) == {
        ONE: Destination(3, Method.TUNNEL, 20, 10, TunnelKind.GUE, 5555, TunnelFlag.CHECKSUM)
    }


def test_who_is_down_is_out_or_inhibited_and_who_leaves_drains(course: Any, server_of: Make) -> None:
    backends = tuple(BackendConfig(f"10.0.0.{number}", 80, 5, inhibit=number == 2) for number in (1, 2, 3, 4))
    pool = course(server_of(backends=backends, drain_ns=9))
    pool.down(1)
    pool.down(2)
    assert weights(pool.pool) == {"2": 0, "3": 5, "4": 5}
    pool.change(backends=backends[:3])
    assert weights(pool.pool) == {"2": 0, "3": 5, "4": 0}


def test_the_sorry_server_takes_the_place_of_all_but_those_that_keep_connections(course: Any, server_of: Make) -> None:
    backends = tuple(BackendConfig(f"10.0.0.{number}", 80, inhibit=number == 2) for number in (1, 2, 3, 4))
    pool = course(server_of(backends=backends, quorum_up=3, drain_ns=9, sorry=SorryConfig("10.0.0.9", 80)))
    assert weights(pool.pool) == {"1": 1, "2": 1, "3": 1, "4": 1}
    pool.change(backends=backends[:3])
    pool.down(1)
    assert weights(pool.pool) == {"2": 0, "4": 0, "9": 1}
    pool.up(1)
    assert weights(pool.pool) == {"1": 1, "2": 1, "3": 1, "4": 0}


def test_a_sorry_server_that_is_a_backend_too_gets_connections_as_one(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, sorry=SorryConfig("10.0.0.1", 80), quorum_up=2))
    pool.down(1)
    assert weights(pool.pool) == {"1": 1}


def test_an_inhibited_sorry_server_keeps_its_connections(course: Any, server_of: Make) -> None:
    sorry = SorryConfig("10.0.0.9", 80, inhibit=True)
    pool = course(server_of(2, sorry=sorry, quorum_up=2))
    assert weights(pool.pool) == {"1": 1, "2": 1, "9": 0}
    pool.down(1)
    assert weights(pool.pool) == {"9": 1}
    pool.up(1)
    assert weights(pool.pool) == {"1": 1, "2": 1, "9": 0}
    pool.change(sorry=None)
    assert weights(pool.pool) == {"1": 1, "2": 1}


def test_an_inhibited_sorry_server_that_is_a_backend_too_is_one_with_a_quorum(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, sorry=SorryConfig("10.0.0.1", 80, inhibit=True)))
    assert weights(pool.pool) == {"1": 1, "2": 1}
    pool.down(1)
    assert weights(pool.pool) == {"1": 0, "2": 1}


def test_an_inhibited_sorry_server_of_the_other_family_stays_out(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, sorry=SorryConfig("2001:db8::9", 80, inhibit=True)))
    assert weights(pool.pool) == {"1": 1}


def test_when_all_fail_nobody_is_left_in_silence(course: Any, server_of: Make) -> None:
    pool = course(server_of(2))
    pool.down(1)
    pool.down(2)
    assert destinations(pool.pool) == {}


@pytest.mark.parametrize("again", [desired, lambda pools, marks, table: changed(table, pools, marks)])
def test_what_has_not_changed_is_the_same_object(course: Any, server_of: Make, again: Any) -> None:
    pools = [course(server_of(2, name=f"s{number}", port=number)) for number in range(5)]
    table = desired([each.pool for each in pools], {})
    pools[3].down(1)
    after = again([each.pool for each in pools], {}, table)
    assert after is not table
    assert [key.port for key in table if after[key] is not table[key]] == [3]


def test_while_nothing_new_may_be_set_the_kernel_s_destinations_follow_what_is_found(
    course: Any, server_of: Make
) -> None:
    pool = course(server_of(3))
    held = desired([pool.pool], {})
    (key,) = held
    pool.change(backends=(BackendConfig("10.0.0.1", 80), BackendConfig("10.0.0.2", 80), BackendConfig("10.0.0.4", 80)))
    before = desired([pool.pool], {})
    assert following(held, before, before) is held
    pool.down(1)
    pool.down(4)
    follows = following(held, before, desired([pool.pool], {}))
    # 10.0.0.3 is no longer listed and 10.0.0.4 is new: both wait.
    assert {each.address[-1] for each in follows[key].destinations} == {"2", "3"}
    pool.up(1)
    assert following(held, before, desired([pool.pool], {})) is held


def test_a_weight_is_followed_too_and_services_that_come_or_go_wait(course: Any, server_of: Make) -> None:
    backends = (BackendConfig("10.0.0.1", 80, weight=2, inhibit=True),)
    pool = course(server_of(backends=backends))
    other = course(server_of(1, name="other", port=81))
    held = desired([pool.pool], {})
    before = desired([pool.pool, other.pool], {})
    pool.down(1)
    follows = following(held, before, desired([pool.pool, other.pool], {}))
    ((_, one),) = follows.items()
    assert one.destinations == {ONE: Destination(0)}
    assert following(before, held, desired([pool.pool], {})).keys() == before.keys()
