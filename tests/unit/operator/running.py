"""One operator's life without threads, clocks or sockets, on a FakeApi."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from tests.unit.operator.fake_api import FakeApi

from mooring_api.novelties import NOVELTIES, Novelties
from mooring_api.virtualip import VirtualIPStatus
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import KINDS, Endpoints
from mooring_operator.cluster.writer import Writer
from mooring_operator.cluster.writes import Write
from mooring_operator.reconcile import KnownPods, Reconciler, Result
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.conditions import Told
from mooring_operator.tell.judging import Judge
from mooring_operator.tell.scene import Scene
from mooring_operator.tell.servers.judging import ServerJudge
from mooring_operator.tell.servers.scene import ServerScene
from mooring_operator.tell.servers.status import ServerTold

START = datetime(2026, 1, 1, tzinfo=UTC)


StatusT = TypeVar("StatusT", VirtualIPStatus, VirtualServerStatus)


class CheckedJudge(Judge):
    """A Judge whose memory is held against one that has none."""

    def judge(
        self,
        scene: Scene,
        standings: Mapping[str, Standing],
        stands: Mapping[str, VirtualIPStatus | None],
        touched: Iterable[str],
        now: datetime,
    ) -> dict[str, Told]:
        found = super().judge(scene, standings, stands, touched, now)
        anew = Judge().judge(scene, standings, stands, (), now)
        assert {n: _undated(told.status, stands[n]) for n, told in found.items()} == {
            n: _undated(told.status, stands[n]) for n, told in anew.items()
        }
        for name, told in found.items():
            # What is not written yet is dated by whoever judged it, and so is what it is waited for.
            if told.status == anew[name].status:
                assert told.again_after_s == pytest.approx(anew[name].again_after_s)
        return found


def _undated(status: StatusT, written: StatusT | None) -> StatusT:
    """Without the times of changes that are not written yet: who remembers them dates them when they were judged."""
    there = {(c.type, c.status) for c in (written.conditions if written else ())}
    conditions = tuple(
        c if (c.type, c.status) in there else c.model_copy(update={"last_transition_time": None})
        for c in status.conditions
    )
    return status.model_copy(update={"conditions": conditions})


class CheckedServerJudge(ServerJudge):
    """The same of VirtualServers."""

    def judge(
        self, scene: ServerScene, stands: Mapping[str, VirtualServerStatus | None], now: datetime
    ) -> dict[str, ServerTold]:
        found = super().judge(scene, stands, now)
        anew = ServerJudge().judge(scene, stands, now)
        assert {key: _undated(told.status, stands[key]) for key, told in found.items()} == {
            key: _undated(told.status, stands[key]) for key, told in anew.items()
        }
        for key, told in found.items():
            if told.status == anew[key].status:
                assert told.again_after_s == pytest.approx(anew[key].again_after_s)
        return found


class Running:
    """A process from its start: it lists everything, turns and writes until nothing is left to do."""

    def __init__(
        self, api: FakeApi, *, may_write: Callable[[], bool] = lambda: True, novelties: Novelties = NOVELTIES
    ) -> None:
        self.api = api
        self.results: list[tuple[Write, str]] = []
        self.turns: list[Result] = []
        self.pods: KnownPods = {}
        self.endpoints = Endpoints()
        self.calendar_ahead_s = 0.0
        """By how much its calendar was set forward; no other clock was."""
        self._dirty = False
        self.store = Store(self._woken)
        self._reconciler = Reconciler(CheckedJudge(), CheckedServerJudge(), novelties)
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
        now = START + timedelta(seconds=self.api.now + self.calendar_ahead_s)
        result = self._reconciler.turn(self.store.view(), now, self.api.now, self.pods, self.endpoints)
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
