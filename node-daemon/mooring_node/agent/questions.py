"""Questions to the VRRP process, answered with what the agent knows itself, or by silence."""

import asyncio
from collections.abc import Callable
from typing import Any

from mooring_node.channel import Channel
from mooring_node.kernel.process import now_ns
from mooring_node.supervisor.inquiry import Inquiry

PATIENCE_S = 2.0

Answer = dict[str, Any]


class Questions:
    """Those that wait for an answer. `about`: what the agent says to the same question."""

    def __init__(self, vrrp: Channel, about: Callable[[], Answer]) -> None:
        self._vrrp = vrrp
        self._about = about
        self._open: dict[int, Inquiry] = {}
        # Answers to a predecessor may still wait in the channel.
        self._number = now_ns()

    def ask(self, done: Callable[[Answer], None]) -> None:
        """`done` gets the answer, after PATIENCE_S at the latest; its `vrrp` is empty when nobody spoke."""
        self._number += 1
        inquiry = Inquiry(self._number, now_ns() + int(PATIENCE_S * 1_000_000_000), done)
        inquiry.take({"agent": self._about(), "id": self._number})
        self._open[self._number] = inquiry
        self._vrrp.send({"do": "snapshot", "id": self._number})
        asyncio.get_running_loop().call_later(PATIENCE_S, self.expire)

    def hear(self, message: Answer) -> None:
        """A message of the VRRP process; who is answered by it is told before the next message is read."""
        for number, inquiry in tuple(self._open.items()):
            inquiry.take(message)
            if inquiry.complete:
                del self._open[number]
                inquiry.finish({})

    def expire(self) -> None:
        """Tell those who have waited long enough what there is."""
        now = now_ns()
        for number, inquiry in tuple(self._open.items()):
            if now >= inquiry.until_ns:
                del self._open[number]
                inquiry.finish({})
