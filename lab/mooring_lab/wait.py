"""One way to wait for something that happens elsewhere."""

import select
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")
_POLL_SECONDS = 0.01


class Wakes(Protocol):
    """Something with a file descriptor that becomes readable when it is worth asking again."""

    def fileno(self) -> int: ...

    def drain(self) -> None:
        """Forget what made it readable."""


def wait_until(
    predicate: Callable[[], Answer],
    timeout: float,
    what: str,
    wakes: Sequence[Wakes] | None = None,
    every: float = _POLL_SECONDS,
) -> Answer:
    """Ask `predicate` until its answer is truthy and return it; TimeoutError names `what` after `timeout` seconds.

    With `wakes` it asks when one of them is readable (and once a second, in case an event was lost), else every
    `every` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        for wake in wakes or ():
            wake.drain()
        answer = predicate()
        if answer:
            return answer
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        if wakes:
            select.select(wakes, [], [], min(left, 1.0))
        else:
            time.sleep(min(left, every))
