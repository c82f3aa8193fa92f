"""Questions to the VRRP and the checks process, answered with what the agent knows itself, or by silence."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mooring_node.balance.answer import Load, loads_of
from mooring_node.channel import Channel
from mooring_node.kernel.process import now_ns
from mooring_node.supervisor.inquiry import Inquiry
from mooring_node.units import SECOND_NS

PATIENCE_S = 2.0

Answer = dict[str, Any]


class _Question:
    """One that waits for its answer: the processes' own words, and the rows that a message alone cannot hold."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry = inquiry
        self.loads: list[Load] = []

    def take(self, message: Answer) -> None:
        if message.get("id") == self.inquiry.number:
            self.loads.extend(loads_of(message))
        self.inquiry.take(message)

    def finish(self) -> None:
        self.inquiry.finish({"loads": self.loads})


class Questions:
    """Those that wait for an answer.

    `others`: the processes that may be asked, by name; `about`: what the agent says to the same question.
    """

    def __init__(self, others: Mapping[str, Channel], about: Callable[[], Answer]) -> None:
        self._others = others
        self._about = about
        self._open: dict[int, _Question] = {}
        # Answers to a predecessor may still wait in the channel.
        self._number = now_ns()

    def ask(self, done: Callable[[Answer], None], *asked: str) -> None:
        """`done` gets the answer, after PATIENCE_S at the latest; of a process that did not speak it has {}."""
        self._number += 1
        until_ns = now_ns() + int(PATIENCE_S * SECOND_NS)
        question = _Question(Inquiry(self._number, until_ns, done, (*asked, "agent")))
        question.take({"agent": self._about(), "id": self._number})
        self._open[self._number] = question
        for name in asked:
            self._others[name].send({"do": "snapshot", "id": self._number})
        self._finish_complete()
        asyncio.get_running_loop().call_later(PATIENCE_S, self.expire)

    def hear(self, message: Answer) -> None:
        """A message of a process; who is answered by it is told before the next message is read."""
        for question in self._open.values():
            question.take(message)
        self._finish_complete()

    def expire(self) -> None:
        """Tell those who have waited long enough what there is."""
        now = now_ns()
        for number, question in tuple(self._open.items()):
            if now >= question.inquiry.until_ns:
                del self._open[number]
                question.finish()

    def _finish_complete(self) -> None:
        for number, question in tuple(self._open.items()):
            if question.inquiry.complete:
                del self._open[number]
                question.finish()
