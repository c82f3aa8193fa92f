"""The shared memory between the daemon's processes: a few numbers that outlive a process that dies.

The supervisor makes it before it forks; children write their progress, the VRRP process also what a successor needs
to adopt its addresses, the checks process since when its results are not looked after, the supervisor until when
nothing may be held here. Each slot has one writer at a time. A number is written and read as one machine word, so a
reader sees it as it was or as it is: struct.pack_into, which clears the bytes before it writes, would show him zero,
and a process that goes on would be taken for one that never did.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

_CHILDREN = 3
_RESULTS = _CHILDREN
_APART = _CHILDREN + 1
#: Twice what a configuration may have: while it is replaced, its groups keep their slots and the new ones take theirs.
_GROUPS = 2048
#: Names of groups are at most 80 bytes long.
_KEY_BYTES = 80
_NUMBER_BYTES = 8
#: Its name, then its two numbers; all begins at a multiple of a number's size.
_SLOT_BYTES = _KEY_BYTES + 2 * _NUMBER_BYTES
_SLOTS_AT = (_CHILDREN + 2) * _NUMBER_BYTES


@dataclass(frozen=True, slots=True)
class Standing:
    """What a group's last holder wrote, in CLOCK_BOOTTIME nanoseconds; zeros: it did not hold."""

    last_advert_ns: int = 0
    lease_end_ns: int = 0


class Slot:
    """One group's place on the board."""

    __slots__ = ("_numbers", "_place")

    def __init__(self, numbers: memoryview, offset: int) -> None:
        self._numbers = numbers
        self._place = (offset + _KEY_BYTES) // _NUMBER_BYTES

    def write(self, last_advert_ns: int, lease_end_ns: int) -> None:
        self._numbers[self._place] = last_advert_ns
        self._numbers[self._place + 1] = lease_end_ns

    def read(self) -> Standing:
        return Standing(self._numbers[self._place], self._numbers[self._place + 1])


class Board:
    """Progress of each child by its number, and a slot for each group by its name."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS_AT + _GROUPS * _SLOT_BYTES)
        self._numbers = memoryview(self._memory).cast("q")

    def progress(self, child: int, now_ns: int) -> None:
        """The child says that it is alive at `now_ns`."""
        self._numbers[child] = now_ns

    def last_progress(self, child: int) -> int:
        value: int = self._numbers[child]
        return value

    def vouch(self, now_ns: int) -> None:
        """The checks process says that what its results file holds is true at `now_ns`."""
        self._numbers[_RESULTS] = now_ns

    def vouched_ns(self) -> int:
        """When it last said so; 0: never."""
        return self.last_progress(_RESULTS)

    def stay_apart(self, until_ns: int) -> None:
        """The supervisor says that until then everything is to be handed over, and nothing taken."""
        self._numbers[_APART] = until_ns

    def apart_until_ns(self) -> int:
        """Until when; 0: nobody said so."""
        return self.last_progress(_APART)

    def slot(self, group: str) -> Slot:
        """The group's slot, taken if it has none; LookupError when all are taken."""
        key = _key(group)
        free = None
        for index in range(_GROUPS):
            offset = _SLOTS_AT + index * _SLOT_BYTES
            found = self._memory[offset : offset + _KEY_BYTES]
            if found == key:
                return Slot(self._numbers, offset)
            if free is None and found == bytes(_KEY_BYTES):
                free = offset
        if free is None:
            raise LookupError(f"no place on the board for {group}: {_GROUPS} groups are the limit")
        self._memory[free : free + _KEY_BYTES] = key
        return Slot(self._numbers, free)

    def standings(self) -> Iterator[tuple[str, Standing]]:
        """What stands in each slot that is taken, by its group's name."""
        for index in range(_GROUPS):
            offset = _SLOTS_AT + index * _SLOT_BYTES
            key = self._memory[offset : offset + _KEY_BYTES].rstrip(b"\0")
            if key:
                yield key.decode(errors="replace"), Slot(self._numbers, offset).read()

    def forget_all_but(self, groups: frozenset[str]) -> None:
        """Free the slots of groups that are gone."""
        keys = {_key(name) for name in groups}
        for index in range(_GROUPS):
            offset = _SLOTS_AT + index * _SLOT_BYTES
            if self._memory[offset : offset + _KEY_BYTES] not in keys:
                self._memory[offset : offset + _SLOT_BYTES] = bytes(_SLOT_BYTES)

    def close(self) -> None:
        self._numbers.release()
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _key(group: str) -> bytes:
    return group.encode()[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0")
