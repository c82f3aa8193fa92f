"""When what was refused is tried again, and what is said of it meanwhile (pure)."""

from mooring_node.ipvs.findings import Problem
from mooring_node.ipvs.table import ServiceKey
from mooring_node.units import SECOND_NS

FIRST_NS, LAST_NS = 1 * SECOND_NS, 30 * SECOND_NS


def pause_ns(tries: int) -> int:
    """After so many refusals in a row (1, 2, ...): a second, and twice as long each time, up to 30 s."""
    return min(FIRST_NS << min(tries - 1, 16), LAST_NS)


class Retries:
    """Services that are to be left alone for a while, with the reason."""

    def __init__(self) -> None:
        self._until: dict[ServiceKey, int] = {}
        self._tries: dict[ServiceKey, int] = {}
        self._problems: dict[ServiceKey, Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems.values())

    @property
    def next_ns(self) -> int | None:
        """When the first of them is to be tried again."""
        return min(self._until.values(), default=None)

    def holds(self, key: ServiceKey) -> bool:
        """Whether a service is to be left alone."""
        return key in self._until

    def hold(self, key: ServiceKey, until_ns: int, problem: Problem) -> None:
        """Leave it alone until then."""
        self._until[key] = until_ns
        self._problems[key] = problem

    def refuse(self, key: ServiceKey, now_ns: int, problem: Problem, *, at_once: bool) -> None:
        """It was refused. `at_once`: the first time there is no pause and nothing is said, since what was
        believed of the kernel was wrong, and a look at it mends that."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        if at_once and tries == 1:
            return
        self.hold(key, now_ns + pause_ns(tries), problem)

    def forget(self, key: ServiceKey) -> None:
        """It was done, or something else is wanted of it now."""
        self._until.pop(key, None)
        self._tries.pop(key, None)
        self._problems.pop(key, None)

    def wake(self, now_ns: int) -> None:
        """Those whose time has come may be tried again; their problems stand until that went well."""
        for key in [key for key, until in self._until.items() if until <= now_ns]:
            del self._until[key]
