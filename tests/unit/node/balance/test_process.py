"""The checks process with fakes for everything that it moves."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mooring_node.balance import pools, results
from mooring_node.balance.answer import Load
from mooring_node.balance.config import BackendConfig, BalanceConfig, NotificationConfig, ServerConfig, SyncConfig
from mooring_node.balance.parts import Checker, Owners, Parts, Remark
from mooring_node.balance.process import Process
from mooring_node.balance.store import keep
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.checks.attempt import Scope
from mooring_node.checks.config import CheckConfig, Target, TCPProbe
from mooring_node.checks.runner import Runner
from mooring_node.checks.verdict import GOOD as SUCCESS
from mooring_node.checks.verdict import Outcome, Reason, Verdict
from mooring_node.files import StateFolder, write_atomically
from mooring_node.ipvs.table import ServiceKey, Table
from mooring_node.kernel.process import now_ns

Make = Callable[..., ServerConfig]
WEB = ServiceKey(4, 6, "192.0.2.1", 80)
PATIENCE_S = 20.0
QUICK = CheckConfig(TCPProbe(), interval_ns=10**7, interval_down_ns=10**7, warmup_ns=10**7)
GOOD = Verdict(True, Reason.SUCCESS, "", None)
REFUSED = Verdict(False, Reason.REFUSED, "connection refused", None)


@dataclass
class FakeChecker:
    told: Callable[[Target, Verdict], None]
    withheld: Callable[[Target, str], None]
    wanted: tuple[Target, ...] = ()
    starts: dict[Target, bool] = field(default_factory=dict)
    resting: frozenset[Target] = frozenset()
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    def set_targets(self, targets: Iterable[Target], starts_up: Callable[[Target], bool]) -> None:
        self.wanted = tuple(targets)
        self.starts = {each: starts_up(each) for each in self.wanted}

    def pause(self, targets: Collection[Target]) -> None:
        self.resting = frozenset(targets)

    async def run(self) -> None:
        await self.ended.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self.ended.set()


@dataclass
class FakeTables:
    wants: list[Table] = field(default_factory=list)
    sync: SyncConfig | None = None
    left: tuple[str, ...] = ()
    complaints: tuple[Remark, ...] = ()
    lacks: dict[str, str] = field(default_factory=dict)
    released: bool = False
    unfinished: bool = False
    """Not all is in the kernel: another turn is asked for at once."""
    turns: int = 0
    on_want: Callable[[], None] = lambda: None

    def want(self, table: Table, sync: SyncConfig | None) -> None:
        self.on_want()
        self.wants.append(table)
        self.sync = sync

    def turn(self, now_ns: int) -> int:
        self.turns += 1
        return now_ns if self.unfinished else now_ns + 10**9

    def remarks(self, _owners: Owners) -> tuple[Remark, ...]:
        return self.complaints

    def lacking(self, _owners: Owners) -> dict[str, str]:
        return self.lacks

    def release(self) -> tuple[str, ...]:
        self.released = True
        return self.left

    def weights(self, key: ServiceKey = WEB) -> dict[str, int] | None:
        if not self.wants or key not in self.wants[-1]:
            return None
        return {each.address[-1]: value.weight for each, value in self.wants[-1][key].destinations.items()}


class FakePackets:
    def __init__(self) -> None:
        self.configured: list[BalanceConfig] = []
        self.released = False
        self.let = asyncio.Event()
        self.let.set()
        self.failure: Exception | None = None
        self.turns = 0
        self._read, self.write = os.pipe()

    async def configure(self, config: BalanceConfig) -> tuple[Remark, ...]:
        await self.let.wait()
        if self.failure is not None:
            raise self.failure
        self.configured.append(config)
        return ()

    async def turn(self) -> tuple[Remark, ...]:
        self.turns += 1
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(self._read, False)
            os.read(self._read, 10)
        return (Remark("", "", "a rule is missing"),)

    async def release(self) -> tuple[str, ...]:
        self.released = True
        return ()

    def fileno(self) -> int:
        return self._read

    def close(self) -> None:
        os.close(self._read)
        os.close(self.write)


class FakeFacts:
    async def about(self) -> dict[str, Any]:
        return {"ipvs": {"writes": 3}}

    def loads(self, owners: Owners) -> Iterable[Load]:
        return (Load(name, "192.0.2.1:80/TCP", "", 1) for name in owners.values())

    def kube_proxy(self) -> dict[str, Any] | None:
        return None


class Bench:
    """One process, its parts, and the other ends of its channels."""

    def __init__(self, folder: Path, board: Board) -> None:
        self.state = StateFolder(folder)
        self.board = board
        pairs = [Channel.pair() for _ in range(3)]
        self.supervisor, self.agent, self.vrrp = (pair[1] for pair in pairs)
        self._channels = [end for pair in pairs for end in pair]
        self._ends = (pairs[0][0], pairs[1][0], pairs[2][0])
        self.heard: dict[str, list[dict[str, Any]]] = {"supervisor": [], "agent": [], "vrrp": []}
        self.programs: list[tuple[str, ...]] = []
        self.generation = 0
        self.keeps = False

    def put(self, *servers: ServerConfig, **more: Any) -> None:
        self.generation += 1
        keep(self.state.balance, BalanceConfig(self.generation, servers, **more))

    def begin(self, runner: Callable[..., Runner] | None = None) -> None:
        """A process with new parts, and with a real runner where one is given; the state stays as it is."""
        self.tables, self.packets = FakeTables(), FakePackets()

        def checker(
            told: Callable[[Target, Verdict], None],
            _troubled: Callable[[str], None],
            withheld: Callable[[Target, str], None],
        ) -> Checker:
            self.checker = FakeChecker(told, withheld)
            return runner(told, lambda _: None, withheld) if runner else self.checker

        async def programs(file: str, arguments: tuple[str, ...], _timeout_s: float) -> str:
            self.programs.append((file, *arguments))
            return ""

        def marks(_: BalanceConfig) -> Mapping[tuple[str, int], int]:
            return {}

        parts = Parts(checker, self.tables, self.packets, programs, marks, FakeFacts(), lambda: self.keeps)
        self.process = Process(self.state, self.board, 2, self._ends, parts)
        self.running = asyncio.create_task(self.process.run())

    def listen(self) -> None:
        for name, channel in (("supervisor", self.supervisor), ("agent", self.agent), ("vrrp", self.vrrp)):
            self.heard[name] += channel.receive()

    def said(self, name: str, of: str) -> list[Any]:
        self.listen()
        return [message[of] for message in self.heard[name] if of in message]

    async def until(self, happened: Callable[[], Any], what: str = "") -> Any:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not (found := happened()):
            if self.running.done():
                await self.running
            assert asyncio.get_running_loop().time() < deadline, what
            await asyncio.sleep(0.002)
        return found

    async def stop(self) -> None:
        self.supervisor.send({"do": "stop"})
        await asyncio.wait_for(self.running, PATIENCE_S)

    async def die(self) -> None:
        """As by SIGKILL: nothing is done any more."""
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running
        loop = asyncio.get_running_loop()
        for each in (*self._ends, self.packets):
            loop.remove_reader(each.fileno())
        self.checker.stop()
        self.packets.close()

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]]:
    """Runs a test's coroutine with a bench."""

    def run(tell: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        with Board() as board:
            bench = Bench(tmp_path, board)

            async def whole() -> None:
                try:
                    await tell(bench)
                finally:
                    if not bench.running.done():
                        await bench.die()
                    else:
                        bench.packets.close()

            try:
                asyncio.run(whole())
            finally:
                bench.close()

    yield run
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


Story = Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]


