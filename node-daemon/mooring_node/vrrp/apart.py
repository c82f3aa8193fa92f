"""Whether this node stands aside, and whether it has said so (pure).

In maintenance, by a person's word that is on disk; or until a moment on the board, because this daemon is about to be
ended. Either way its groups are handed over and listen only.
"""

from collections.abc import Callable


class Apart:
    """Both reasons; the second is told of once when nothing is held any more, and again to each that asks."""

    def __init__(self) -> None:
        self.maintenance = False
        self.handing = False
        self._untold = True

    def __bool__(self) -> bool:
        return self.maintenance or self.handing

    def asked(self) -> None:
        """Somebody waits for the word that everything is handed over."""
        self._untold = True

    def until(self, until_ns: int, now_ns: int) -> bool:
        """The moment on the board: whether that changes what the groups are to do."""
        before = bool(self)
        self.handing = now_ns < until_ns
        return bool(self) != before

    def take_word(self, holding: Callable[[], bool]) -> bool:
        """Whether it is to be said now that everything is handed over; asked at each turn, so `holding` seldom is."""
        if not self.handing or not self._untold or holding():
            return False
        self._untold = False
        return True
