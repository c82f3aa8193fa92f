"""Gathering an answer from the children: what came in time is told, what did not is named."""

from collections.abc import Callable, Sequence
from typing import Any


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
