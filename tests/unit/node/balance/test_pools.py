"""The rules of a pool, one by one, and invariants along random ways through it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring_api.node_server import MAX_BACKENDS
from mooring_node.balance import pools
from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig, Way
from mooring_node.balance.listing import families, listed, targets
from mooring_node.balance.pools import MOST_DRAINING, step
from mooring_node.balance.states import Configured, Crowded, Ended, Finding, Found, Passed, Pool, State
from mooring_node.checks.config import CheckConfig, PingProbe, ScriptProbe, Target, TCPProbe
from mooring_node.ipvs.table import DestinationKey, Method

Make = Callable[..., ServerConfig]
CHECK = CheckConfig(TCPProbe(), interval_ns=10**9, interval_down_ns=10**9, retries=0)
PING = CheckConfig(PingProbe())


# Up and down.


def test_backends_count_as_up_until_a_check_says_otherwise(course: Any, server_of: Make) -> None:
    pool = course(server_of(2))
    assert pool.states() == {"1": "Up", "2": "Up"}
    assert pool.told() == ["QuorumUp"]
    pool.up(1)
    pool.down(2)
    assert pool.states() == {"1": "Up", "2": "Down"}
    assert pool.told() == ["BackendDown 2"]
    assert pool.pool.backends[DestinationKey("10.0.0.2", 80)].reason == "tcp: refused"


def test_where_they_start_as_down_each_check_must_have_been_good_once(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, starts_down=True, checks=(("tcp", CHECK), ("ping", PING))))
    assert pool.states() == {"1": "Down"}
    assert pool.told() == []
    pool.up(1)
    assert pool.states() == {"1": "Down"}
    pool.up(1, check=PING)
    assert pool.told() == ["BackendUp 1", "QuorumUp"]


def test_a_backend_is_up_while_all_its_checks_are_good(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, checks=(("tcp", CHECK), ("ping", PING))))
    pool.up(1)
    pool.up(1, check=PING)
    pool.told()
    pool.down(1)
    pool.down(1, check=PING)
    pool.up(1)
    assert pool.told() == ["BackendDown 1", "QuorumDown"]
    pool.up(1, check=PING)
    assert pool.told() == ["BackendUp 1", "QuorumUp"]


def test_without_checks_it_is_always_up(course: Any, server_of: Make) -> None:
    assert course(server_of(1, checks=(), starts_down=True)).states() == {"1": "Up"}


def test_the_time_since_when_is_that_of_the_change_and_the_reason_is_the_last(course: Any, server_of: Make) -> None:
    pool = course(server_of(1))
    one = DestinationKey("10.0.0.1", 80)
    pool.down(1, "refused")
    since = pool.pool.backends[one].since_ns
    assert since == pool.now
    pool.down(1, "timeout")
    assert pool.pool.backends[one].since_ns == since
    assert pool.pool.backends[one].reason == "tcp: timeout"
    assert pool.told() == ["QuorumUp", "BackendDown 1", "QuorumDown"]


def test_two_checks_of_the_same_kind_under_two_names_are_one_target(course: Any, server_of: Make) -> None:
    config = server_of(1, checks=(("a", CHECK), ("b", CHECK)))
    assert len(set(targets(config))) == 1
    pool = course(config)
    pool.down(1)
    assert pool.pool.backends[DestinationKey("10.0.0.1", 80)].reason == "a: refused; b: refused"
    pool.up(1)
    assert pool.states() == {"1": "Up"}


def test_what_is_said_of_others_changes_nothing(course: Any, server_of: Make) -> None:
    pool = course(server_of(1))
    before = pool.pool
    pool.down(7)
    pool.feed(Found(PING, DestinationKey("10.0.0.1", 80), Finding(False)))
    assert pool.pool is before


# Weights and quorum.


def test_the_quorum_is_gained_at_up_plus_hysteresis_and_lost_below_up_minus_hysteresis(
    course: Any, server_of: Make
) -> None:
    pool = course(server_of(5, quorum_up=3, quorum_hysteresis=1, starts_down=True))
    lost_and_gained = []
    for number in (1, 2, 3):
        pool.up(number)
    lost_and_gained.append(pool.pool.quorum)
    pool.up(4)
    lost_and_gained.append(pool.pool.quorum)
    pool.down(1)
    pool.down(2)
    lost_and_gained.append(pool.pool.quorum)
    pool.down(3)
    lost_and_gained.append(pool.pool.quorum)
    pool.up(3)
    pool.up(2)
    lost_and_gained.append(pool.pool.quorum)
    pool.up(1)
    lost_and_gained.append(pool.pool.quorum)
    assert lost_and_gained == [False, True, True, False, False, True]


def test_weights_count_for_the_quorum_and_zero_drains(course: Any, server_of: Make) -> None:
    backends = (BackendConfig("10.0.0.1", 80, weight=3), BackendConfig("10.0.0.2", 80, weight=0))
    pool = course(server_of(backends=backends, quorum_up=4))
    assert pool.pool.weight == 3
    assert not pool.pool.quorum
    assert pool.states() == {"1": "Up", "2": "Draining"}


def test_a_script_says_the_weight_the_smallest_of_several_counts_and_a_configured_zero_stays(
    course: Any, server_of: Make
) -> None:
    one, two = CheckConfig(ScriptProbe("a", (), True)), CheckConfig(ScriptProbe("b", (), True))
    pool = course(server_of(1, checks=(("a", one), ("b", two))))
    pool.up(1, weight=40, check=one)
    assert pool.pool.weight == 40
    pool.up(1, weight=7, check=two)
    assert pool.pool.weight == 7
    pool.up(1, check=two)
    assert pool.pool.weight == 40
    pool.change(backends=(BackendConfig("10.0.0.1", 80, weight=0),))
    assert pool.pool.weight == 0
    assert pool.told() == ["QuorumUp", "QuorumDown"]


def test_a_pool_of_nobody_has_no_quorum_and_no_loss_is_told(course: Any, server_of: Make) -> None:
    pool = course(server_of(0))
    assert not pool.pool.quorum
    assert pool.told() == []


def test_the_sorry_server_answers_without_a_quorum_if_it_is_of_this_family(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, sorry=SorryConfig("10.0.0.9", 80)))
    assert pool.pool.sorry is None
    pool.down(1)
    assert pool.pool.sorry == SorryConfig("10.0.0.9", 80)
    assert course(server_of(0, sorry=SorryConfig("2001:db8::9", 80))).pool.sorry is None


# The list changes.


def test_one_that_leaves_drains_and_then_goes(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, drain_ns=100))
    pool.told()
    pool.change(backends=server_of(1).backends)
    until = pool.now + 100
    assert pool.states() == {"1": "Up", "2": "Draining"}
    assert pool.pool.deadline_ns == until
    assert pool.told() == []
    pool.now = until - 2
    pool.feed(Passed())
    assert pool.states() == {"1": "Up", "2": "Draining"}
    pool.feed(Passed())
    assert pool.states() == {"1": "Up"}
    assert pool.pool.deadline_ns is None


def test_one_that_comes_back_meanwhile_is_as_it_was(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, drain_ns=100, starts_down=True))
    pool.up(1)
    pool.up(2)
    pool.told()
    pool.change(backends=server_of(1).backends)
    pool.down(2)
    assert pool.states() == {"1": "Up", "2": "Draining"}
    pool.change(backends=server_of(2).backends)
    assert pool.states() == {"1": "Up", "2": "Up"}
    assert pool.pool.deadline_ns is None
    assert pool.told() == []


def test_a_quorum_is_lost_with_those_that_leave(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, drain_ns=100))
    pool.told()
    pool.change(backends=())
    assert pool.told() == ["QuorumDown"]
    assert pool.states() == {"1": "Draining"}


@pytest.mark.parametrize(
    ("drain_ns", "inhibit", "left"), [(100, False, {}), (100, True, {"1": "Draining"}), (0, True, {}), (0, False, {})]
)
def test_one_that_is_down_has_nothing_to_drain_unless_it_is_inhibited(
    course: Any, server_of: Make, drain_ns: int, inhibit: bool, left: dict[str, str]
) -> None:
    pool = course(server_of(backends=(BackendConfig("10.0.0.1", 80, inhibit=inhibit),), drain_ns=drain_ns))
    pool.down(1)
    pool.change(backends=())
    assert pool.states() == left


def test_without_a_time_to_drain_it_goes_at_once(course: Any, server_of: Make) -> None:
    pool = course(server_of(2))
    pool.change(backends=server_of(1).backends)
    assert pool.states() == {"1": "Up"}


def test_a_shorter_time_to_drain_holds_for_those_that_drain_already(course: Any, server_of: Make) -> None:
    pool = course(server_of(1, drain_ns=1000))
    pool.change(backends=())
    first = pool.pool.deadline_ns
    pool.change(drain_ns=2000)
    assert pool.pool.deadline_ns == first
    pool.change(drain_ns=10)
    assert pool.pool.deadline_ns == pool.now + 10
    pool.change(drain_ns=0)
    assert pool.states() == {}


def test_of_more_that_leave_than_may_drain_those_go_that_left_first(
    course: Any, server_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "MOST_DRAINING", 3)
    pool = course(server_of(6, drain_ns=1000))
    for first in (3, 5):
        pool.change(backends=server_of(6).backends[first - 1 :])
    assert pool.states() == {"5": "Up", "6": "Up", "2": "Draining", "3": "Draining", "4": "Draining"}
    assert pool.pool.shed == 1
    # From now on all have as long, and who left first still goes first.
    pool.change(drain_ns=10)
    pool.change(backends=())
    assert pool.states() == dict.fromkeys("456", "Draining")
    assert pool.pool.shed == 3
    assert pool.told() == ["QuorumUp", "QuorumDown"]


def test_where_the_node_has_no_room_fewer_drain_and_what_is_listed_stays(course: Any, server_of: Make) -> None:
    pool = course(server_of(6, drain_ns=100))
    pool.change(backends=server_of(5).backends)
    pool.change(backends=server_of(2).backends)
    pool.feed(Crowded(2))
    assert pool.states() == {"1": "Up", "2": "Up", "4": "Draining", "5": "Draining"}
    assert pool.pool.shed == 2
    before = pool.pool
    pool.feed(Crowded(2))
    assert pool.pool is before
    pool.feed(Crowded(0))
    assert pool.states() == {"1": "Up", "2": "Up"}
    assert pool.told() == ["QuorumUp"]


def test_as_many_may_drain_as_may_be_listed() -> None:
    assert MOST_DRAINING == MAX_BACKENDS


ZERO = (BackendConfig("10.0.0.1", 80, weight=0), BackendConfig("10.0.0.2", 80))


def test_one_that_terminates_drains_though_its_port_is_closed_and_nobody_is_told_of_a_failure(
    course: Any, server_of: Make
) -> None:
    pool = course(server_of(2, drain_ns=100))
    pool.up(1)
    pool.told()
    pool.change(backends=ZERO)
    since = pool.pool.backends[DestinationKey("10.0.0.1", 80)].since_ns
    pool.down(1)
    assert pool.states() == {"1": "Draining", "2": "Up"}
    assert pool.pool.backends[DestinationKey("10.0.0.1", 80)].reason == "tcp: refused"
    assert pool.pool.backends[DestinationKey("10.0.0.1", 80)].since_ns == since
    pool.change(backends=ZERO[1:])
    assert pool.states() == {"1": "Draining", "2": "Up"}
    assert pool.pool.deadline_ns == pool.now + 100
    assert pool.told() == []
    pool.now += 100
    pool.feed(Passed())
    assert pool.states() == {"2": "Up"}


def test_one_whose_weight_and_port_go_at_once_drains(server_of: Make) -> None:
    config = server_of(2)
    pool, _ = step(Pool(config, 4), Configured(config), 5)
    known = {Target(CHECK, "10.0.0.1", 80): Finding(False, "refused")}
    pool, happenings = step(pool, Configured(replace(config, backends=ZERO), known), 6)
    assert pool.backends[DestinationKey("10.0.0.1", 80)].state is State.DRAINING
    assert happenings == ()


def test_one_that_was_down_before_it_began_to_drain_stays_out_until_it_is_up(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, drain_ns=100))
    pool.down(1)
    pool.told()
    pool.change(backends=ZERO)
    assert pool.states() == {"1": "Down", "2": "Up"}
    pool.up(1)
    pool.down(1)
    assert pool.states() == {"1": "Draining", "2": "Up"}
    assert pool.told() == ["BackendUp 1"]


def test_one_that_drained_and_gets_weight_again_is_what_its_checks_say(course: Any, server_of: Make) -> None:
    pool = course(server_of(2))
    pool.change(backends=ZERO)
    pool.down(1)
    pool.told()
    pool.change(backends=server_of(2).backends)
    assert pool.states() == {"1": "Down", "2": "Up"}
    assert pool.told() == ["BackendDown 1"]


def test_a_new_one_of_weight_zero_may_have_connections(course: Any, server_of: Make) -> None:
    """A predecessor may have balanced to it."""
    pool = course(server_of(backends=ZERO, starts_down=True))
    assert pool.states() == {"1": "Draining", "2": "Down"}
    pool.down(1)
    assert pool.states() == {"1": "Draining", "2": "Down"}
    pool.change(backends=ZERO[1:], drain_ns=100)
    assert pool.states() == {"1": "Draining", "2": "Down"}


def test_a_check_that_stays_keeps_its_word_and_a_new_one_changes_nothing_by_itself(
    course: Any, server_of: Make
) -> None:
    pool = course(server_of(2))
    pool.down(1)
    pool.up(2)
    pool.told()
    pool.change(checks=(("renamed", CHECK), ("ping", PING)))
    assert pool.states() == {"1": "Down", "2": "Up"}
    pool.change(checks=(("ping", PING),))
    assert pool.states() == {"1": "Down", "2": "Up"}
    pool.up(1, check=PING)
    assert pool.told() == ["BackendUp 1"]
    pool.down(1, check=PING)
    pool.change(checks=())
    assert pool.told() == ["BackendDown 1", "BackendUp 1"]


def test_what_is_known_of_a_target_already_counts_at_once(server_of: Make) -> None:
    config = server_of(2)
    known = {Target(CHECK, "10.0.0.1", 80): Finding(False, "refused")}
    pool, happenings = step(Pool(config, 4), Configured(config, known), 5)
    assert [str(each.state) for each in pool.backends.values()] == ["Down", "Up"]
    assert [each.event for each in happenings] == ["QuorumUp"]


# Families.


def test_each_family_has_its_pool_and_a_tunnel_reaches_the_other(server_of: Make) -> None:
    tunnel = Way(Method.TUNNEL)
    backends = (
        BackendConfig("10.0.0.1", 80),
        BackendConfig("2001:db8::1", 80),
        BackendConfig("2001:db8::2", 80, way=tunnel),
    )
    both = server_of(backends=backends, addresses=("192.0.2.1", "2001:db8::100"))
    assert families(both) == (4, 6)
    assert [each.address for each in listed(both, 4)] == ["10.0.0.1"]
    assert [each.address for each in listed(both, 6)] == ["2001:db8::1", "2001:db8::2"]
    four = server_of(backends=backends)
    assert [each.address for each in listed(four, 4)] == ["10.0.0.1", "2001:db8::2"]
    assert {each.address for each in targets(four)} == {"10.0.0.1", "2001:db8::2"}
    assert families(server_of(addresses=(), mark=3, families=(6,))) == (6,)


# The end.


def test_the_end_is_told_where_it_is_asked_for(course: Any, server_of: Make) -> None:
    quiet, loud = course(server_of(2)), course(server_of(3, notify_at_end=True, drain_ns=5))
    loud.down(1)
    loud.change(backends=server_of(2).backends)
    for pool in (quiet, loud):
        pool.told()
        pool.feed(Ended())
    assert quiet.told() == []
    assert loud.told() == ["BackendDown 2", "QuorumDown"]


# Random ways.

_configs = st.builds(
    ServerConfig,
    name=st.just("web"),
    addresses=st.just(("192.0.2.1",)),
    port=st.just(80),
    backends=st.lists(
        st.builds(
            BackendConfig,
            address=st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            port=st.just(80),
            weight=st.integers(0, 3),
            inhibit=st.booleans(),
        ),
        max_size=3,
        unique_by=lambda backend: backend.address,
    ).map(tuple),
    sorry=st.sampled_from([None, SorryConfig("10.0.0.9", 80), SorryConfig("10.0.0.1", 80)]),
    quorum_up=st.integers(1, 4),
    quorum_hysteresis=st.integers(0, 1),
    checks=st.sampled_from([(), (("tcp", CHECK),), (("tcp", CHECK), ("ping", PING))]),
    starts_down=st.booleans(),
    notify_at_end=st.booleans(),
    drain_ns=st.sampled_from([0, 3, 10]),
)
_events = st.one_of(
    st.builds(Configured, config=_configs),
    st.builds(
        Found,
        check=st.sampled_from([CHECK, PING]),
        backend=st.builds(DestinationKey, st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.4"]), st.just(80)),
        finding=st.builds(Finding, good=st.booleans(), weight=st.sampled_from([None, None, 0, 5])),
    ),
    st.just(Passed()),
    st.builds(Crowded, st.integers(0, 2)),
    st.just(Ended()),
)


@settings(deadline=None)
@given(_configs, st.lists(st.tuples(_events, st.integers(0, 5)), max_size=30))
def test_on_every_way_what_is_told_is_what_is(config: ServerConfig, way: list[tuple[Any, int]]) -> None:
    pool, now, ups, quorum = Pool(config, 4), 0, dict[DestinationKey, bool](), False
    for event, pause in [(Configured(config), 0), *way]:
        now += pause
        before = pool
        pool, happenings = step(pool, event, now)
        here = {key: each for key, each in pool.backends.items() if each.leaves_ns is None}
        if isinstance(event, Ended):
            assert pool is before
            continue
        # Who follows the happenings knows who is up, but for those that came without a word.
        for each in happenings:
            if each.backend is None:
                quorum = each.event == "QuorumUp"
            else:
                assert ups.get(each.backend) is not (each.event == "BackendUp")
                ups[each.backend] = each.event == "BackendUp"
        assert quorum is pool.quorum
        ups = {key: ups.get(key, not each.out) for key, each in here.items()}
        assert ups == {key: not each.out for key, each in here.items()}
        # Its sums are those of its backends.
        assert set(here) == set(listed(pool.config, 4))
        assert pool.weight == sum(each.weight for each in here.values() if each.up)
        hysteresis = pool.config.quorum_hysteresis
        needed = pool.config.quorum_up + (-hysteresis if before.quorum else hysteresis)
        assert pool.quorum is (pool.weight >= needed)
        # A backend with a bad finding is down, or drains; one whose checks have all spoken well is up.
        for key, one in here.items():
            if any(found is not None and not found.good for found in one.findings):
                assert one.state is (State.DRAINING if one.drains else State.DOWN)
                assert not one.up
            elif None not in one.findings:
                assert one.up
            assert not (one.drains and one.config.weight)
            was = before.backends.get(key) if isinstance(event, Found) else None
            assert one.drains or was is None or not was.drains
        # Who went before the time is counted.
        gone = before.leaving.keys() - pool.leaving.keys()
        assert pool.shed - before.shed == (len(gone) if isinstance(event, Crowded) else 0)
        assert not isinstance(event, Crowded) or len(pool.leaving) <= event.most
        # Nobody drains for ever, and nobody for longer than it was said last.
        for one in pool.backends.values():
            if one.leaves_ns is not None:
                assert not isinstance(event, Passed) or one.leaves_ns > now
                assert one.leaves_ns <= now + max(pool.config.drain_ns, 10)


@given(_configs, st.lists(_events, max_size=10))
def test_the_same_configuration_twice_changes_nothing(config: ServerConfig, way: list[Any]) -> None:
    pool, _ = step(Pool(config, 4), Configured(config), 0)
    for event in way:
        pool, _ = step(pool, event, 1)
    again, happenings = step(pool, Configured(pool.config), 1)
    assert again == pool
    assert happenings == ()


def test_a_pool_is_never_changed_in_place(course: Any, server_of: Make) -> None:
    pool = course(server_of(2, drain_ns=9))
    first = pool.pool
    copy = replace(first, backends=dict(first.backends))
    pool.down(1)
    pool.change(backends=())
    assert first == copy
