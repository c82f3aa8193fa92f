"""One operator's life without threads, clocks or sockets, on a FakeApi."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.unit.operator.fake_api import FakeApi

from mooring_operator.reconcile import Reconciler, Result
from mooring_operator.store import Store
from mooring_operator.view import KINDS
from mooring_operator.writer import Writer
from mooring_operator.writes import Write

START = datetime(2026, 1, 1, tzinfo=UTC)


class Running:
    """A process from its start: it lists everything, turns and writes until nothing is left to do."""

    def __init__(self, api: FakeApi, *, may_write: Callable[[], bool] = lambda: True) -> None:
        self.api = api
        self.results: list[tuple[Write, str]] = []
        self.turns: list[Result] = []
        self._dirty = False
        self.store = Store(self._woken)
        self._reconciler = Reconciler()
        self.writer = Writer(
            api, self.store, self, may_write=may_write, again=self._woken, threads=8, clock=lambda: api.now
        )
        for kind in KINDS:
            self.hear(kind)

    def wrote(self, write: Write, result: str) -> None:
        self.results.append((write, result))

    def _woken(self) -> None:
        self._dirty = True

    def hear(self, kind: str) -> None:
        """A complete list of that kind."""
        listing = self.api.list(kind)
        self.store.replace(kind, listing.items, listing.resource_version)

    def turn(self) -> Result:
        """Work out what is to be written; nothing is written yet."""
        self._dirty = False
        self.writer.hold()
        result = self._reconciler.turn(self.store.view(), START + timedelta(seconds=self.api.now))
        self.writer.want(result.writes)
        self.turns.append(result)
        return result

    def settle(self) -> "Running":
        """Hear everything, turn and write, until a turn wants nothing; half a second passes with each round."""
        for _ in range(200):
            for kind in KINDS:
                self.hear(kind)
            result = self.turn()
            while self.writer.step():
                pass
            if not result.writes and not self._dirty:
                return self
            self.api.now += 0.5
        raise AssertionError(f"it never settles: {[str(w) for w in self.turns[-1].writes]}")
