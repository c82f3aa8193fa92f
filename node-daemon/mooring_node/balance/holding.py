"""Which addresses this node holds, as the VRRP process says it: in parts, the last of which counts for all. Pure."""

from collections.abc import Mapping
from typing import Any


class Holding:
    """What was said last; until then what a predecessor `noted`."""

    def __init__(self, noted: object) -> None:
        self.addresses = frozenset(map(str, noted)) if isinstance(noted, list) else frozenset()
        self._parts: list[str] = []

    def hear(self, message: Mapping[str, Any]) -> bool:
        """A message of whatever kind: whether this node holds others since."""
        part = message.get("holding")
        if not isinstance(part, list):
            return False
        self._parts += map(str, part)
        if message.get("more") is True:
            return False
        before, self.addresses, self._parts = self.addresses, frozenset(self._parts), []
        return self.addresses != before

    @property
    def noted(self) -> list[str]:
        """For a successor."""
        return sorted(self.addresses)
