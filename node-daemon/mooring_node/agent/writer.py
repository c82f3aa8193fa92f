"""A thread for requests that may take long: one after the other, their ends told in the agent's loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from mooring_kube.errors import KubeError

Document = dict[str, Any]


class OurMistake(KubeError):  # noqa: N818 - it names what it is
    """A request failed for a reason that no server can give."""


class Writer(threading.Thread):
    """Ends with the process; `done` is called in the loop's thread with the reply or the error."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, done: Callable[[Document | None, KubeError | None], None]
    ) -> None:
        super().__init__(name="write status", daemon=True)
        self._loop = loop
        self._done = done
        self._waiting: queue.SimpleQueue[Callable[[], Document]] = queue.SimpleQueue()

    def write(self, call: Callable[[], Document]) -> None:
        self._waiting.put(call)

    def run(self) -> None:
        while True:
            call = self._waiting.get()
            reply, failed = _outcome(call)
            try:
                self._loop.call_soon_threadsafe(self._done, reply, failed)
            except RuntimeError:
                return  # the loop has ended, and with it the agent


def _outcome(call: Callable[[], Document]) -> tuple[Document | None, KubeError | None]:
    try:
        return call(), None
    except KubeError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the thread in silence
        return None, OurMistake(f"a mistake of ours: {error!r}")
