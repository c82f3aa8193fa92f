"""kopf's thread: begun again whatever it dies of, ended when it is asked to."""

import asyncio
import contextlib
import threading
from typing import Any

import kopf
import pytest

from mooring_operator.cluster import watches
from mooring_operator.cluster.handlers import kopf_settings
from mooring_operator.cluster.watches import Watches

LONG_S = 30.0


class FakeKopf:
    """What stands for kopf.spawn_tasks: fails so many times, then runs until it is stopped."""

    def __init__(self, failures: int, *, stubborn: bool = False) -> None:
        self.failures, self.stubborn = failures, stubborn
        self.running = threading.Event()
        self.left = False
        self.calls = 0

    async def spawn_tasks(
        self, *, ready_flag: asyncio.Event, stop_flag: asyncio.Event, **options: Any
    ) -> list[asyncio.Task[None]]:
        assert options["clusterwide"]
        self.calls += 1
        tasks = [asyncio.create_task(self._root(ready_flag, stop_flag))]
        if self.stubborn:
            tasks.append(asyncio.create_task(self._stubborn()))
        return tasks

    async def _root(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        if self.calls <= self.failures:
            await asyncio.sleep(0)
            raise RuntimeError("an error in the stream")
        ready.set()
        await asyncio.sleep(0)
        self.running.set()
        await stop.wait()

    async def _stubborn(self) -> None:
        """As one of kopf's that waits for credentials: it is not cancelled so easily."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.left = True
        await asyncio.Event().wait()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(watches, "_PATIENCE_S", 0.05)


def begin(monkeypatch: pytest.MonkeyPatch, fake: FakeKopf) -> tuple[Watches, list[int]]:
    monkeypatch.setattr(kopf, "spawn_tasks", fake.spawn_tasks)
    begun: list[int] = []
    found = Watches(kopf.OperatorRegistry(), kopf.OperatorSettings, begun=lambda: begun.append(1))
    found.start()
    return found, begun


@pytest.mark.usefixtures("quick")
def test_it_is_begun_again_until_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeKopf(failures=3)
    found, begun = begin(monkeypatch, fake)
    assert fake.running.wait(LONG_S)
    assert found.failing_s == 0.0
    # What vanished between two lives of kopf, only our own lists can tell.
    assert len(begun) == fake.calls == 4
    found.stop()
    found.join(LONG_S)
    assert not found.is_alive()


@pytest.mark.usefixtures("quick")
def test_tasks_of_its_that_do_not_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeKopf(failures=2, stubborn=True)
    found, _ = begin(monkeypatch, fake)
    assert fake.running.wait(LONG_S)
    assert (fake.calls, fake.left) == (3, True)
    found.stop()
    found.join(LONG_S)
    assert not found.is_alive()


def test_while_it_fails_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeKopf(failures=10_000)
    found, begun = begin(monkeypatch, fake)
    while not found.failing_s:
        assert found.is_alive()
    assert begun
    found.stop()
    found.join(LONG_S)
    assert not found.is_alive()


def test_one_that_is_stopped_before_it_began_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kopf, "spawn_tasks", FakeKopf(0).spawn_tasks)
    found = Watches(kopf.OperatorRegistry(), kopf.OperatorSettings, begun=lambda: None)
    found.stop()
    found.start()
    found.join(LONG_S)
    assert not found.is_alive()


def test_kopf_runs_where_the_user_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose uid may stand in no passwd."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", nobody)
    begun: list[int] = []
    ran = threading.Event()
    found = Watches(kopf.OperatorRegistry(), kopf_settings, begun=lambda: begun.append(1))
    monkeypatch.setattr(Watches, "_mark", lambda *_: _set(ran))
    found.start()
    assert ran.wait(LONG_S)
    found.stop()
    found.join(LONG_S)
    assert len(begun) == 1


async def _set(ran: threading.Event) -> None:
    ran.set()
