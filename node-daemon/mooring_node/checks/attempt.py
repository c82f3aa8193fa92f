"""Tries as coroutines that wait for one file descriptor at a time, driven by one epoll of their own.

An asyncio task, its streams and transports cost some ten times as much as a TCP check needs; thousands of them
run here each second. So a probe is `async def`, but it awaits only `readable`, `writable` and `breathe`, and
this module resumes it. Whatever it opened through its scope is closed when it ends, however it ends.
"""

import asyncio
import contextlib
import errno
import select
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeAlias, TypeVar

from mooring_node.checks.verdict import Failed, Outcome, Reason, Withheld, outcome_of

#: A file descriptor and what it is awaited for; None: the other tries go first.
_Wait: TypeAlias = tuple[int, int] | None
Probing: TypeAlias = Coroutine[Any, Any, Outcome]
ResultT = TypeVar("ResultT")

_READABLE = select.EPOLLIN | select.EPOLLRDHUP
_WRITABLE = select.EPOLLOUT
_FAILED = select.EPOLLERR | select.EPOLLHUP
_MOST_EVENTS = 256
#: So long, and one step more, a turn serves events, and so long those that take breath: what else this process
#: does must not wait for a costly pattern.
SLICE_NS = 20_000_000


@coroutine
def _wait(what: _Wait) -> Generator[_Wait, int, int]:
    return (yield what)


async def readable(descriptor: int) -> None:
    """Until there is something to read, the end, or an error."""
    await _wait((descriptor, _READABLE))


async def writable(descriptor: int) -> bool:
    """Until it can be written to: a connection that is made, too. True where there is an error to ask for."""
    return bool(await _wait((descriptor, _WRITABLE)) & _FAILED)


async def breathe() -> None:
    """Let the others go on, in the middle of long work."""
    await _wait(None)


