"""Since when what packets need is not as it was wished for. Pure; times are nanoseconds of CLOCK_BOOTTIME."""


class Wishes:
    """One wish is worked on, a later one waits: the time is that of the first which is not met.

    So whoever wishes again and again does not make the others wait for ever. A wish whose work failed stays unmet.
    """

    def __init__(self) -> None:
        self._at_work_ns: int | None = None
        self._waiting_ns: int | None = None

    @property
    def since_ns(self) -> int | None:
        """None: all are met."""
        return self._waiting_ns if self._at_work_ns is None else self._at_work_ns

    def wish(self, now_ns: int) -> None:
        """For something new; the newest is what is worked on next."""
        if self._waiting_ns is None:
            self._waiting_ns = now_ns

    def begin(self) -> None:
        """What waits is worked on."""
        self._at_work_ns, self._waiting_ns = self.since_ns, None

    def met(self) -> None:
        """What was worked on is done."""
        self._at_work_ns = None
