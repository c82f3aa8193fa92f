"""The daemon's own looks at its node: what comes and goes is said once, and a look that fails changes nothing."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from mooring_node.agent import preflight
from mooring_node.agent.preflight import EVERY_NS, FIRST_NS, Found, Preflight

PRINT = "import sys; print(open(sys.argv[1]).read())"


class Lines:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, level: str, message: str) -> None:
        self.lines.append((level, message))


class Looker:
    """One whose program prints a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "said"
        self.log = Lines()
        self.changes = 0
        self.now_ns = 0
        self.preflight = Preflight((sys.executable, "-c", PRINT, str(self.file)), self.log, self._changed, 0)  # type: ignore[arg-type]

    def _changed(self) -> None:
        self.changes += 1

    async def look(self, said: str) -> None:
        self.file.write_text(said)
        self.now_ns += max(FIRST_NS, EVERY_NS)
        self.preflight.turn(self.now_ns)
        assert self.preflight._task is not None
        await self.preflight._task


def findings(*messages: str) -> str:
    return json.dumps({"findings": [{"severity": "error", "message": each, "remedy": "mend it"} for each in messages]})


def test_what_comes_and_goes_is_said_once(tmp_path: Path) -> None:
    async def play() -> None:
        looker = Looker(tmp_path)
        await looker.look(findings("a", "b"))
        assert looker.preflight.remarks == ("a; mend it", "b; mend it")
        await looker.look(findings("a", "b"))
        assert looker.changes == 1
        await looker.look(findings("b"))
        assert looker.preflight.found == (Found("error", "b; mend it"),)
        assert looker.log.lines == [
            ("error", "preflight: a; mend it"),
            ("error", "preflight: b; mend it"),
            ("info", "preflight: it is well again: a; mend it"),
        ]
        assert looker.changes == 2

    asyncio.run(play())


@pytest.mark.parametrize("said", ["", "junk", "{}", '{"findings": [{}]}', "[]"])
def test_a_look_that_fails_leaves_what_was_found(said: str, tmp_path: Path) -> None:
    async def play() -> None:
        looker = Looker(tmp_path)
        await looker.look(findings("a"))
        await looker.look(said)
        assert looker.preflight.remarks == ("a; mend it",)

    asyncio.run(play())


def test_not_in_the_rush_of_a_start_and_never_two_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        looker = Looker(tmp_path)
        looker.preflight.turn(FIRST_NS - 1)
        assert looker.preflight._task is None
        looker.file.write_text(findings())
        looker.preflight.turn(FIRST_NS)
        task = looker.preflight._task
        looker.preflight.turn(FIRST_NS + EVERY_NS)
        assert looker.preflight._task is task
        await looker.preflight.stop()

    asyncio.run(play())


def test_one_that_hangs_is_ended_and_so_is_one_at_the_daemon_s_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        hanging = Preflight((sys.executable, "-c", "import time; time.sleep(600)"), Lines(), lambda: None, 0)  # type: ignore[arg-type]
        monkeypatch.setattr(preflight, "PATIENCE_S", 0.2)
        assert await hanging._run() is None
        monkeypatch.setattr(preflight, "PATIENCE_S", 600.0)
        hanging.turn(FIRST_NS)
        await asyncio.sleep(0)
        await asyncio.wait_for(hanging.stop(), 30)

    asyncio.run(play())


def test_no_program_is_no_finding() -> None:
    lonely = Preflight(("/nonexistent",), Lines(), lambda: None, 0)  # type: ignore[arg-type]
    assert asyncio.run(lonely._run()) is None


@pytest.mark.parametrize("error", [OSError("no memory"), RuntimeError("can't start new thread")])
def test_a_program_that_cannot_be_started_is_no_finding(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fail)
    lonely = Preflight(("true",), Lines(), lambda: None, 0)  # type: ignore[arg-type]
    assert asyncio.run(lonely._run()) is None


def test_a_look_that_failed_does_not_spoil_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        log = Lines()
        looker = Preflight(("true",), log, lambda: None, 0)  # type: ignore[arg-type]

        async def fail() -> None:
            raise ValueError("a mistake of ours")

        monkeypatch.setattr(looker, "_run", fail)
        looker.turn(FIRST_NS)
        await asyncio.sleep(0)
        await looker.stop()
        assert log.lines == [("warning", "preflight: the last look failed: ValueError: a mistake of ours")]

    asyncio.run(play())
