"""What the checks process is told of the addresses that are held here, as it asks for them. Pure.

A node that takes over has to check at once, whatever has become of the agent; so it is told by whoever takes the
addresses. It asks each second, and is answered, and told of changes, while it does: a process that is not there must
not have its messages pile up.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.text import address_text

Keys: TypeAlias = frozenset[tuple[int, int, bytes, int]]
"""Of addresses as the kernel has them, see kernel.addresses; the third is the address."""

PATIENCE_NS = 3 * SECOND_NS
#: So many fit a message of the channel, of either family.
MOST_IN_MESSAGE = 2000


class Held:
    """What was told last, and until when changes of it are told."""

    def __init__(self) -> None:
        self._asked_until_ns = 0
        self._answer = False
        self._told: tuple[Keys, ...] = ()
        self._messages: tuple[dict[str, Any], ...] = parts(())

    def ask(self, now_ns: int) -> None:
        self._asked_until_ns, self._answer = now_ns + PATIENCE_NS, True

    def due(self, held_now: Callable[[], tuple[Keys, ...]], now_ns: int) -> tuple[dict[str, Any], ...]:
        """The messages to send now; `held_now` says what each group holds, and is asked while somebody asks us."""
        if now_ns >= self._asked_until_ns:
            return ()
        held = held_now()
        if held != self._told:
            self._told, self._answer = held, True
            self._messages = parts(sorted({address_text(key[2]) for each in held for key in each}))
        if not self._answer:
            return ()
        self._answer = False
        return self._messages


def parts(addresses: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """The last has no more after it."""
    left = list(addresses)
    starts = range(0, max(1, len(left)), MOST_IN_MESSAGE)
    return tuple({"holding": left[at : at + MOST_IN_MESSAGE], "more": at != starts[-1]} for at in starts)
