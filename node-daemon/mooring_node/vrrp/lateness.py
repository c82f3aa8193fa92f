"""How late the loop woke: counts by bucket, and the worst; for the metric that tells of a starved process."""

BOUNDS_NS = (1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000, 500_000_000, 1_000_000_000)


class Lateness:
    """Cumulative counts as Prometheus wants them are made by the reader; here each bucket stands alone."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.total_ns = 0
        self.worst_ns = 0

    def record(self, late_ns: int) -> None:
        for index, bound in enumerate(BOUNDS_NS):
            if late_ns <= bound:
                self.counts[index] += 1
                break
        else:
            self.counts[-1] += 1
        self.total_ns += late_ns
        self.worst_ns = max(self.worst_ns, late_ns)
