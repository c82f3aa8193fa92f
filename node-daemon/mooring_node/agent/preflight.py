"""Looks at the node now and then, as a person would: `mooring-node preflight` in a process of its own (shell).

The list of a firewall's rules can be large: what it takes to read it goes with that process, and whatever that
stumbles over does not concern us.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mooring_node.agent.tasks import end, kill
from mooring_node.log import Log
from mooring_node.units import SECOND_NS

#: Not in the rush of a start.
FIRST_NS = 30 * SECOND_NS
EVERY_NS = 600 * SECOND_NS
PATIENCE_S = 60.0
#: Long enough to hear who speaks once a second.
LISTEN_S = 4
MOST_TOLD = 16


@dataclass(frozen=True, slots=True)
class Found:
    """`level` is the log's; `text` has the remedy."""

    level: str
    text: str


class Preflight:
    """`command` is what to run, with its arguments; `changed` is told when something else is found than before."""

    def __init__(self, command: Sequence[str], log: Log, changed: Callable[[], None], now_ns: int) -> None:
        self.found: tuple[Found, ...] = ()
        self._command = (*command, "--output", "json", "--listen", str(LISTEN_S))
        self._log = log
        self._changed = changed
        self._due_ns = now_ns + FIRST_NS
        self._task: asyncio.Task[None] | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        return tuple(each.text for each in self.found)

    def turn(self, now_ns: int) -> None:
        """To be called now and then."""
        if now_ns >= self._due_ns and (self._task is None or self._task.done()):
            self._due_ns = now_ns + EVERY_NS
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def stop(self) -> None:
        """A look that is under way is ended."""
        await end(self._task, self._log, "preflight: the last look failed")

    async def _look(self) -> None:
        found = await self._run()
        if found is None or found == self.found:
            return
        before, self.found = self.found, found
        for each in found:
            if each not in before:
                self._log.write(each.level, f"preflight: {each.text}")
        for each in before:
            if each not in found:
                self._log.write("info", f"preflight: it is well again: {each.text}")
        self._changed()

    async def _run(self) -> tuple[Found, ...] | None:
        """What it found; None where it did not say."""
        none = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=none, stdout=asyncio.subprocess.PIPE, stderr=none
            )
        except (OSError, RuntimeError):
            # RuntimeError: no thread can be had to wait for it.
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                output, _ = await process.communicate()
            return _read(output)
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                kill(process)
                await process.wait()


def _read(output: bytes) -> tuple[Found, ...] | None:
    try:
        listed = json.loads(output)["findings"]
        return tuple(Found(each["severity"], f"{each['message']}; {each['remedy']}") for each in listed[:MOST_TOLD])
    except (ValueError, KeyError, TypeError):
        return None
