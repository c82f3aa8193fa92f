"""The agent's side of its judge: started when there is a question, ended when there was none for a while (shell)."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from mooring_api.problems import Problem
from mooring_node.judge.messages import Judgement, Question, from_answer, to_line
from mooring_node.kernel.process import give_back_memory

#: Far longer than the largest NodeConfig takes on a busy machine.
PATIENCE_S = 60.0
#: The next change of many finds the judge there; one that comes alone has its memory given back soon.
IDLE_S = 10.0
#: An answer holds what was asked, spelled out: a few times the 1.5 MB that etcd takes.
LONGEST_ANSWER = 64 * 1024 * 1024

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


class JudgeProcess:
    """A process for it. `command` is what to run; see `mooring_node.judge.process`."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._asked: tuple[Question, Done] | None = None
        self._judging = False
        self._process: asyncio.subprocess.Process | None = None
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._judging or self._asked is not None

    def ask(self, question: Question, done: Done) -> None:
        self._asked = (question, done)
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        """Answer until nothing was asked for IDLE_S."""
        try:
            while (asked := await self._next()) is not None:
                question, done = asked
                self._judging = True
                judgement = await self._judgement(question)
                self._judging = False
                # Also where another waits already: however fast they come, what runs goes on to newer ones.
                done(judgement)
        finally:
            self._judging = False
            await self._end()
            # The burst of changes is over here, too.
            give_back_memory()

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
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError: no thread can be had to wait for it. ValueError: no answer, or a longer one than we take.
            why = str(error) or type(error).__name__
        await self._end()
        message = f"could not be judged: {why}; what runs goes on, and it is tried again"
        return Judgement((Problem(question.where, "", message),), failed=True)

    async def _answer(self, question: Question) -> Judgement:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, limit=LONGEST_ANSWER
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it has ended already: how, is told below
            self._process.stdin.write(to_line(question))
            await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise ChildProcessError(f"the judge ended ({await self._process.wait()}); its last words are in the log")
        return from_answer(line)

    async def _end(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        # What it still had to say is read away: asyncio waits for the end of the pipe, too.
        await process.communicate()
