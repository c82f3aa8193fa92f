"""Programs that are run when something happens to a backend or a quorum.

Each notification of a server has a queue of its own, in which one program runs after the other, so that the last
event is the last one told. Nobody waits for them. A queue is bounded; when it overflows the oldest is dropped, and
that is said.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from mooring_node.balance.config import NotificationConfig, ServerConfig
from mooring_node.balance.states import Happening

WAITING = 256
#: Over all queues.
AT_ONCE = 16

Say: TypeAlias = Callable[[str, str, str], None]
"""Level, message, server."""


class Programs(Protocol):
    """Runs a program of the scripts folder; how it ended badly in words, "" where it ended well."""

    async def __call__(self, file: str, arguments: tuple[str, ...], timeout_s: float) -> str: ...


@dataclass(frozen=True, slots=True)
class _Order:
    server: str
    config: NotificationConfig
    arguments: tuple[str, ...]


class Notifier:
    """All queues."""

    def __init__(self, programs: Programs, say: Say) -> None:
        self._programs = programs
        self._say = say
        self._queues: dict[tuple[str, NotificationConfig], deque[_Order]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(AT_ONCE)
        self.dropped = 0

    def tell(self, server: ServerConfig, happening: Happening) -> None:
        """Run what this server wants to be run for it."""
        for config in server.notifications:
            if happening.event not in config.on:
                continue
            key = (server.name, config)
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = deque(maxlen=WAITING)
                task = asyncio.get_running_loop().create_task(self._work(key, queue))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if len(queue) == WAITING:
                self.dropped += 1
                if self.dropped % WAITING == 1:
                    self._say(
                        "error", f"{config.script} is too slow for what happens: {self.dropped} dropped", server.name
                    )
            queue.append(_Order(server.name, config, arguments(server, happening)))

    async def idle(self, patience_s: float) -> bool:
        """Until everything has been told; False when the time was not enough, and what was left is ended."""
        if not self._tasks:
            return True
        _, late = await asyncio.wait(self._tasks, timeout=patience_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    async def _work(self, key: tuple[str, NotificationConfig], queue: deque[_Order]) -> None:
        try:
            while queue:
                async with self._free:
                    await self._run(queue.popleft())
        finally:
            del self._queues[key]

    async def _run(self, order: _Order) -> None:
        given = (*order.config.arguments, *order.arguments)
        try:
            wrong = await self._programs(order.config.script, given, order.config.timeout_ns / 1e9)
        except Exception as error:  # noqa: BLE001 - no program may end those that come after it
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            self._say("error", f"{order.config.script} {' '.join(given)}: {wrong}", order.server)


def arguments(server: ServerConfig, happening: Happening) -> tuple[str, ...]:
    """What follows a notification's own arguments: event, VirtualServer, and for a backend its address and port."""
    name = server.virtual_server or server.name
    if happening.backend is None:
        return (str(happening.event), name)
    return (str(happening.event), name, happening.backend.address, str(happening.backend.port))
