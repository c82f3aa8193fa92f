"""How long a second is, where time is a count of nanoseconds."""

SECOND_NS = 1_000_000_000
