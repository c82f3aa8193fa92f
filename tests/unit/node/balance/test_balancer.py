"""All pools of a node, and what a successor knows of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.balance import balancer as balancer_module
from mooring_node.balance.balancer import Balancer, News
from mooring_node.balance.config import BackendConfig, BalanceConfig, ServerConfig
from mooring_node.balance.pools import MOST_DRAINING
from mooring_node.balance.results import Results
from mooring_node.balance.states import Finding
from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.ipvs.table import DestinationKey, ServiceKey
from mooring_node.units import SECOND_NS

Make = Callable[..., ServerConfig]
CHECK = CheckConfig(TCPProbe(), interval_ns=SECOND_NS, interval_down_ns=SECOND_NS, retries=0)
ONE, TWO = Target(CHECK, "10.0.0.1", 80), Target(CHECK, "10.0.0.2", 80)
GOOD, BAD = Finding(True), Finding(False, "refused")
WEB = ServiceKey(4, 6, "192.0.2.1", 80)


class Life:
    """A balancer and the results that it leaves."""

    def __init__(
        self, *servers: ServerConfig, left: dict[str, Any] | None = None, vouched: int = 0, now: int = 0
    ) -> None:
        self.results = left if left is not None else {}
        self.balancer = Balancer(dict(self.results), vouched)
        self.results.clear()
        self.happened: list[str] = []
        self.configure(*servers, now=now)

    def configure(self, *servers: ServerConfig, now: int = 0, **more: Any) -> None:
        more.setdefault("tracked", ("web", "shop/web"))
        self.balancer.configure(BalanceConfig(1, servers, **more), {}, now)
        self.take()

    def found(self, target: Target, finding: Finding, now: int = 0) -> None:
        self.balancer.found(target, finding, now)
        self.take()

    def take(self) -> News:
        news = self.balancer.take()
        self.results.update(news.learned)
        self.results = {key: value for key, value in self.results.items() if value is not None}
        self.happened += [str(each.event) for each in news.happenings]
        return news

    def weights(self, key: ServiceKey = WEB) -> dict[str, int]:
        return {
            each.address[-1]: destination.weight for each, destination in self.balancer.table[key].destinations.items()
        }

    def successor(self, *servers: ServerConfig, vouched: int = 0, now: int = 0) -> "Life":
        return Life(*servers, left=dict(self.results), vouched=vouched, now=now)


def test_a_target_of_two_servers_is_one_and_tells_both(server_of: Make) -> None:
    life = Life(server_of(1), server_of(2, name="other", port=81))
    assert set(life.balancer.targets()) == {ONE, TWO}
    life.found(ONE, BAD)
    assert life.weights() == {}
    assert life.weights(ServiceKey(4, 6, "192.0.2.1", 81)) == {"2": 1}


def test_a_target_that_cannot_be_checked_is_told_of_in_all_pools_and_changes_nothing(server_of: Make) -> None:
    life = Life(server_of(2), server_of(2, name="other", port=81))
    balancer = life.balancer
    before = balancer.table
    life.take()
    balancer.withheld(ONE, "its port is in use")
    assert balancer.news.pools == {("web", 4), ("other", 4)}
    assert balancer.unchecked(("web", 4)) == {DestinationKey("10.0.0.1", 80): "its port is in use"}
    assert (balancer.table, balancer.known) == (before, {})
    balancer.withheld(ONE, "")
    assert balancer.unchecked(("other", 4)) == {}
    balancer.withheld(TWO, "its port is in use")
    life.configure(server_of(1))
    life.configure(server_of(2))
    assert balancer.unchecked(("web", 4)) == {}


def test_a_server_that_comes_later_knows_what_is_known_of_its_targets(server_of: Make) -> None:
    life = Life(server_of(2))
    life.found(ONE, BAD)
    life.configure(server_of(2), server_of(2, name="other", port=81))
    assert life.weights(ServiceKey(4, 6, "192.0.2.1", 81)) == {"2": 1}


def test_of_what_nobody_asks_for_nothing_is_kept(server_of: Make) -> None:
    life = Life(server_of(2, drain_ns=9))
    life.found(ONE, GOOD)
    life.found(TWO, BAD)
    life.configure(server_of(1, drain_ns=9))
    assert set(life.balancer.known) == {ONE}
    life.configure()
    assert (life.balancer.table, life.balancer.known, life.results) == ({}, {}, {})
    assert life.balancer.deadline_ns is None
    life.configure(server_of(2))
    assert life.weights() == {"1": 1, "2": 1}


def test_what_is_unchanged_is_the_same_object(server_of: Make) -> None:
    servers = [server_of(2, name=f"s{number}", port=number) for number in range(1, 5)]
    life = Life(*servers)
    pools, table = dict(life.balancer.pools), life.balancer.table
    servers[2] = replace(servers[2], scheduler="rr")
    life.configure(*servers)
    assert [key for key, pool in pools.items() if life.balancer.pools[key] is not pool] == [("s3", 4)]
    assert [key.port for key in table if life.balancer.table[key] is not table[key]] == [3]


@pytest.mark.parametrize(
    "poison",
    [
        {"addresses": ("banana",)},
        {"backends": (BackendConfig("10.0.0.1", 70000),)},
        {"backends": (BackendConfig("", 80),)},
        {"checks": None},
        {"backends": 7},
    ],
)
def test_a_poisonous_server_stays_as_it_was_and_all_others_go_on(server_of: Make, poison: dict[str, Any]) -> None:
    life = Life(server_of(2), server_of(2, name="other", port=81))
    life.found(ONE, BAD)
    life.configure(replace(server_of(2), **poison), server_of(1, name="other", port=81))
    assert list(life.balancer.refused) == ["web"]
    assert life.weights() == {"2": 1}
    assert life.weights(ServiceKey(4, 6, "192.0.2.1", 81)) == {}
    life.found(ONE, GOOD)
    assert life.weights() == {"1": 1, "2": 1}
    life.configure(replace(server_of(2), name="new", port=99, **poison))
    assert list(life.balancer.refused) == ["new"]
    assert life.balancer.table == {}


def test_what_drains_goes_in_its_time(server_of: Make) -> None:
    life = Life(server_of(2, drain_ns=100))
    life.configure(server_of(1, drain_ns=100), now=5)
    assert life.weights() == {"1": 1, "2": 0}
    assert life.balancer.deadline_ns == 105
    life.balancer.pass_time(104)
    assert life.take().pools == set()
    life.balancer.pass_time(105)
    life.take()
    assert life.weights() == {"1": 1}
    assert life.balancer.deadline_ns is None


def test_nothing_is_known_of_those_that_drained_of_a_server_that_is_gone(server_of: Make) -> None:
    life = Life(server_of(3, drain_ns=100))
    life.configure(server_of(1, drain_ns=100), now=5)
    assert len([key for key in life.results if key.startswith("draining")]) == 2
    life.configure(server_of(2, drain_ns=100), now=6)
    assert len([key for key in life.results if key.startswith("draining")]) == 1
    life.configure()
    assert life.results == {}


def numbered(*numbers: int) -> tuple[BackendConfig, ...]:
    return tuple(BackendConfig(f"10.0.{number // 250}.{number % 250}", 80) for number in numbers)


def test_a_service_whose_pods_are_replaced_again_and_again_drains_no_more_than_may_be_listed(server_of: Make) -> None:
    shed: dict[str, int] = {}
    life = Life(server_of(backends=numbered(*range(1000)), drain_ns=86400 * SECOND_NS))
    for now in range(1, 5):
        server = server_of(backends=numbered(*range(1000 * now, 1000 * now + 1000)), drain_ns=86400 * SECOND_NS)
        life.balancer.configure(BalanceConfig(1, (server,)), {}, now * SECOND_NS)
        for name, count in life.take().shed.items():
            shed[name] = shed.get(name, 0) + count
    assert shed == {"web": 4 * 1000 - MOST_DRAINING}
    assert len(life.balancer.table[WEB].destinations) == 1000 + MOST_DRAINING
    assert len([key for key in life.results if key.startswith("draining")]) == MOST_DRAINING
    after = life.successor(server, now=9 * SECOND_NS)
    assert after.balancer.table == life.balancer.table
    assert after.balancer.take().shed == {}


def test_one_replaced_pod_of_many_is_a_few_lines_of_the_journal(server_of: Make, tmp_path: Path) -> None:
    checks = (("tcp", CHECK),)
    life = Life(server_of(backends=numbered(*range(1000)), drain_ns=600 * SECOND_NS, checks=checks))
    journal = Results(tmp_path / "results")
    journal.begin(life.results)
    for number in range(30):
        # One that was checked.
        life.balancer.found(Target(CHECK, f"10.0.{number // 250}.{number % 250}", 80), GOOD, number)
        life.take()
        before = (tmp_path / "results").stat().st_size
        server = server_of(backends=numbered(*range(number + 1, number + 1001)), drain_ns=600 * SECOND_NS)
        life.balancer.configure(BalanceConfig(1, (server,)), {}, number * SECOND_NS // 10)
        learned = life.take().learned
        assert len(learned) < 8
        for key, value in learned.items():
            journal.put(key, value)
        journal.flush()
        assert (tmp_path / "results").stat().st_size - before < 300
    assert len(life.balancer.pools[("web", 4)].leaving) == 30
    left = dict(Results(tmp_path / "results").read())
    assert Life(server, left=left, now=number * SECOND_NS).balancer.table == life.balancer.table


@pytest.mark.parametrize(
    ("listed", "drain"), [({"a": 5, "b": 4, "c": 2}, {"a": 4, "b": 4, "c": 2}), ({"a": 11}, {"a": 10}), ({}, {})]
)
def test_of_a_node_s_room_for_what_drains_those_have_a_part_who_need_little(
    server_of: Make, monkeypatch: pytest.MonkeyPatch, listed: dict[str, int], drain: dict[str, int]
) -> None:
    monkeypatch.setattr(balancer_module, "MOST_DRAINING_OF_ALL", 10)
    servers = [server_of(count, name=name, port=ord(name), drain_ns=100) for name, count in listed.items()]
    life = Life(*servers)
    for gone in servers:
        servers = [replace(each, backends=()) if each.name == gone.name else each for each in servers]
        life.balancer.configure(BalanceConfig(1, tuple(servers)), {}, 5)
    news = life.take()
    assert {key[0]: len(pool.leaving) for key, pool in life.balancer.pools.items()} == drain
    assert news.shed == {name: count - drain[name] for name, count in listed.items() if count > drain[name]}
    assert len([key for key in life.results if key.startswith("draining")]) == sum(drain.values())
    assert {key.port: len(each.destinations) for key, each in life.balancer.table.items()} == {
        ord(name): count for name, count in drain.items()
    }


@given(st.lists(st.integers(0, 20)), st.integers(0, 60))
def test_shares_fill_the_room_and_no_more(wanted: list[int], most: int) -> None:
    share = balancer_module._share(wanted, most)
    assert sum(min(each, share) for each in wanted) <= most
    if sum(wanted) > most:
        assert sum(min(each, share + 1) for each in wanted) > most
    else:
        assert share == max(wanted, default=0)


# Who is tracked.


def test_a_name_is_a_server_s_or_that_of_all_servers_of_a_virtual_server(server_of: Make) -> None:
    life = Life(server_of(1), server_of(2, name="other", port=81, quorum_up=2))
    assert life.balancer.tracked(frozenset(), {}, 0) == {"web": True, "shop/web": True}
    life.found(TWO, BAD)
    assert life.balancer.tracked(frozenset(), {}, 0) == {"web": True, "shop/web": False}
    life.configure(server_of(1), tracked=("nobody",))
    assert life.balancer.tracked(frozenset(), {}, 0) == {}


def test_what_the_kernel_lacks_is_told_in_words_whatever_its_backends_do(server_of: Make) -> None:
    life = Life(server_of(1), server_of(2, name="other", port=81))
    words = "the kernel cannot balance it (ip_vs is missing)"
    assert life.balancer.tracked(frozenset(), {"other": "ip_vs is missing"}, 0) == {"web": True, "shop/web": words}


def test_a_server_that_could_not_be_taken_up_has_no_quorum(server_of: Make) -> None:
    life = Life(server_of(1, addresses=("banana",)))
    assert life.balancer.tracked(frozenset(), {}, 0) == {"web": False, "shop/web": False}


# Who checks.


def test_while_the_node_holds_none_of_its_addresses_a_server_may_rest(server_of: Make) -> None:
    rests = server_of(2, checks_on_holder=True)
    life = Life(rests)
    assert life.balancer.resting(frozenset()) == {ONE, TWO}
    assert life.balancer.resting(frozenset({"192.0.2.1"})) == frozenset()
    life.configure(rests, server_of(1, name="other", port=81))
    assert life.balancer.resting(frozenset()) == {TWO}
    life.configure(replace(rests, addresses=(), port=0, mark=5))
    assert life.balancer.resting(frozenset()) == frozenset()


# Successors.


def test_a_successor_begins_where_its_predecessor_ended_and_tells_nothing_twice(server_of: Make) -> None:
    config = server_of(3, quorum_up=2, quorum_hysteresis=1)
    life = Life(config)
    life.found(ONE, BAD)
    assert life.happened == ["QuorumUp", "BackendDown"]
    after = life.successor(config)
    assert after.weights() == {"2": 1, "3": 1}
    assert after.balancer.pools[("web", 4)].quorum
    assert after.happened == []
    assert not after.balancer.starts_up(ONE)
    assert after.balancer.starts_up(TWO)
    after.found(ONE, GOOD)
    assert after.happened == ["BackendUp"]
    # A third knows what the second had not checked yet.
    assert life.successor(config).successor(config).weights() == {"2": 1, "3": 1}


def test_another_check_begins_anew(server_of: Make) -> None:
    life = Life(server_of(1))
    life.found(ONE, BAD)
    other = replace(CHECK, timeout_ns=1)
    assert life.successor(server_of(1, checks=(("tcp", other),))).weights() == {"1": 1}


def test_who_drained_goes_on_until_the_same_time(server_of: Make) -> None:
    life = Life(server_of(2, drain_ns=100))
    life.configure(server_of(1, drain_ns=100), now=5)
    after = life.successor(server_of(1, drain_ns=100), now=50)
    assert after.weights() == {"1": 1, "2": 0}
    assert after.balancer.deadline_ns == 105
    late = life.successor(server_of(1, drain_ns=100), now=300)
    late.balancer.pass_time(300)
    late.take()
    assert late.weights() == {"1": 1}


def test_who_drained_though_its_port_was_closed_drains_on_in_a_successor(server_of: Make) -> None:
    zero = (BackendConfig("10.0.0.1", 80), BackendConfig("10.0.0.2", 80, weight=0))
    life = Life(server_of(2, drain_ns=100))
    life.configure(server_of(backends=zero, drain_ns=100), now=5)
    life.balancer.found(Target(CHECK, "10.0.0.2", 80), Finding(False, "refused"), 6)
    assert life.weights() == {"1": 1, "2": 0}
    after = life.successor(server_of(backends=zero, drain_ns=100), now=20)
    assert after.weights() == {"1": 1, "2": 0}
    after.configure(server_of(1, drain_ns=100), now=30)
    late = after.successor(server_of(1, drain_ns=100), now=50)
    late.configure(server_of(1, drain_ns=90), now=60)
    assert late.weights() == {"1": 1, "2": 0}


def test_results_hold_for_three_intervals_and_then_nothing_is_said_of_them(server_of: Make) -> None:
    life = Life(server_of(2))
    life.found(ONE, GOOD)
    life.found(TWO, GOOD)
    end = 50 * SECOND_NS
    after = life.successor(server_of(2), vouched=end, now=end + SECOND_NS)
    until = end + 3 * SECOND_NS
    both = {"web": True, "shop/web": True}
    assert after.balancer.tracked(frozenset(), {}, until - 1) == both
    assert after.balancer.tracked(frozenset(), {}, until) == {}
    # The table waits for the checks; what rests is known as well as it can be.
    assert after.weights() == {"1": 1, "2": 1}
    assert after.balancer.tracked(frozenset({ONE, TWO}), {}, until) == both
    after.found(ONE, GOOD)
    assert after.balancer.tracked(frozenset(), {}, until) == {}
    # A successor's successor is as unsure of what neither has checked.
    third = after.successor(server_of(2), vouched=until + SECOND_NS, now=until + SECOND_NS)
    assert third.balancer.tracked(frozenset(), {}, until + SECOND_NS) == {}
    third.found(TWO, GOOD)
    assert third.balancer.tracked(frozenset(), {}, until + SECOND_NS) == both


@pytest.mark.parametrize(
    "spoilt", [7, "x", {}, {"finding": 7}, {"finding": {"good": "x"}}, {"backends": [[]]}, [1], [{}, True, 1, 2]]
)
def test_spoilt_results_are_none(server_of: Make, spoilt: Any) -> None:
    life = Life(server_of(2, drain_ns=100))
    life.found(ONE, BAD)
    life.configure(server_of(1, drain_ns=100), now=5)
    left = dict.fromkeys(life.results, spoilt)
    left |= {"draining": [], "draining x": [], "draining web 4": {"backends": []}, "draining web x 10.0.0.9 80": []}
    assert Life(server_of(1, drain_ns=100), left=left).weights() == {"1": 1}
