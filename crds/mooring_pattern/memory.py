"""How much several automata may remember together: beyond it the one that was begun with longest ago forgets all."""

from typing import Protocol

MOST_BYTES = 32 * 1024 * 1024
#: One pattern alone gets no more than this part of it, so that a costly one does not live at the expense of all others.
_SHARE = 8


class Forgetful(Protocol):
    """Who remembers; it says `release` when it has forgotten."""

    def forget(self) -> None: ...


class Memory:
    """A common bound, in bytes as those who remember count them. Forgetting costs time and changes no answer."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: dict[Forgetful, int] = {}
        """Who was begun with longest ago comes first."""
        self.total = 0

    def begin(self, one: Forgetful) -> None:
        """It is used: all others are older."""
        if one in self._held:
            self._held[one] = self._held.pop(one)

    def charge(self, one: Forgetful, size: int) -> None:
        """It remembers so much more; before this returns it may have been told to forget, or others."""
        self._held[one] = self._held.get(one, 0) + size
        self.total += size
        if self._held[one] > self._most // _SHARE:
            one.forget()
        while self.total > self._most:
            next(iter(self._held)).forget()

    def release(self, one: Forgetful) -> None:
        """It remembers nothing."""
        self.total -= self._held.pop(one, 0)