def test_the_first_table_is_announced_when_all_of_it_stands_and_once(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        bench.packets.let.clear()
        bench.tables.unfinished = True
        await bench.until(lambda: bench.said("agent", "configured") == [1])
        assert bench.said("vrrp", "settled") == []
        bench.packets.let.set()
        await bench.until(lambda: bench.tables.turns > 3)
        assert bench.said("vrrp", "settled") == []
        bench.tables.unfinished = False
        await bench.until(lambda: bench.said("vrrp", "settled"))
        bench.put(server_of(1))
        bench.agent.send({"do": "configure"})
        await bench.until(lambda: bench.tables.weights() == {"1": 1})
        assert bench.said("vrrp", "settled") == [True]
        await bench.stop()

    story(tell)


@pytest.mark.parametrize("balanced", [True, False], ids=["a restart", "nothing is left to balance"])
def test_what_answers_on_addresses_stays_with_them(story: Story, server_of: Make, balanced: bool) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        bench.keeps = True
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        if balanced:
            await bench.stop()
        else:
            bench.state.balance.unlink()
            bench.agent.send({"do": "configure"})
            await asyncio.wait_for(bench.running, PATIENCE_S)
        assert bench.tables.released is bench.packets.released is not balanced
        assert bench.state.balancing.exists() is balanced

    story(tell)


def test_a_restart_that_keeps_what_answers_goes_on_with_what_is_known_and_is_no_end(
    story: Story, server_of: Make
) -> None:
    async def tell(bench: Bench) -> None:
        told = NotificationConfig(("BackendDown", "QuorumDown", "QuorumUp"), "told.sh")
        bench.put(server_of(2, starts_down=True, notify_at_end=True, notifications=(told,)))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.checker.told(bench.checker.wanted[1], GOOD)
        await bench.until(lambda: bench.tables.weights() == {"2": 1})
        bench.keeps = True
        await bench.stop()
        bench.packets.close()
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        assert bench.tables.weights() == {"2": 1}
        await bench.stop()
        assert [each[1] for each in bench.programs] == ["QuorumUp"]

    story(tell)


def test_a_configuration_runs_and_a_finding_moves_the_table(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2), tracked=("shop/web",), sync=SyncConfig("eth0"))
        bench.begin()
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        assert bench.tables.sync == SyncConfig("eth0")
        assert [each.generation for each in bench.packets.configured] == [1]
        assert bench.said("agent", "configured") == [1]
        assert all(bench.checker.starts.values())
        one = bench.checker.wanted[0]
        bench.checker.told(one, REFUSED)
        await bench.until(lambda: bench.tables.weights() == {"2": 1})
        await bench.until(lambda: {"shop/web": True} in bench.said("vrrp", "tracked"))
        bench.checker.told(bench.checker.wanted[1], REFUSED)
        await bench.until(lambda: {"shop/web": False} in bench.said("vrrp", "tracked"))
        await bench.until(lambda: bench.said("agent", "report")[-1]["servers"][0]["down"] == 2)
        events = [each["event"] for each in bench.said("agent", "happened")]
        assert events == ["QuorumUp", "BackendDown", "BackendDown", "QuorumDown"]
        assert bench.said("agent", "happened")[1]["reason"] == "tcp: connection refused"
        await bench.stop()

    story(tell)


