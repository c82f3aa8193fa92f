"""The agent with a judge that is late, fails, or answers what nobody asks any more."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.judged import JudgeHeld
from tests.unit.node.agent.test_upstream import A, B, Bench, instance, run, started

from mooring_node.agent import reporter, upstream
from mooring_node.agent.running import LONGEST_RETRY_NS, RETRY_NS
from mooring_node.kernel.process import now_ns

BAD = instance("b", 2, priority="banana")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "LAST_WORDS_S", 0.2)
    monkeypatch.setattr(upstream, "STATUS_PATIENCE_S", 0.1)


async def listed(bench: Bench, *instances: Any, generation: int = 1, **more: Any) -> None:
    """What the server has, and a question about it."""
    assert isinstance(bench.judge, JudgeHeld)
    before = len(bench.judge.waiting)
    bench.server.store(*instances, generation=generation, **more)
    bench.server.list()
    await bench.wait(lambda: len(bench.judge.waiting) > before)


async def observed(bench: Bench) -> int | None:
    """What the newest status confirms, when the VRRP process runs what it was told to."""
    writes = len(bench.server.writes)
    bench.configured()
    await bench.wait(lambda: len(bench.server.writes) > writes)
    found: int | None = bench.server.writes[-1].get("observedGeneration")
    return found


def problems(bench: Bench) -> list[str]:
    return [problem.message for problem in bench.running.outcome.problems]


def test_no_status_is_written_before_the_first_judgement(tmp_path: Path) -> None:
    """It would wipe out what the daemon said that ran here before."""

    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A)
            bench.upstream.changed()
            await asyncio.sleep(3 * upstream.STATUS_PATIENCE_S)
            await bench.settle()
            assert bench.server.writes == []
            judge.answer()
            await bench.wait(lambda: bench.server.writes)
            assert bench.groups == ["a"]

    run(test())


def test_a_failure_keeps_what_runs_and_what_was_said_of_it(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A, BAD, generation=7)
            judge.answer()
            assert await observed(bench) == 7
            (refused,) = problems(bench)
            bench.upstream.judge()
            judge.fail()
            assert problems(bench) == [
                refused,
                "could not be judged: it was killed; what runs goes on, and it is tried again",
            ]
            assert bench.groups == ["a"]
            assert bench.told() == 1
            # Said once, however often it fails.
            bench.upstream.judge()
            judge.fail()
            assert len(problems(bench)) == 2
            assert bench.log.count("could not be judged") == 1
            assert bench.log.count("keeps its last good form") == 1
            bench.upstream.judge()
            judge.answer()
            assert problems(bench) == [refused]

    run(test())


def test_what_fails_is_tried_again_less_and_less_often(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A)
            assert not bench.running.again(now_ns() + LONGEST_RETRY_NS)
            for count in range(12):
                judge.fail()
                wait_ns = min(RETRY_NS << count, LONGEST_RETRY_NS)
                assert not bench.running.again(bench.running.read_at_ns + wait_ns)
                assert bench.running.again(bench.running.read_at_ns + wait_ns + 1)
                bench.upstream.turn(bench.running.read_at_ns + wait_ns + 1)
                assert len(judge.waiting) == 1
                # Not a second time while it is under way.
                bench.upstream.turn(bench.running.read_at_ns + wait_ns + 2)
                assert len(judge.waiting) == 1
            judge.answer()
            assert bench.groups == ["a"]
            assert not bench.running.again(bench.running.read_at_ns + LONGEST_RETRY_NS + 1)

    run(test())


def test_a_first_failure_runs_the_last_good_configuration(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A)
            judge.answer()
        again = JudgeHeld()
        async with started(tmp_path, again) as bench:
            await listed(bench, A, B, generation=2)
            assert bench.told() == 0
            again.fail()
            assert bench.groups == ["a"]
            assert bench.told() == 1
            assert await observed(bench) == 1

    run(test())


def test_what_was_deleted_while_it_was_judged_does_not_run(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A)
            judge.answer()
            await listed(bench, A, B, generation=2)
            assert bench.server.node_config is not None
            bench.server.configs.handler.deleted(bench.server.node_config)
            await bench.wait(lambda: bench.log.count("was deleted"))
            judge.answer()
            assert bench.groups == ["a"]
            # And one that is made anew does, while the answer about the old one is still to come.
            await listed(bench, A, B, generation=3)
            await listed(bench, B, generation=1, uid="u2")
            judge.answer()
            assert bench.groups == ["a"]
            judge.answer()
            assert bench.groups == ["b"]

    run(test())


def test_an_older_answer_is_run_and_then_the_newer_one(tmp_path: Path) -> None:
    """However fast changes come, what runs goes on to newer ones."""

    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A, generation=1)
            await listed(bench, A, B, generation=2)
            judge.answer()
            assert bench.groups == ["a"]
            # Of the older one, which the object no longer is.
            assert await observed(bench) == 1
            judge.answer()
            assert bench.groups == ["a", "b"]
            assert await observed(bench) == 2

    run(test())


def test_another_text_under_the_same_generation_is_not_confirmed_before_it_was_judged(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A, generation=7)
            judge.answer()
            assert await observed(bench) == 7
            await listed(bench, A, B, generation=7)
            judge.fail()
            await bench.wait(lambda: "observedGeneration" not in bench.server.writes[-1])
            bench.upstream.judge()
            judge.answer()
            assert await observed(bench) == 7

    run(test())


def test_what_is_nested_without_end_is_refused_in_its_turn(tmp_path: Path) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:
            await listed(bench, A)
            deep: Any = "x"
            for _ in range(100_000):
                deep = [deep]
            await listed(bench, A, B, instance("c", 3, unknown=deep), generation=2)
            judge.answer()
            assert problems(bench) == []
            judge.answer()
            assert problems(bench) == ["is nested too deeply"]
            assert bench.groups == ["a"]

    run(test())


def test_where_the_node_cannot_be_looked_at_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        judge = JudgeHeld()
        async with started(tmp_path, judge) as bench:

            def no_links() -> Any:
                raise OSError(105, "No buffer space available")

            with monkeypatch.context() as patched:
                patched.setattr(bench.rtnetlink, "links", no_links)
                bench.server.store(A)
                bench.server.list()
                await bench.wait(lambda: problems(bench))
                assert "the node's interfaces could not be read: [Errno 105]" in problems(bench)[0]
                assert judge.waiting == []
            bench.upstream.turn(bench.running.read_at_ns + RETRY_NS + 1)
            judge.answer()
            assert bench.groups == ["a"]

    run(test())
