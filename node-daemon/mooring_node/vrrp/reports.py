"""What happened in the VRRP process, on its way to the agent."""

import time
from collections import deque
from typing import Any

from mooring_node.channel import Channel

WAITING = 1024


class Outbox:
    """Messages to one channel: in order, never blocking; the oldest are dropped when nobody reads for long."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[dict[str, Any]] = deque(maxlen=WAITING)

    def put(self, message: dict[str, Any]) -> None:
        self._waiting.append(message)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the channel takes it."""
        while self._waiting and self._channel.send(self._waiting[0]):
            self._waiting.popleft()


class Reports:
    """What the agent is told without asking."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def transition(self, group: str, before: str, after: str, reason: str, former: str = "") -> None:
        """`former` is not empty where another group of this name runs meanwhile: by what the one was known."""
        told = {"group": group, "from": before, "to": after, "reason": reason, "time": time.time(), "former": former}
        self._outbox.put({"transition": told})

    def priority(self, group: str, priority: int | None) -> None:
        """It is another one than before, by what the group tracks; None: as configured."""
        self._outbox.put({"priority": {"group": group, "priority": priority}})

    def log(self, level: str, message: str, group: str = "") -> None:
        self._outbox.put({"log": {"level": level, "message": message, "group": group}})
