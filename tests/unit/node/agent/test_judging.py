"""The judge as a process: it comes and goes, and whatever becomes of it, there is an answer."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TextIO

import pytest
from tests.judged import answered
from tests.lines import Lines

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
    return JudgeProcess((sys.executable, "-c", text, *map(str, arguments)), Lines())


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
        judge = JudgeProcess(REAL, Lines())
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


def test_what_is_asked_while_it_is_ended_is_answered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        judge, answers = script(COUNTING), list[str]()

        def tell(judgement: Judgement) -> None:
            answers.append(judgement.node)

        def meanwhile() -> None:
            if len(answers) == 1:
                judge.ask(asked("b"), tell)

        monkeypatch.setattr(judging, "IDLE_S", 0.0)
        monkeypatch.setattr(judging, "give_back_memory", meanwhile)
        judge.ask(asked("a"), tell)
        async with asyncio.timeout(SOON_S):
            while len(answers) < 2:
                await asyncio.sleep(0.01)
        await judge.stop()

    run(body())


def test_a_stop_while_it_is_ended_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        judge, reading = script(COUNTING), asyncio.Event()
        communicate = asyncio.subprocess.Process.communicate

        async def noticed(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
            reading.set()
            return await communicate(process)

        monkeypatch.setattr(judging, "IDLE_S", 0.0)
        monkeypatch.setattr(asyncio.subprocess.Process, "communicate", noticed)
        pid = int((await answer_of(judge, asked("a"))).node.split()[0])
        await reading.wait()
        await judge.stop()
        assert ended(pid)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run(body())
        gc.collect()
    assert [str(each.message) for each in said] == []


def test_who_asks_the_same_again_has_the_same_answer_and_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        monkeypatch.setattr(judging, "IDLE_S", 0.0)
        judge, told = script(COUNTING), list[str]()
        first = await answer_of(judge, asked("a"))
        judge.ask(asked("a"), lambda judgement: told.append(judgement.node))
        assert told == [first.node]
        # Not so where what was answered meanwhile is of another.
        assert (await answer_of(judge, asked("b"))).node != first.node
        assert (await answer_of(judge, asked("a"))).node != first.node
        await judge.stop()

    run(body())


def test_a_failure_is_not_remembered() -> None:
    async def body() -> None:
        judge = script("import sys; sys.stdin.readline(); print('banana')")
        for _ in range(2):
            assert (await answer_of(judge, asked("a"))).failed
        await judge.stop()

    run(body())


def test_what_goes_wrong_with_an_answer_is_no_reason_to_give_none_to_the_next() -> None:
    async def body() -> None:
        judge, raised = script(COUNTING), asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda *_: raised.set())
        judge.ask(asked("a"), lambda _: 1 // 0)
        async with asyncio.timeout(SOON_S):
            await raised.wait()
        assert (await answer_of(judge, asked("b"))).node
        await judge.stop()

    run(body())


def test_an_answer_for_which_there_is_no_memory_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(_: bytes) -> Judgement:
        raise MemoryError

    async def body() -> None:
        judge = script(COUNTING)
        with monkeypatch.context() as patched:
            patched.setattr(judging, "from_answer", too_much)
            assert "could not be judged: MemoryError" in (await answer_of(judge, asked("a"))).problems[0].message
        assert (await answer_of(judge, asked("a"))).node
        await judge.stop()

    run(body())


def test_one_that_nobody_holds_any_more_ends_itself() -> None:
    body = "from mooring_node.judge import process\nprocess.LIFE_S = 1\nprocess.main()"
    with subprocess.Popen([sys.executable, "-c", body], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as judge:
        assert judge.wait(SOON_S) == -signal.SIGALRM


def test_its_last_words_are_in_our_log_and_their_last_line_in_the_answer() -> None:
    async def body() -> None:
        log = Lines()
        judge = JudgeProcess(
            (sys.executable, "-c", "import sys; sys.stdin.readline(); raise MemoryError('too much')"), log
        )
        (problem,) = (await answer_of(judge, asked("a"))).problems
        assert "the judge ended (1); it said: MemoryError: too much; what runs goes on" in problem.message
        (line,) = log.lines
        assert line.startswith("error the judge's last words: Traceback")
        assert line.endswith("MemoryError: too much")
        await judge.stop()

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
        judge = JudgeProcess(("/nowhere/judge",), Lines())
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
from mooring_node.log import Log

async def body():
    found = asyncio.get_running_loop().create_future()
    judge = JudgeProcess((sys.executable, "-m", "mooring_node.judge.process"), Log(as_json=False))
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
