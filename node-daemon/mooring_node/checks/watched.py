"""What the runner keeps of each target, and the lanes in which tries wait for their turn."""

from collections import deque

from mooring_node.checks.attempt import Attempt
from mooring_node.checks.config import Target
from mooring_node.checks.probes import kind_of
from mooring_node.checks.thresholds import Standing
from mooring_node.checks.verdict import Verdict


class Watched:
    """One target and all that is known of it."""

    __slots__ = (
        "attempt",
        "began_ns",
        "extended",
        "kind",
        "lane",
        "paused",
        "planned_ns",
        "queued",
        "standing",
        "target",
        "verdict",
    )

    def __init__(self, target: Target, lane: "Lane", up: bool) -> None:
        self.target = target
        self.lane = lane
        self.kind = kind_of(target.check.probe)
        self.standing = Standing(up)
        self.verdict: Verdict | None = None
        self.attempt: Attempt | None = None
        self.planned_ns = 0
        self.began_ns = 0
        self.extended = False
        self.queued = False
        self.paused = False


class Lane:
    """Tries that may be under way at once, and those that wait for their turn, first come, first served."""

    __slots__ = ("most", "ready", "running")

    def __init__(self, most: int) -> None:
        self.most = most
        self.running = 0
        self.ready: deque[Watched] = deque()

    @property
    def free(self) -> bool:
        """Whether one that waits may begin."""
        return bool(self.ready) and self.running < self.most
