"""kopf in a thread of its own, begun again when it fails."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import kopf

from mooring_operator.clock import Clock, boottime_s

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
#: kopf's tasks have so long to end; then they are left.
_PATIENCE_S = 2.0
#: Only its peering, which is off, shows it; else kopf asks for the name of its user, and dies where there is none.
_IDENTITY: Any = "mooring-operator"

log = logging.getLogger(__name__)


class Watches(threading.Thread):
    """Runs kopf until `stop`. kopf lists everything anew each time it begins."""

    def __init__(
        self,
        registry: kopf.OperatorRegistry,
        settings: Callable[[], kopf.OperatorSettings],
        *,
        begun: Callable[[], None],
        clock: Clock = boottime_s,
    ) -> None:
        """`begun` is called each time kopf is: it will list everything, and tell nothing of what has vanished."""
        super().__init__(name="kopf", daemon=True)
        self._registry, self._settings, self._begun, self._clock = registry, settings, begun, clock
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_flag: asyncio.Event | None = None
        self._failed_since: float | None = None

    @property
    def failing_s(self) -> float:
        """For how long kopf has not been able to run; 0 while it runs."""
        since = self._failed_since
        return 0.0 if since is None else self._clock() - since

    def run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._begun()
            try:
                self._live()
            except Exception as error:  # whatever kopf dies of, our own lists go on and it is begun again
                log.warning("kopf has failed and is begun again: %s: %s", type(error).__name__, error)
                log.debug("where it failed", exc_info=error)
            if self._stopping.is_set():
                return
            if self._failed_since is None:
                self._failed_since, pause_s = self._clock(), _FIRST_PAUSE_S
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def stop(self) -> None:
        """Returns at once; the thread ends soon after."""
        self._stopping.set()
        loop, flag = self._loop, self._stop_flag
        if loop is not None and flag is not None and not loop.is_closed():
            loop.call_soon_threadsafe(flag.set)

    def _live(self) -> None:
        """One life of kopf. Not by asyncio.run, which waits for every task: some of kopf's do not end."""
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_told)
        try:
            loop.run_until_complete(self._once())
        finally:
            loop.close()

    async def _once(self) -> None:
        self._loop, self._stop_flag = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping.is_set():
            return
        ready = asyncio.Event()
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            settings=self._settings(),
            clusterwide=True,
            identity=_IDENTITY,
            ready_flag=ready,
            stop_flag=self._stop_flag,
        )
        marking = asyncio.create_task(self._mark(ready))
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in (*left, marking):
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_PATIENCE_S)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _mark(self, ready: asyncio.Event) -> None:
        await ready.wait()
        self._failed_since = None


def _told(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What kopf leaves behind when it is torn down is no news."""
    log.debug("kopf: %s", context.get("message"))