def test_what_this_node_cannot_check_is_reported_and_stays_as_it_is(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        bench.checker.withheld(bench.checker.wanted[0], "port 7 is in use")

        def reasons() -> list[str | None]:
            reports = bench.said("agent", "report")
            return [each.get("reason") for each in reports[-1]["servers"][0]["backends"]] if reports else []

        await bench.until(lambda: reasons() == ["not checked: port 7 is in use", None])
        assert bench.tables.weights() == {"1": 1, "2": 1}
        bench.checker.withheld(bench.checker.wanted[0], "")
        await bench.until(lambda: reasons() == [None, None])
        await bench.stop()

    story(tell)


def test_a_server_that_is_taken_out_is_out_of_the_table_though_no_other_changes(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2), server_of(2, name="other", port=81))
        bench.begin()
        await bench.until(lambda: bench.tables.wants and len(bench.tables.wants[-1]) == 2)
        bench.put(server_of(2))
        bench.agent.send({"do": "configure"})
        await bench.until(lambda: len(bench.tables.wants[-1]) == 1)

    story(tell)


def test_what_is_found_is_on_disk_before_the_kernel_has_it(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        seen: list[bool] = []
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.tables.on_want = lambda: seen.append("connection refused" in bench.state.results.read_text())
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        await bench.until(lambda: seen)
        assert seen == [True]

    story(tell)


def test_what_the_kernel_lacks_is_tracked_as_bad_also_by_a_successor(story: Story, server_of: Make) -> None:
    words = {"shop/web": "the kernel cannot balance it (ip_vs is missing)"}

    async def tell(bench: Bench) -> None:
        bench.put(server_of(2), tracked=("shop/web",))
        bench.begin()
        bench.tables.lacks = {"web": "ip_vs is missing"}
        await bench.until(lambda: words in bench.said("vrrp", "tracked"))
        await bench.until(lambda: "ip_vs is missing" in bench.state.results.read_text())
        await bench.die()
        before = len(bench.said("vrrp", "tracked"))
        bench.begin()
        await bench.until(lambda: len(bench.said("vrrp", "tracked")) > before)
        assert bench.said("vrrp", "tracked")[before] == words, "before the kernel has been tried"
        bench.tables.lacks = {}
        await bench.until(lambda: bench.said("vrrp", "tracked")[-1] == {"shop/web": True})
        await bench.stop()

    story(tell)


def test_a_successor_goes_on(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        await bench.until(lambda: bench.tables.weights() == {"2": 1})
        before = now_ns()
        await bench.die()
        assert bench.state.balancing.exists()
        assert before - bench.board.vouched_ns() < PATIENCE_S * 1e9
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        assert bench.tables.weights() == {"2": 1}
        assert sorted(bench.checker.starts.values()) == [False, True]
        await bench.stop()
        assert not bench.state.results.exists()

    story(tell)


def test_the_order_of_the_end_is_programs_tables_rules_mark(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        told = NotificationConfig(("BackendDown", "QuorumDown"), "told.sh")
        bench.put(server_of(1, notify_at_end=True, notifications=(told,)))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        assert bench.state.balancing.exists()
        await bench.stop()
        assert [each[1] for each in bench.programs] == ["BackendDown", "QuorumDown"]
        assert bench.tables.released
        assert bench.packets.released
        assert not bench.state.balancing.exists()
        assert [each["event"] for each in bench.said("agent", "happened")][-1] == "QuorumDown"

    story(tell)


def test_what_could_not_be_taken_away_is_told_and_marked(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(1))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.tables.left = ("a service",)
        await bench.stop()
        assert bench.state.balancing.exists()
        assert any("left behind: a service" in each["message"] for each in bench.said("agent", "log"))

    story(tell)


def test_with_nothing_left_to_run_it_ends_and_has_told_nobody_of_an_end(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        told = NotificationConfig(("BackendDown", "QuorumDown"), "told.sh")
        bench.put(server_of(1, notify_at_end=True, notifications=(told,)))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.put()
        bench.agent.send({"do": "configure"})
        await asyncio.wait_for(bench.running, PATIENCE_S)
        assert bench.programs == []
        assert bench.tables.released
        assert not bench.state.balancing.exists()

    story(tell)


def test_a_lost_word_is_made_up_for_by_a_look_at_the_file(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        bench.put(server_of(1))
        await bench.until(lambda: bench.tables.weights() == {"1": 1})

    story(tell)


def test_what_cannot_be_read_changes_nothing_and_is_told_once(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        write_atomically(bench.state.balance, "{")
        await bench.until(lambda: bench.said("agent", "log"))
        bench.put(server_of(1))
        await bench.until(lambda: bench.tables.weights() == {"1": 1})
        assert len([each for each in bench.said("agent", "log") if "goes on" in each["message"]]) == 1

    story(tell)


@pytest.mark.parametrize("mended", [True, False], ids=["mended", "ended, and kept"])
def test_what_a_predecessor_left_stays_until_a_configuration_can_be_read(
    story: Story, server_of: Make, mended: bool
) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        await bench.until(lambda: bench.tables.weights() == {"2": 1})
        await bench.die()
        known, vouched_ns = bench.state.results.read_text(), bench.board.vouched_ns()
        settled = len(await bench.until(lambda: bench.said("vrrp", "settled")))
        write_atomically(bench.state.balance, "{")
        bench.begin()
        os.write(bench.packets.write, b".")
        # Until it has made a few turns: each question is answered after one.
        for number in range(1, 4):
            bench.supervisor.send({"do": "snapshot", "id": number})
            await bench.until(lambda number=number: len(bench.said("supervisor", "checks")) == number)
        assert len([each for each in bench.said("agent", "log") if "goes on" in each["message"]]) == 1
        assert (bench.tables.turns, bench.packets.turns, bench.packets.configured) == (0, 0, [])
        assert len(bench.said("vrrp", "settled")) == settled
        assert bench.board.vouched_ns() == vouched_ns
        if mended:
            bench.put(server_of(2))
            await bench.until(lambda: bench.tables.weights() == {"2": 1})
        bench.keeps = True
        await bench.stop()
        assert mended or bench.state.results.read_text() == known

    story(tell)


def test_the_table_waits_for_its_rules_and_not_for_ever(story: Story, server_of: Make, monkeypatch: Any) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        bench.packets.let.clear()
        await bench.until(lambda: bench.said("agent", "report"))
        assert bench.tables.wants == []
        bench.packets.let.set()
        await bench.until(lambda: bench.tables.wants)
        bench.packets.let.clear()
        monkeypatch.setattr("mooring_node.balance.handing.RULES_PATIENCE_NS", 1000)
        bench.put(server_of(1))
        await bench.until(lambda: bench.tables.weights() == {"1": 1})
        bench.packets.let.set()

    story(tell)


def test_rules_that_hang_hold_up_no_table_for_ever_however_often_the_configuration_changes(
    story: Story, server_of: Make, monkeypatch: Any
) -> None:
    monkeypatch.setattr("mooring_node.balance.handing.RULES_PATIENCE_NS", 3 * 10**8)

    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        bench.packets.let.clear()
        for count in range(1000):
            bench.put(server_of(2 + count % 2))
            bench.agent.send({"do": "configure"})
            await bench.until(lambda: bench.said("agent", "configured")[-1:] == [bench.generation])
            if bench.tables.wants:
                break
            await asyncio.sleep(0.01)
        assert bench.tables.wants
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        await bench.until(lambda: "1" not in (bench.tables.weights() or {}))
        bench.packets.let.set()

    story(tell)


def test_what_is_found_does_not_wait_for_rules(story: Story, server_of: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr("mooring_node.balance.handing.RULES_PATIENCE_NS", 10**15)

    async def tell(bench: Bench) -> None:
        bench.put(server_of(3))
        bench.begin()
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1, "3": 1})
        bench.packets.let.clear()
        # One is found just before the configuration, and one while that waits.
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        bench.put(server_of(4))
        bench.agent.send({"do": "configure"})
        await bench.until(lambda: len(bench.checker.wanted) == 4)
        bench.checker.told(bench.checker.wanted[1], REFUSED)
        await bench.until(lambda: bench.tables.weights() == {"3": 1})
        bench.packets.let.set()
        await bench.until(lambda: bench.tables.weights() == {"3": 1, "4": 1})

    story(tell)


def test_rules_that_fail_keep_nobody_from_balancing(story: Story, server_of: Make, monkeypatch: Any) -> None:
    async def tell(bench: Bench) -> None:
        monkeypatch.setattr("mooring_node.balance.handing.RULES_PATIENCE_NS", 1000)
        bench.put(server_of(2))
        bench.begin()
        bench.packets.failure = RuntimeError("no such table")
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        await bench.until(lambda: "no such table" in str(bench.said("agent", "report")[-1]["problems"]))

    story(tell)


def test_rules_are_looked_after_at_once_when_there_is_news(story: Story, server_of: Make, monkeypatch: Any) -> None:
    async def tell(bench: Bench) -> None:
        monkeypatch.setattr("mooring_node.balance.rules.EVERY_NS", 10**15)
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        assert bench.packets.turns == 0
        os.write(bench.packets.write, b".")
        await bench.until(lambda: bench.packets.turns == 1)
        await bench.until(lambda: "a rule is missing" in str(bench.said("agent", "report")[-1]["problems"]))

    story(tell)


def test_where_only_the_holder_checks_others_rest_also_in_a_successor(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2, checks_on_holder=True))
        bench.begin()
        await bench.until(lambda: len(bench.checker.resting) == 2)
        await bench.until(lambda: "holding" in bench.said("vrrp", "do"))
        bench.vrrp.send({"holding": ["192.0.2.7"], "more": True})
        bench.vrrp.send({"holding": ["192.0.2.1"]})
        await bench.until(lambda: not bench.checker.resting)
        await bench.until(lambda: "192.0.2.1" in bench.state.results.read_text())
        await bench.die()
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        assert bench.checker.resting == frozenset()
        bench.vrrp.send({"holding": []})
        await bench.until(lambda: len(bench.checker.resting) == 2)

    story(tell)


@pytest.mark.parametrize(
    "changed", [{"checks_on_holder": False}, {"addresses": ("192.0.2.1", "192.0.2.7")}], ids=["Always", "a held one"]
)
def test_who_need_not_wait_for_the_holder_any_more_is_checked(
    story: Story, server_of: Make, changed: dict[str, Any]
) -> None:
    tried: set[Target] = set()

    async def probe(_scope: Scope, target: Target) -> Outcome:
        tried.add(target)
        return SUCCESS

    def runner(*say: Any) -> Runner:
        return Runner(*say, probes=probe)

    async def tell(bench: Bench) -> None:
        other = server_of(name="other", port=81, backends=(BackendConfig("10.0.0.9", 80),), checks=(("tcp", QUICK),))
        web = server_of(2, checks_on_holder=True, checks=(("tcp", QUICK),))
        bench.put(web, other)
        bench.begin(runner)
        await bench.until(lambda: bench.tables.wants)
        bench.vrrp.send({"holding": ["192.0.2.7"]})
        await bench.until(lambda: "192.0.2.7" in bench.state.results.read_text())
        await bench.until(lambda: len(tried) == 1)
        bench.put(replace(web, **changed), other)
        bench.agent.send({"do": "configure"})
        await bench.until(lambda: len(tried) == 3, "those that rested rest for ever")
        await bench.stop()

    story(tell)


def test_who_asks_is_answered_and_the_agent_gets_the_loads(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.supervisor.send({"do": "snapshot", "id": 4})
        bench.agent.send({"do": "snapshot", "id": 5})
        bench.vrrp.send({"do": "tracked"})
        (about,) = await bench.until(lambda: bench.said("supervisor", "checks"))
        assert about["generation"] == 1
        assert about["ipvs"] == {"writes": 3}
        (loads,) = await bench.until(lambda: bench.said("agent", "loads"))
        assert loads[0][0] == "web"
        await bench.until(lambda: bench.said("agent", "checks"))

    story(tell)


def test_checks_that_end_by_themselves_end_the_process(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        bench.checker.failure = ValueError("poison")
        bench.checker.ended.set()
        with pytest.raises(ValueError, match="poison"):
            await asyncio.wait_for(bench.running, PATIENCE_S)
        assert not bench.tables.released
        assert bench.state.balancing.exists()

    story(tell)


def test_after_a_sigterm_it_balances_until_the_vrrp_process_has_ended(story: Story, server_of: Make) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        os.kill(os.getpid(), signal.SIGTERM)
        bench.checker.told(bench.checker.wanted[0], REFUSED)
        await bench.until(lambda: bench.tables.weights() == {"2": 1})
        bench.checker.told(bench.checker.wanted[1], REFUSED)
        await bench.until(lambda: bench.tables.weights() == {})
        assert not bench.tables.released
        bench.vrrp.close()
        await asyncio.wait_for(bench.running, PATIENCE_S)
        assert bench.tables.released

    story(tell)


def test_after_a_sigterm_it_ends_when_the_supervisor_says_so_or_its_time_is_over(
    story: Story, server_of: Make, monkeypatch: Any
) -> None:
    async def tell(bench: Bench) -> None:
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        os.kill(os.getpid(), signal.SIGTERM)
        await bench.stop()
        bench.packets.close()
        monkeypatch.setattr("mooring_node.balance.process.HAND_OVER_NS", 0)
        bench.begin()
        await bench.until(lambda: bench.tables.wants)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(bench.running, PATIENCE_S)
        assert bench.tables.released

    story(tell)


def test_a_journal_of_a_predecessor_that_is_too_large_is_told_of_and_begun_anew(
    story: Story, server_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(bench: Bench) -> None:
        bench.state.results.write_text('["holding",7]\n' + 1000 * "x")
        bench.put(server_of(2))
        bench.begin()
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        assert "begin anew" not in str(bench.said("agent", "log"))
        await bench.die()
        monkeypatch.setattr(results, "MOST_BYTES", 10)
        bench.begin()
        await bench.until(lambda: "begin anew" in str(bench.said("agent", "log")))
        await bench.until(lambda: bench.tables.weights() == {"1": 1, "2": 1})
        assert "holding" in bench.state.results.read_text()

    story(tell)


def test_those_that_have_no_room_to_drain_are_told_of(
    story: Story, server_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(bench: Bench) -> None:
        monkeypatch.setattr(pools, "MOST_DRAINING", 1)
        bench.put(server_of(4, drain_ns=10**12))
        bench.begin()
        await bench.until(lambda: bench.tables.weights())
        bench.put(server_of(1, drain_ns=10**12))
        bench.supervisor.send({"do": "configure"})
        (line,) = await bench.until(lambda: [each for each in bench.said("agent", "log") if "drain" in str(each)])
        assert (line["level"], "(web: 2)" in line["message"]) == ("warning", True)
        assert bench.tables.weights() == {"1": 1, "4": 0}

    story(tell)
