"""How programs of the agent's loop end."""

import asyncio
import logging
import time
from asyncio import unix_events
from typing import Any

import pytest

from mooring_node.agent.tasks import kill


def test_a_program_that_runs_is_ended() -> None:
    async def run() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        kill(process)
        code = await process.wait()
        kill(process)
        return code

    assert asyncio.run(run()) == -9


def test_one_that_has_just_ended_is_left_to_asyncio(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Until Python 3.11 a thread of asyncio's collects it, which may come second."""
    if watcher := getattr(unix_events, "ThreadedChildWatcher", None):
        collect = watcher._do_waitpid

        def late(*arguments: Any) -> None:
            time.sleep(0.5)
            collect(*arguments)

        monkeypatch.setattr(watcher, "_do_waitpid", late)

    async def run() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
        time.sleep(0.2)  # so that the loop has not heard of the end
        kill(process)
        return await process.wait()

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert asyncio.run(run()) == 7
    assert caplog.records == []
