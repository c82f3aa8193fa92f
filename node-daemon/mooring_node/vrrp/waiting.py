"""Waits for sockets: for any number of them, and no longer than asked, to less than a millisecond (shell).

epoll alone rounds to milliseconds; select alone takes no descriptor from 1,024 on, which 350 interfaces are enough for.
"""

import contextlib
import resource
import select
from collections.abc import Mapping

from mooring_node.units import SECOND_NS


class Waiting:
    """Knows of the last time what it waits for: sockets come and go seldom."""

    def __init__(self) -> None:
        # Made before all sockets, so its own descriptor is a low one.
        self._epoll = select.epoll()
        self._known: Mapping[int, object] = {}

    def wait(self, watched: Mapping[int, object], sleep_ns: int) -> set[int]:
        """Until one of them can be read, or the time has passed; those that can be read. They are by descriptor."""
        if watched != self._known:
            self._follow(watched)
        if not select.select([self._epoll], [], [], sleep_ns / SECOND_NS)[0]:
            return set()
        return {fileno for fileno, _ in self._epoll.poll(0, max(1, len(watched)))}

    def _follow(self, watched: Mapping[int, object]) -> None:
        # By the objects: a new socket may have the descriptor of one that the kernel forgot when it was closed.
        for fileno, each in self._known.items():
            if watched.get(fileno) is not each:
                with contextlib.suppress(OSError):
                    self._epoll.unregister(fileno)
        for fileno, each in watched.items():
            if self._known.get(fileno) is not each:
                self._epoll.register(fileno, select.EPOLLIN)
        self._known = dict(watched)


def allow_descriptors() -> None:
    """Raise this process's own limit of file descriptors as far as it may: each interface takes up to three."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
