"""The agent's side of its judge: started when there is a question, ended when there was none for a while (shell)."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from mooring_api.problems import Problem
from mooring_node.agent.tasks import end, kill
from mooring_node.judge.messages import Judgement, Question, from_answer, to_line
from mooring_node.kernel.process import give_back_memory
from mooring_node.log import Log

#: Far longer than the largest NodeConfig takes on a busy machine.
PATIENCE_S = 60.0
#: The next change of many finds the judge there; one that comes alone has its memory given back soon.
IDLE_S = 10.0
#: An answer holds what was asked, spelled out: a few times the 1.5 MB that etcd takes.
LONGEST_ANSWER = 64 * 1024 * 1024

#: Of what it says of its troubles, the end.
LONGEST_WORDS = 4096
#: One that was killed ends at once, unless the kernel does not let it: then nobody waits for it.
END_S = 15.0

Done: TypeAlias = Callable[[Judgement], None]


class Judge(Protocol):
    """Who judges NodeConfigs."""

    @property
    def busy(self) -> bool:
        """Whether a question waits for its answer."""

    def ask(self, question: Question, done: Done) -> None:
        """`done` has the answer, in the loop and perhaps before this returns.

        A question that waits while another is being judged gives way to a newer one.
        """

    async def stop(self) -> None:
        """No answer comes any more."""


def failed(where: str, why: str) -> Judgement:
    """Where there is none, and what is done about it."""
    message = f"could not be judged: {why}; what runs goes on, and it is tried again"
    return Judgement((Problem(where, "", message),), failed=True)


class JudgeProcess:
    """A process for it. `command` is what to run; see `mooring_node.judge.process`."""

    def __init__(self, command: Sequence[str], log: Log) -> None:
        self._command = tuple(command)
        self._log = log
        self._asked: tuple[Question, Done] | None = None
        self._judging = False
        self._known: tuple[Question, Judgement] | None = None
        """What was answered last."""
        self._process: asyncio.subprocess.Process | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._judging or self._asked is not None

    def ask(self, question: Question, done: Done) -> None:
        if self._known is not None and self._known[0] == question and not self.busy:
            # Nothing is other than it was: who only tries again needs no process for it.
            done(self._known[1])
            return
        self._asked = (question, done)
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        await end(self._task, self._log, "the judge did not end well")

    async def _work(self) -> None:
        """Answer until nothing was asked for IDLE_S."""
        try:
            while self._asked is not None or self._process is not None:
                asked = await self._next()
                if asked is not None:
                    await self._judge(*asked)
                    continue
                # What is asked meanwhile is found by the next round.
                await self._end()
                give_back_memory()
        finally:
            await self._end()

    async def _judge(self, question: Question, done: Done) -> None:
        self._judging = True
        try:
            judgement = await self._judgement(question)
            self._known = None if judgement.failed else (question, judgement)
        finally:
            self._judging = False
        # Also where another waits already: however fast they come, what runs goes on to newer ones. By the loop: what
        # goes wrong there is its own trouble.
        asyncio.get_running_loop().call_soon(done, judgement)

    async def _next(self) -> tuple[Question, Done] | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                await self._news.wait()
        self._news.clear()
        asked, self._asked = self._asked, None
        return asked

    async def _judgement(self, question: Question) -> Judgement:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._answer(question)
        except TimeoutError:
            why = f"the judge did not answer in {PATIENCE_S:.0f} s"
        except Exception as error:  # noqa: BLE001 - no process or memory to be had, no answer, or one that is none
            why = str(error) or type(error).__name__
        if words := (await self._end()).strip():
            self._log.write("error", f"the judge's last words: {words}")
            why = f"{why}; it said: {words.splitlines()[-1]}"
        return failed(question.where, why)

    async def _answer(self, question: Question) -> Judgement:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LONGEST_ANSWER
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it has ended already: how, is told below
            self._process.stdin.write(to_line(question))
            await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise ChildProcessError(f"the judge ended ({await self._process.wait()})")
        return from_answer(line)

    async def _end(self) -> str:
        """End the process, whatever it does; what it has said of its troubles."""
        process = self._process
        if process is None:
            return ""
        if process.returncode is None:
            kill(process)
        words = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                # What it still had to say is read away: asyncio waits for the end of the pipes, too.
                _, words = await process.communicate()
        # Not before: who is cancelled here does it once more.
        self._process = None
        return words[-LONGEST_WORDS:].decode(errors="replace")
