"""Which configuration runs by the VRRP process's own word, and what is tried again."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.judged import answered, judged
from tests.lines import Lines

from mooring_api.problems import Problem
from mooring_node.agent import configuration
from mooring_node.agent.balancing import PATIENCE_NS, Balancing
from mooring_node.agent.configuration import Origin, origin_of, written
from mooring_node.agent.running import MOST_LOGGED, RETRY_NS, Running
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.judge.messages import Judgement
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import Rtnetlink


class Bench:
    """Everything real but the VRRP process, which is the other end of a channel."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder)
        self.state.create()
        self.log = Lines()
        self.changes: list[bool] = []
        self.vrrp, self._agents = Channel.pair()
        self.checks, self._checks = Channel.pair()
        self._rtnetlink = Rtnetlink()
        self.running = self.again()

    def again(self, *, checks_only: bool = False) -> Running:
        """As after a restart of the agent."""
        self.balancing = Balancing(self._checks, self.log, self.changes.append)
        self.running = Running(
            self.state, self._agents, self.balancing, self._rtnetlink, self.log, checks_only=checks_only
        )
        return self.running

    def told(self) -> int:
        return len([message for message in self.vrrp.receive() if message == {"do": "configure"}])

    def take(self, *routers: int, generation: int = 1, **more: Any) -> int:
        """Have a configuration run; its number."""

        async def taking() -> None:
            self.take_now(*routers, generation=generation, **more)

        asyncio.run(taking())
        assert self.running.runtime is not None
        return self.running.runtime.generation

    def take_now(self, *routers: int, generation: int = 1, **more: Any) -> None:
        document = node_config(*routers, generation=generation, **more)
        question = self.running.question(written(document), "api", "NodeConfig lb-1")
        self.running.take(answered(question), origin_of(document))

    def close(self) -> None:
        self._rtnetlink.close()
        for channel in (self.vrrp, self._agents, self.checks, self._checks):
            channel.close()


