"""Gathering an answer from the children: what came in time is told, what did not is named."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Inquiry:
    """One question to the processes that are `asked`, until all have answered or the time is up."""

    def __init__(
        self,
        number: int,
        until_ns: int,
        done: Callable[[dict[str, Any]], None],
        asked: Sequence[str] = ("vrrp", "agent"),
    ) -> None:
        self.number = number
        self.until_ns = until_ns
        self._done = done
        self._asked = asked
        self._groups: list[dict[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}

    def take(self, message: dict[str, Any]) -> None:
        """Note a message of a child; one that answers another inquiry is ignored."""
        if message.get("id") != self.number:
            return
        if "part" in message:
            self._groups.extend(message["part"])
        elif "end" in message:
            self._answers["vrrp"] = message["end"]
        else:
            self._answers.update((name, message[name]) for name in ("agent", "checks") if name in message)

    @property
    def complete(self) -> bool:
        return all(name in self._answers for name in self._asked)

    def finish(self, about: dict[str, Any]) -> None:
        """Hand over what is known."""
        silent = [name for name in self._asked if name not in self._answers]
        answers = {name: self._answers.get(name, {}) for name in ("vrrp", "agent", "checks")}
        self._done({**about, "silent": silent, "groups": self._groups, **answers})


class Question(Protocol):
    """What is asked of the children; see Inquiry."""

    until_ns: int

    @property
    def complete(self) -> bool: ...
    def take(self, message: dict[str, Any], /) -> None: ...
    def finish(self, about: dict[str, Any], /) -> None: ...


class Inquiries:
    """All questions that are open."""

    def __init__(self) -> None:
        self._open: list[Question] = []
        self._numbers = 0

    def next_number(self) -> int:
        """By which the answers to one question are told from those to others."""
        self._numbers += 1
        return self._numbers

    def ask(self, question: Question) -> None:
        self._open.append(question)

    def take(self, message: dict[str, Any]) -> None:
        """A message of a child: whose answer it is, the questions know."""
        for question in self._open:
            question.take(message)

    def prolong(self, by_ns: int) -> None:
        """Nobody could answer for so long."""
        for question in self._open:
            question.until_ns += by_ns

    def expire(self, now_ns: int, about: Callable[[], dict[str, Any]]) -> None:
        """End those that have their answers, or have waited for long enough."""
        for question in [each for each in self._open if each.complete or now_ns >= each.until_ns]:
            self._open.remove(question)
            question.finish(about())
