"""What a group writes on the board for a successor, and what it finds there of its predecessor. Pure."""

from mooring_node.board import Slot

#: As the time of the last advert: none yet, but the addresses may be there.
_TAKING_NS = 1


class Record:
    """A group's slot."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._last_advert_ns = 0

    def inherited(self) -> bool:
        """Whether a predecessor held the addresses: what is there of them is ours to clear away."""
        return self._slot.read().last_advert_ns != 0

    def lease_to_adopt(self, now_ns: int, adoptable_ns: int) -> int | None:
        """Until when the lease of a predecessor runs that spoke less than `adoptable_ns` ago; None: there is none."""
        standing = self._slot.read()
        fresh = standing.last_advert_ns > now_ns - adoptable_ns and standing.lease_end_ns > now_ns
        return standing.lease_end_ns if fresh else None

    def move(self, slot: Slot) -> None:
        """Another slot from now on, with what the former one says."""
        standing = self._slot.read()
        if slot.read() != standing:
            slot.write(standing.last_advert_ns, standing.lease_end_ns)
        self._slot = slot

    def take(self) -> None:
        """Before addresses are set: who dies before its first advert leaves a successor something to clear away."""
        self._slot.write(_TAKING_NS, 0)

    def speak(self, now_ns: int) -> None:
        """An advert goes out; to be followed by `hold`."""
        self._last_advert_ns = now_ns

    def hold(self, lease_end_ns: int) -> None:
        self._slot.write(self._last_advert_ns, lease_end_ns)

    def clear(self) -> None:
        """Nothing is held."""
        self._slot.write(0, 0)