def node_config(*routers: int, generation: int = 1, servers: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    # An interface of no machine: what a configuration needs of its interface would be set.
    instances = [
        {"name": f"web-{router}", "interface": "nowhere0", "virtualRouterID": router}
        | {"addresses": [{"address": f"10.9.0.{router}/24"}]}
        | more
        for router in routers
    ]
    metadata = {"name": "lb-1", "uid": "u1", "generation": generation}
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": metadata}
    return head | {"spec": {"instances": instances, "virtualServers": list(servers)}}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_what_was_read_is_observed_when_it_runs_with_nothing_beside_it(bench: Bench) -> None:
    number = bench.take(1, 2, generation=7)
    assert bench.told() == 1
    assert bench.running.observed is None
    assert not bench.running.settled
    assert not bench.running.configured(number - 1, 0)
    assert not bench.running.configured(number, 1)
    assert bench.running.settled
    assert bench.running.observed is None
    assert bench.running.configured(number, 0)
    assert bench.running.observed == Origin("u1", 7)
    assert not bench.running.configured(number, 0)


def test_until_the_next_one_runs_the_one_before_is_observed(bench: Bench) -> None:
    first = bench.take(1, generation=7)
    bench.running.configured(first, 0)
    second = bench.take(1, 2, generation=8)
    assert bench.running.observed == Origin("u1", 7)
    # It hands over what it lacks: so long the new one does not run as it says.
    assert not bench.running.configured(second, 1)
    assert bench.running.observed == Origin("u1", 7)
    assert bench.running.configured(second, 0)
    assert bench.running.observed == Origin("u1", 8)


def test_the_ledger_keeps_what_is_still_handed_over(bench: Bench) -> None:
    """At the longest interval that takes longer than the ledger waits by itself."""

    async def when_narrowed(number: int, leaving: int) -> int:
        """How many addresses it lists when its time has come."""
        bench.running.configured(number, leaving)
        bench.running._narrow_ledger()
        return len(bench.running.ledger.read().addresses)

    first = bench.take(1, 2)
    assert asyncio.run(when_narrowed(first, 0)) == 2
    second = bench.take(1)
    assert asyncio.run(when_narrowed(first, 0)) == 2, "nobody has said that it runs"
    assert asyncio.run(when_narrowed(second, 1)) == 2
    assert asyncio.run(when_narrowed(second, 0)) == 1


def test_a_generation_that_changes_nothing_here_is_observed_by_the_same_number(bench: Bench) -> None:
    number = bench.take(1, generation=7)
    bench.running.configured(number, 0)
    assert bench.take(1, generation=8) == number
    assert bench.running.observed == Origin("u1", 7)
    assert bench.running.configured(number, 0)
    assert bench.running.observed == Origin("u1", 8)


def test_a_vrrp_process_that_lost_it_takes_the_word_back(bench: Bench) -> None:
    number = bench.take(1, generation=7)
    bench.running.configured(number, 0)
    # Replaced, and the last good one could not be read.
    assert bench.running.configured(0, 0)
    assert bench.running.observed is None
    bench.told()
    bench.running.turn(now_ns())
    assert bench.told() == 0

    async def later() -> None:
        bench.running.turn(now_ns() + RETRY_NS + 1)

    asyncio.run(later())
    assert bench.told() == 1
    assert bench.running.configured(number, 0)


def test_a_restart_of_the_agent_knows_what_runs_by_the_note(bench: Bench) -> None:
    number = bench.take(1, generation=7)
    bench.again()

    async def start() -> None:
        assert bench.running.prepare_last_good() is not None
        bench.told()
        bench.running.run_last_good()

    asyncio.run(start())
    assert bench.told() == 1
    assert bench.running.configured(number, 0)
    assert bench.running.observed == Origin("u1", 7)


def test_killed_between_writing_and_telling_the_next_agent_tells(bench: Bench) -> None:
    bench.running.configured(bench.take(1, generation=7), 0)
    document = node_config(1, 2, generation=8)
    configuration.accept(judged(document), bench.state, origin_of(document))
    bench.again()
    # It runs the old one still, and nobody has told it otherwise.
    bench.running.configured(1, 0)
    number = bench.take(1, 2, generation=8)
    assert number == 2
    assert bench.running.observed is None
    bench.running.configured(number, 0)
    assert bench.running.observed == Origin("u1", 8)


def test_killed_between_the_configuration_and_its_note_nothing_is_claimed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(1, generation=7)
    with monkeypatch.context() as patched:
        patched.setattr(configuration, "_note_origin", lambda *_: None)
        number = bench.take(1, 2, generation=8)
    bench.again()

    async def start() -> None:
        bench.running.prepare_last_good()

    asyncio.run(start())
    bench.running.configured(number, 0)
    assert bench.running.observed is None


def test_with_nothing_to_run_nothing_is_waited_for(bench: Bench) -> None:
    assert bench.running.settled
    bench.running.run_last_good()
    assert bench.told() == 0


def test_a_flood_of_problems_is_no_flood_of_lines(bench: Bench) -> None:
    async def taking() -> None:
        bench.take_now(*range(1, 200), priority="banana")

    asyncio.run(taking())
    assert len(bench.log.lines) == MOST_LOGGED + 1
    assert bench.log.lines[-1] == f"error and {199 - MOST_LOGGED} more; `mooring-node status` shows them"


def test_a_warning_is_no_error(bench: Bench) -> None:
    bench.take(1, telepathy=True)
    assert bench.log.lines[0].startswith("warning NodeConfig lb-1: spec.instances[0].telepathy (instance web-1): ")


def test_a_file_of_which_nothing_can_be_used_is_not_said_to_run(bench: Bench) -> None:
    number = bench.take(1)
    bench.log.lines.clear()

    async def taking() -> None:
        bench.running.take(Judgement((Problem("node.yaml", "", "cannot be read: No such file"),)))

    asyncio.run(taking())
    assert bench.log.lines == [
        "error node.yaml: cannot be read: No such file",
        "warning nothing of it can be used: the last good configuration runs",
        f"info configuration {number}: 1 groups, 0 virtual servers, generation 1 of the API (the last good one)",
    ]


def test_lines_about_a_nodeconfig_have_its_own_name(bench: Bench) -> None:
    assert bench.log.configuration == bench.log.node
    bench.take(1)
    assert bench.log.configuration == "lb-1"
    assert bench.running._about("web").name == "lb-1"


SERVERS = [{"name": "web", "addresses": ["10.9.0.1"], "port": 80}]


def test_both_processes_confirm_what_is_observed(bench: Bench) -> None:
    number = bench.take(1, generation=7, servers=SERVERS)
    assert list(bench.checks.receive()) == [{"do": "configure"}]
    assert not bench.running.configured(number, 0)
    assert bench.running.observed is None
    assert not bench.running.settled
    bench.balancing.hear({"configured": bench.running.outcome.balance.generation})
    assert bench.changes == [True]
    assert bench.running.look()
    assert bench.running.observed == Origin("u1", 7)
    assert bench.running.settled


def test_a_change_of_what_is_balanced_alone_waits_for_the_checks_process(bench: Bench) -> None:
    number = bench.take(1, generation=7)
    bench.running.configured(number, 0)
    assert bench.take(1, generation=8, servers=SERVERS) == number
    assert not bench.running.look()
    assert not bench.running.configured(number, 0)
    assert bench.running.observed == Origin("u1", 7)
    bench.balancing.hear({"configured": bench.running.outcome.balance.generation})
    assert bench.running.look()
    assert bench.running.observed == Origin("u1", 8)


def test_a_dead_checks_process_does_not_stop_an_election_s_change(bench: Bench) -> None:
    number = bench.take(1, generation=7, servers=SERVERS)
    bench.running.configured(number, 0)
    assert bench.running.observed is None
    bench.running.turn(now_ns() + PATIENCE_NS)
    assert bench.changes == [True]
    assert bench.running.look()
    assert bench.running.observed == Origin("u1", 7)
    # From now on nothing waits for it.
    second = bench.take(1, 2, generation=8, servers=SERVERS)
    assert bench.running.configured(second, 0)
    assert bench.running.observed == Origin("u1", 8)


def test_an_agent_that_comes_again_hears_what_is_balanced(bench: Bench) -> None:
    number = bench.take(1, generation=7, servers=SERVERS)
    bench.again()
    list(bench.checks.receive())

    async def start() -> None:
        assert bench.running.prepare_last_good() is not None
        bench.running.run_last_good()

    asyncio.run(start())
    assert list(bench.checks.receive()) == [{"do": "configure"}]
    bench.running.configured(number, 0)
    assert bench.running.observed is None
    bench.balancing.hear({"configured": 1})
    assert bench.running.look()
    assert bench.running.observed == Origin("u1", 7)


def test_without_a_vrrp_process_no_instance_runs_and_it_is_said(bench: Bench) -> None:
    bench.again(checks_only=True)
    bench.take(1, generation=7, servers=SERVERS)
    assert bench.running.runtime is not None
    assert bench.running.runtime.groups == ()
    assert bench.told() == 0
    assert [problem.path for problem in bench.running.outcome.problems] == ["spec.instances"]
    bench.balancing.hear({"configured": 1})
    assert bench.running.look()
    assert bench.running.observed == Origin("u1", 7)