class Scope:
    """What a try has opened; all of it is closed at its end. `stage` is what it does, for the words of a timeout."""

    __slots__ = ("_closers", "stage")

    def __init__(self) -> None:
        self._closers: list[Callable[[], object]] = []
        self.stage = "connecting"

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A new socket that does not block."""
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self._closers.append(sock.close)
        return sock

    def at_end(self, closer: Callable[[], object]) -> None:
        """Call it at the end, before what was opened earlier is closed."""
        self._closers.append(closer)

    def close(self) -> None:
        """The end."""
        while self._closers:
            with contextlib.suppress(OSError):
                self._closers.pop()()

    def time_is_up(self) -> TimeoutError:
        """What a coroutine is told then."""
        return TimeoutError(errno.ETIMEDOUT, f"timed out while {self.stage}")


class Attempt(Scope):
    """One try under way. `done` hears its outcome, or None where it was withheld; nothing after `cancel`.

    `error` is why there is no outcome, or the bug.
    """

    __slots__ = ("_coroutine", "_descriptor", "_done", "_driver", "_mask", "error")

    def __init__(self, driver: "Driver", done: "Done") -> None:
        super().__init__()
        self._driver = driver
        self._done = done
        self._coroutine: Probing | None = None
        self._descriptor = -1
        self._mask = 0
        self.error: Exception | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._coroutine is not None

    @property
    def breathing(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self.running and self._descriptor < 0

    def run(self, coroutine: Probing) -> None:
        """Begin."""
        self._coroutine = coroutine
        self.resume()

    def resume(self, events: int | None = None) -> None:
        """Go on: what was awaited is there. None: nothing was."""
        assert self._coroutine is not None
        try:
            wait = self._coroutine.send(events)
        except StopIteration as end:
            self._finish(end.value)
        except Exception as error:  # noqa: BLE001  (a probe's bug ends the try, never the runner)
            self._failed(error)
        else:
            try:
                self._await(wait)
            except OSError as error:
                self._failed(error)

    def hear_out(self) -> None:
        """One step more, if what it waits for has come. One that breathes has more than a step to go: it gets none."""
        if self._descriptor >= 0 and (happened := self._driver.happened(self._descriptor, self._mask)):
            self._driver.drop(self)
            self.resume(happened)

    def expire(self) -> None:
        """Its time is up. The probe may say what that means; most let it be a Timeout."""
        assert self._coroutine is not None
        try:
            self._coroutine.throw(self.time_is_up())
        except StopIteration as end:
            self._finish(end.value)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
        else:
            self._failed(RuntimeError("a probe went on after its time was up"))

    def cancel(self) -> None:
        """End it without a word."""
        # Out of the epoll first: a forked child may hold the same socket for a moment, and then closing it here
        # would leave it there under a number that soon belongs to another.
        self._forget()
        self._driver.drop(self)
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None:
            coroutine.close()
        self.close()

    def _failed(self, error: Exception) -> None:
        outcome: Outcome | None = None
        try:
            if isinstance(error, Withheld):
                raise error
            if isinstance(error, MemoryError):
                raise Withheld("this process has no more memory") from error
            if isinstance(error, Failed):
                outcome = error.outcome
            elif isinstance(error, OSError) and error.errno is not None:
                outcome = outcome_of(error)
            else:
                outcome = Outcome(Reason.INTERNAL, f"{type(error).__name__}: {error}")
                self.error = error
        except Withheld as withheld:
            self.error = withheld
        self._finish(outcome)

    def _finish(self, outcome: Outcome | None) -> None:
        self.cancel()
        self._done(self, outcome)

    def _await(self, wait: _Wait) -> None:
        if wait is None:
            # Out of the epoll: what lies ready there would resume it as well, each time once more.
            self._forget()
            self._driver.later(self)
            return
        descriptor, mask = wait
        if descriptor == self._descriptor:
            if mask != self._mask:
                self._driver.change(descriptor, mask)
        else:
            self._forget()
            self._driver.watch(descriptor, mask, self)
            self._descriptor = descriptor
        self._mask = mask

    def _forget(self) -> None:
        if self._descriptor >= 0:
            self._driver.forget(self._descriptor)
            self._descriptor = -1


Done: TypeAlias = Callable[[Attempt, Outcome | None], None]


class Driver:
    """The epoll and who waits in it, or for a turn: each attempt in one place at a time, and there once."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._waiting: dict[int, Attempt] = {}
        self._heard: OrderedDict[Attempt, int] = OrderedDict()
        self._later: OrderedDict[Attempt, None] = OrderedDict()

    def fileno(self) -> int:
        """Readable when `turn` has something to do."""
        return self._epoll.fileno()

    def close(self) -> None:
        """After all attempts have ended."""
        self._epoll.close()

    @property
    def busy(self) -> bool:
        """Whether an attempt wants another turn at once."""
        return bool(self._later or self._heard)

    @property
    def breathing(self) -> int:
        """How many wait for nothing but a turn."""
        return len(self._later)

    def turn(self) -> None:
        """Resume whoever has something to do, without waiting, and for a slice of time; `busy` when there is more."""
        for descriptor, happened in self._epoll.poll(0, _MOST_EVENTS):
            attempt = self._waiting.get(descriptor)
            if attempt is not None:
                self._heard[attempt] = happened
        until = time.monotonic_ns() + SLICE_NS
        while self._heard:
            attempt, happened = self._heard.popitem(last=False)
            attempt.resume(happened)
            if time.monotonic_ns() >= until:
                break
        until = time.monotonic_ns() + SLICE_NS
        for _ in range(len(self._later)):
            if not self._later:
                break  # they may end each other
            self._later.popitem(last=False)[0].resume()
            if time.monotonic_ns() >= until:
                break

    def happened(self, descriptor: int, mask: int) -> int:
        """What is there now of what is waited for."""
        poll = select.poll()
        poll.register(descriptor, mask)
        return sum(events for _, events in poll.poll(0))

    def watch(self, descriptor: int, mask: int, attempt: Attempt) -> None:
        """`attempt` waits for it."""
        self._epoll.register(descriptor, mask)
        self._waiting[descriptor] = attempt

    def change(self, descriptor: int, mask: int) -> None:
        """It waits for something else of the same one."""
        self._epoll.modify(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """Nobody waits for it any more."""
        del self._waiting[descriptor]
        self._epoll.unregister(descriptor)

    def later(self, attempt: Attempt) -> None:
        """It goes on at a next turn, after those that asked before."""
        self._later[attempt] = None

    def drop(self, attempt: Attempt) -> None:
        """It does not wait for a turn any more."""
        self._heard.pop(attempt, None)
        self._later.pop(attempt, None)


async def in_asyncio(scope: Scope, work: Coroutine[Any, Any, ResultT], timeout_s: float) -> ResultT:
    """Run one such coroutine as a part of an asyncio program; what it raises is raised."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    try:
        wait = work.send(None)
        while True:
            if wait is None:
                await asyncio.sleep(0)
                wait = work.send(None)
            elif await _ready(loop, wait[0], wait[1], until):
                wait = work.send(wait[1] | _FAILED)  # asyncio does not tell which of them
            else:
                wait = work.throw(scope.time_is_up())
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        work.close()
        scope.close()


async def _ready(loop: asyncio.AbstractEventLoop, descriptor: int, mask: int, until: float) -> bool:
    happened = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if mask & _WRITABLE else (loop.add_reader, loop.remove_reader)
    add(descriptor, happened.set)
    try:
        async with asyncio.timeout_at(until):
            await happened.wait()
    except TimeoutError:
        return False
    finally:
        remove(descriptor)
    return True
