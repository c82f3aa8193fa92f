"""A real-time process that never blocks is ended by the kernel (RLIMIT_RTTIME); a flood of packets must not do that."""

import time

from mooring_node.units import SECOND_NS

BLOCKED_NS = 100_000
BREATHE_EVERY_NS = SECOND_NS // 4


class Breath:
    """When the loop last blocked."""

    def __init__(self, now_ns: int) -> None:
        self._blocked_at_ns = now_ns

    def take(self, before_ns: int, now_ns: int) -> None:
        """After a wait between these: block for a moment when nothing else has made us block for long."""
        if now_ns - before_ns >= BLOCKED_NS:
            self._blocked_at_ns = now_ns
        elif now_ns - self._blocked_at_ns >= BREATHE_EVERY_NS:
            time.sleep(BLOCKED_NS / SECOND_NS)
            self._blocked_at_ns = now_ns
