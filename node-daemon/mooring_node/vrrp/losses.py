"""How often somebody deletes an address of ours: putting it back is right once, a fight is a fault."""

WINDOW_NS = 10_000_000_000
INCIDENT_NS = 100_000_000
LIMIT = 5


class Losses:
    """Counts incidents; deletions within 100 ms of each other are one (`ip address flush`)."""

    def __init__(self) -> None:
        self._incidents: list[int] = []

    def record(self, now_ns: int) -> bool:
        """Note a loss; True when there were more than LIMIT incidents within the last 10 s."""
        if not self._incidents or now_ns - self._incidents[-1] > INCIDENT_NS:
            self._incidents = [at for at in self._incidents if now_ns - at < WINDOW_NS]
            self._incidents.append(now_ns)
        if len(self._incidents) > LIMIT:
            self._incidents.clear()
            return True
        return False
