"""Gathering an answer from the children: what came in time is told, what did not is named."""

from collections.abc import Callable
from typing import Any


class Inquiry:
    """One question to the VRRP process and the agent, until both have answered or the time is up."""

    def __init__(self, number: int, until_ns: int, done: Callable[[dict[str, Any]], None]) -> None:
        self.number = number
        self.until_ns = until_ns
        self._done = done
        self._groups: list[dict[str, Any]] = []
        self._process: dict[str, Any] | None = None
        self._agent: dict[str, Any] | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Note a message of a child; one that answers another inquiry is ignored."""
        if message.get("id") != self.number:
            return
        if "part" in message:
            self._groups.extend(message["part"])
        elif "end" in message:
            self._process = message["end"]
        elif "agent" in message:
            self._agent = message["agent"]

    @property
    def complete(self) -> bool:
        return self._process is not None and self._agent is not None

    def finish(self, about: dict[str, Any]) -> None:
        """Hand over what is known."""
        silent = [name for name, answer in (("vrrp", self._process), ("agent", self._agent)) if answer is None]
        reply = {**about, "silent": silent, "groups": self._groups}
        self._done({**reply, "vrrp": self._process or {}, "agent": self._agent or {}})
