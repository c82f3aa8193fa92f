"""How often changes of one sort may be passed on: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `burst` at once, `least_s` apart, and one more each `every_s` seconds. The first one never waits."""

    every_s: float
    burst: int
    least_s: float
    booked_until: float = 0.0
    """Each one books `every_s`; a burst may be booked ahead."""
    last: float = float("-inf")

    def next(self) -> float:
        """When the next one may be."""
        return max(self.last + self.least_s, self.booked_until - (self.burst - 1) * self.every_s)

    def taken(self, now: float) -> "Pace":
        """After one at `now`."""
        booked = max(self.booked_until, now) + self.every_s
        return Pace(self.every_s, self.burst, self.least_s, booked, now)
