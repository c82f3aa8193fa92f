"""What is kept of the bodies of replies, which is little, and room for it that all tries share. Pure."""

import hashlib
import sys
from collections.abc import Callable, Generator
from typing import TypeAlias

from mooring_node.checks.verdict import Failed, Reason, Withheld

MOST_SEARCHED_BYTES = 256 * 1024
MOST_KEPT_BYTES = 64 * 1024 * 1024
#: So much there is for each of the 4096 tries that may be under way.
_SMALL_BYTES = 16 * 1024

Searching: TypeAlias = Generator[None, None, bool]


class Room:
    """Memory for bodies that are to be searched, of all tries together.

    Where it is full the first that came goes of those that are not small. So who fills it by replies that do not end
    loses his own, again and again: a small reply has its room, and a large one that comes without pause is gone before
    it is the first.
    """

    def __init__(self, most_bytes: int = MOST_KEPT_BYTES, small_bytes: int = _SMALL_BYTES) -> None:
        self._most_bytes = most_bytes
        self._small_bytes = small_bytes
        self._used_bytes = 0
        self._kept: dict[Kept, None] = {}

    @property
    def used_bytes(self) -> int:
        """What all have now."""
        return self._used_bytes

    def enter(self) -> "Kept":
        """A place for one body, empty."""
        kept = Kept(self)
        self._kept[kept] = None
        return kept

    def count(self, kept: "Kept", size_bytes: int) -> None:
        """One has this much now; it, or others, may have to go."""
        self._used_bytes += size_bytes - kept.size_bytes
        kept.size_bytes = size_bytes
        while self._used_bytes > self._most_bytes:
            self._first(self._small_bytes).let_go()

    def leave(self, kept: "Kept") -> None:
        """What one has is not needed any more."""
        self._used_bytes -= kept.size_bytes
        kept.size_bytes = 0
        self._kept.pop(kept, None)

    def _first(self, beyond_bytes: int) -> "Kept":
        found = next((each for each in self._kept if each.size_bytes > beyond_bytes), None)
        return found or self._first(0)


class Kept:
    """The beginning of one body, then the search through it. Nobody else holds them: let go, they are gone."""

    __slots__ = ("_data", "_gone", "_room", "_searching", "size_bytes")

    def __init__(self, room: Room) -> None:
        self.size_bytes = 0
        self._room = room
        self._data = bytearray()
        self._searching: Searching | None = None
        self._gone = False

    def add(self, data: bytearray) -> None:
        """More of the body. Failed where it had to be let go: it was long on its way."""
        if not self._gone:
            self._data += data[: MOST_SEARCHED_BYTES - len(self._data)]
            self._room.count(self, len(self._data))
        self._refuse_what_is_gone()

    def search(self, searching: Callable[[str], Searching]) -> None:
        """Begin to search what has come, by what `searching` makes of the text; Failed as above."""
        self._refuse_what_is_gone()
        text = self._data.decode("utf-8", "replace")
        self._data = bytearray()
        self._searching = searching(text)
        # A search without the text's last newline has a text of its own.
        self._room.count(self, 2 * sys.getsizeof(text))

    def step(self) -> bool | None:
        """A piece of the search, then what it has come to; None: not to its end. Withheld where it was let go."""
        if self._searching is None:
            raise Withheld("this node has no more room for the searches for bodyPattern")
        try:
            next(self._searching)
        except StopIteration as end:
            return bool(end.value)
        return None

    def _refuse_what_is_gone(self) -> None:
        if self._gone:
            words = "this node has no more room for so large a reply that takes long to come"
            raise Failed(Reason.REPLY_TOO_LARGE, words)

    def let_go(self) -> None:
        """There is no room for it."""
        self._gone = True
        self.leave()

    def leave(self) -> None:
        """The end; any number of times."""
        self._data = bytearray()
        self._searching = None
        self._room.leave(self)


class Body:
    """Takes a body as it comes: its size, and where asked for its digest, and its beginning, to be searched."""

    def __init__(self, algorithm: str | None = None, kept: Kept | None = None) -> None:
        self.size_bytes = 0
        self._hashed = None if algorithm is None else hashlib.new(algorithm, usedforsecurity=False)
        self._kept = kept

    def take(self, data: bytearray) -> None:
        """More of it."""
        self.size_bytes += len(data)
        if self._hashed is not None:
            self._hashed.update(data)
        if self._kept is not None:
            self._kept.add(data)

    def digest(self) -> str:
        """In hexadecimal; of nothing where none was asked for."""
        return "" if self._hashed is None else self._hashed.hexdigest()
