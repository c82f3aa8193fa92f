"""What the runner keeps of each target, and the lanes in which tries wait for their turn."""

from collections import OrderedDict

from mooring_node.checks.attempt import Attempt
from mooring_node.checks.config import CheckConfig, Target
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
        "standing",
        "target",
        "verdict",
        "withheld",
    )

    def __init__(self, target: Target, lane: "Lane", up: bool) -> None:
        self.target = target
        self.lane = lane
        self.kind = kind_of(target.check.probe)
        self.standing = Standing(up)
        self.verdict: Verdict | None = None
        self.withheld = ""
        self.attempt: Attempt | None = None
        self.planned_ns = 0
        self.began_ns = 0
        self.extended = False
        self.paused = False


class Lane:
    """The tries of one check, of whatever backends: those that are under way, and those that wait."""

    __slots__ = ("lanes", "ready", "running", "users")

    def __init__(self, lanes: "Lanes") -> None:
        self.lanes = lanes
        self.users = 0
        self.running = 0
        self.ready: OrderedDict[Watched, None] = OrderedDict()

    def wait(self, watched: Watched) -> None:
        """It begins when there is a place for it."""
        self.ready[watched] = None
        self.lanes.wait(self)

    def call_off(self, watched: Watched) -> None:
        """It does not wait any more."""
        self.ready.pop(watched, None)

    def leave(self) -> None:
        """One that was under way has ended."""
        self.running -= 1
        self.lanes.left()


class Lanes:
    """Places for tries, shared by checks: each in its turn, and none gets more than it leaves free.

    So one check whose backends are all silent gets half of the places, however long its timeout, the next that comes
    half of the rest, and there is one for the twelfth (of the usual 4096). What a place costs is a file descriptor.
    """

    def __init__(self, most: int) -> None:
        self.running = 0
        self._most = most
        self._lanes: dict[CheckConfig, Lane] = {}
        self._turns: OrderedDict[Lane, None] = OrderedDict()
        self._held: list[Lane] = []

    @property
    def free(self) -> bool:
        """Whether one that waits may begin."""
        return bool(self._turns) and self.running < self._most

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(len(lane.ready) for lane in self._lanes.values())

    @property
    def crowded(self) -> bool:
        """Whether some wait for others to end."""
        return bool(self._held or self._turns)

    def enter(self, check: CheckConfig) -> Lane:
        """The lane of one more target with this check."""
        lane = self._lanes.setdefault(check, Lane(self))
        lane.users += 1
        return lane

    def exit(self, check: CheckConfig) -> None:
        """A target with this check is gone; so are its tries."""
        lane = self._lanes[check]
        lane.users -= 1
        if not lane.users:
            del self._lanes[check]
            self._turns.pop(lane, None)

    def wait(self, lane: Lane) -> None:
        """A lane's first or next waits."""
        self._turns.setdefault(lane)

    def left(self) -> None:
        """A place is free again."""
        self.running -= 1
        self._turns.update(dict.fromkeys(self._held))
        self._held.clear()

    def next(self) -> Watched | None:
        """Whose turn it is; the place is taken. None: for those that wait there is no place now."""
        while self.free:
            lane, _ = self._turns.popitem(last=False)
            if not lane.ready:
                continue
            if lane.running >= self._most - self.running:
                self._held.append(lane)
                continue
            watched, _ = lane.ready.popitem(last=False)
            lane.running += 1
            self.running += 1
            if lane.ready:
                self._turns[lane] = None
            return watched
        return None

    def late(self, now_ns: int) -> tuple[int, int]:
        """How many have waited for longer than their interval, and the longest wait, in ns."""
        waits = [
            (now_ns - each.began_ns, each.target.check.interval_ns)
            for lane in self._lanes.values()
            for each in lane.ready
        ]
        late = [wait for wait, interval in waits if wait > interval]
        return len(late), max(late, default=0)
