"""The judge as a process: it comes and goes, and whatever becomes of it, there is an answer."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TextIO

import pytest
from tests.judged import answered

from mooring_lab.wait import wait_until
from mooring_node.agent import judging
from mooring_node.agent.judging import JudgeProcess
from mooring_node.judge.messages import Judgement, Question

REAL = (sys.executable, "-m", "mooring_node.judge.process")
HEAD = "import json, os, sys, time\n"
#: Answers each question with its own pid, and how many it had before.
COUNTING = HEAD + "for n, line in enumerate(sys.stdin): print(json.dumps({'node': f'{os.getpid()} {n}'}), flush=True)"
#: Answers with what was asked, once somebody has opened the pipe of that name and closed it again.
SLOW = f"""{HEAD}
for line in sys.stdin:
    text = json.loads(line)["text"]
    open(os.path.join(sys.argv[1], text)).read()
    print(json.dumps({{"node": text}}), flush=True)
"""
SOON_S = 60.0


def config(*addresses: str) -> Question:
    instances = "".join(
        f"  - {{name: web-{n}, interface: eth0, virtualRouterID: {n}, addresses: [{{address: {address}}}]}}\n"
        for n, address in enumerate(addresses, 1)
    )
    head = "apiVersion: mooring.dev/v1alpha1\nkind: NodeConfig\nmetadata: {name: lb-1}\n"
    return Question(f"{head}spec:\n  instances:\n{instances}", "file", "node.yaml")


def script(text: str, *arguments: object) -> JudgeProcess:
    return JudgeProcess((sys.executable, "-c", text, *map(str, arguments)))


def asked(text: str) -> Question:
    return Question(text, "file", "node.yaml")


async def answer_of(judge: JudgeProcess, question: Question) -> Judgement:
    found: asyncio.Future[Judgement] = asyncio.get_running_loop().create_future()
    judge.ask(question, found.set_result)
    assert judge.busy
    async with asyncio.timeout(SOON_S):
        return await found


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


def ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_it_answers_as_one_in_the_same_process_does() -> None:
    async def body() -> None:
        judge = JudgeProcess(REAL)
        for question in (config("10.0.0.1/24", "10.0.0.2/24"), config("banana"), asked("{"), asked("")):
            assert await answer_of(judge, question) == answered(question)
        assert not judge.busy
        await judge.stop()

    run(body())


def test_one_process_answers_many_and_ends_when_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        judge = script(COUNTING)
        pid, number = (await answer_of(judge, asked("a"))).node.split()
        assert number == "0"
        assert (await answer_of(judge, asked("b"))).node == f"{pid} 1"
        monkeypatch.setattr(judging, "IDLE_S", 0.0)
        await answer_of(judge, asked("c"))
        async with asyncio.timeout(SOON_S):
            while not ended(int(pid)):
                await asyncio.sleep(0.01)
        # And another comes for the next question.
        other, number = (await answer_of(judge, asked("d"))).node.split()
        assert (other != pid, number) == (True, "0")
        await judge.stop()
        assert ended(int(other))

    run(body())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the judge ended (0)"),
        ("import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 9)", "the judge ended (-9)"),
        ("import sys; sys.stdin.readline(); print('banana')", "Expecting value"),
        ("import sys; sys.stdin.readline(); print('{}x')", "Extra data"),
        ("""import sys; sys.stdin.readline(); print('{"telepathy": 1}')""", "unknown Judgement fields"),
        ("import sys; sys.stdin.readline(); sys.stdout.write('{}')", "the judge ended (0)"),
        ("import sys; sys.stdin.readline(); print('1' * 100_000); input()", "limit"),
    ],
    ids=["at once", "killed", "no JSON", "too much", "another's", "half", "too long"],
)
def test_whatever_becomes_of_it_there_is_an_answer(text: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LONGEST_ANSWER", 10_000)

    async def body() -> None:
        judge = script(text)
        for _ in range(2):
            judgement = await answer_of(judge, asked("a"))
            assert (judgement.failed, judgement.usable) == (True, False)
            (problem,) = judgement.problems
            assert str(problem).startswith("node.yaml: could not be judged: ")
            assert why in problem.message
            assert problem.message.endswith("; what runs goes on, and it is tried again")
        await judge.stop()

    run(body())


def test_a_program_that_is_not_there_is_told() -> None:
    async def body() -> None:
        judge = JudgeProcess(("/nowhere/judge",))
        assert "No such file" in (await answer_of(judge, asked("a"))).problems[0].message
        await judge.stop()

    run(body())


def test_one_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judging, "PATIENCE_S", 2.0)
    said = tmp_path / "pid"

    async def body() -> None:
        judge = script(HEAD + "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(1000)", said)
        judgement = await answer_of(judge, asked("a"))
        assert "did not answer in 2 s" in judgement.problems[0].message
        assert ended(int(said.read_text()))
        await judge.stop()

    run(body())


@pytest.fixture
def pipes(tmp_path: Path) -> Path:
    """Of the slow one."""
    for name in "abc":
        os.mkfifo(tmp_path / name)
    return tmp_path


async def begun(pipe: Path) -> TextIO:
    """When the slow one has this question; it goes on with it when this is closed."""
    return await asyncio.get_running_loop().run_in_executor(None, pipe.open, "w")


def test_what_waits_gives_way_to_what_is_newer_and_what_is_begun_is_answered(pipes: Path) -> None:
    async def body() -> None:
        judge, told = script(SLOW, pipes), list[str]()

        def tell(judgement: Judgement) -> None:
            told.append(judgement.node)

        judge.ask(asked("a"), tell)
        with await begun(pipes / "a"):
            judge.ask(asked("b"), tell)
            judge.ask(asked("c"), tell)
        with await begun(pipes / "c"):
            assert told == ["a"]
        async with asyncio.timeout(SOON_S):
            while judge.busy:
                await asyncio.sleep(0.01)
        assert told == ["a", "c"]
        await judge.stop()

    run(body())


def test_after_a_stop_no_answer_comes(pipes: Path) -> None:
    async def body() -> None:
        judge = script(SLOW, pipes)
        judge.ask(asked("a"), lambda _: pytest.fail("answered"))
        await asyncio.sleep(0)
        await judge.stop()
        assert not judge.busy

    run(body())


ASKING = """
import asyncio, os, signal, sys
from mooring_node.agent.judging import JudgeProcess
from mooring_node.judge.messages import Question

async def body():
    found = asyncio.get_running_loop().create_future()
    judge = JudgeProcess((sys.executable, "-m", "mooring_node.judge.process"))
    judge.ask(Question("", "file", "x"), found.set_result)
    await found
    print(judge._process.pid, flush=True)
    sys.stdin.read()

asyncio.run(body())
"""


def test_it_ends_with_the_agent_however_that_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        assert not ended(pid)
        agent.send_signal(signal.SIGKILL)
        wait_until(lambda: ended(pid), SOON_S, "the judge to end with its agent")
