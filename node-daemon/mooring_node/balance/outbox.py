"""Messages to another process, in order, as fast as it takes them; the sender never waits."""

import asyncio
from collections import deque
from typing import Any

from mooring_node.channel import Channel

WAITING = 4096


class Outbox:
    """Of one channel, in a running asyncio loop; the oldest are dropped when nobody reads for long."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=WAITING)
        self._watching = False

    @property
    def idle(self) -> bool:
        """Whether all has been taken."""
        return not self._waiting

    def put(self, message: dict[str, Any]) -> None:
        self._waiting.append(message)
        if not self._watching:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the channel takes it; the rest as soon as it does."""
        while self._waiting and self._channel.send(self._waiting[0]):
            self._waiting.popleft()
        if self._waiting and not self._watching:
            self._loop.add_writer(self._channel.fileno(), self.flush)
        elif self._watching and not self._waiting:
            self._loop.remove_writer(self._channel.fileno())
        self._watching = bool(self._waiting)
