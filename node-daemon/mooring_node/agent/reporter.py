"""Sends the status out: does in the agent's loop what Publication decides, through a thread that may block."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from mooring_kube.errors import ApiError, Conflict, KubeError
from mooring_node.agent.hearing import explain
from mooring_node.agent.publication import Publication
from mooring_node.agent.writer import Document, OurMistake, Writer
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log, of_configuration
from mooring_node.units import SECOND_NS

#: The last words of a daemon that ends.
LAST_WORDS_S = 1.5


class Writable(Protocol):
    """Where a status is written."""

    def write_status(self, version: str, status: Mapping[str, Any]) -> Document: ...


class Reporter:
    """One status; `status` makes it when it is needed, `called` is its object in the log."""

    def __init__(self, status: Callable[[], Mapping[str, Any]], called: str, log: Log) -> None:
        self.writes = {"written": 0, "conflict": 0, "failed": 0}
        self._status = status
        self._called = called
        self._log = log
        self._publication = Publication()
        self._server: Writable | None = None
        self._writer = Writer(asyncio.get_running_loop(), self._written)
        self._writer.start()
        self._begun = False
        self._dirty = True
        self._confirms = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusal = ""

    # What is known of the server.

    def connected(self, server: Writable, now: int) -> None:
        self._server = server
        self._publication.connected(now, random.random())
        self._plan()

    def lost(self) -> None:
        self._publication.lost()
        self._plan()

    def observed(self, uid: str, version: str, status: object, *, newest: bool) -> None:
        """The object was seen; see Publication."""
        there = status if isinstance(status, dict) else None
        if self._publication.observed(uid, version, there, newest=newest):
            what = f"{self._called}: somebody else has written its status; it is written again"
            self._log.write("warning", what, of_configuration(self._log.node))
        self._plan()

    def absent(self) -> None:
        self._publication.absent()
        self._plan()

    def is_late(self, uid: str, version: str) -> bool:
        """Whether a newer version of that object has been seen or written."""
        return self._publication.knows_newer(uid, version)

    # What is to be told.

    def begin(self) -> None:
        """From now on there is something to tell; before, it would be half of what a predecessor has told."""
        if not self._begun:
            self._begun = True
            self._plan()

    def changed(self, *, confirms: bool = False) -> None:
        """Something that the status tells of may be other than before; `confirms`: that another generation runs."""
        self._dirty = True
        self._confirms = self._confirms or confirms
        self._plan()

    async def finish(self) -> None:
        """Say the last words, if there are any and somebody hears them; takes LAST_WORDS_S at most."""
        if not self._begun:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._idle.wait()
                self._publication.wanted = self._status()
                self._write(at_once=True)
                await self._idle.wait()

    def _plan(self) -> None:
        """Come back when something may be written; there is one such appointment at a time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._begun or not self._publication.ready:
            return
        due_ns = self._publication.due_ns()
        if self._dirty:
            due_ns = self._publication.earliest_ns(confirms=self._confirms)
        if due_ns is not None:
            delay_s = max(0, due_ns - now_ns()) / SECOND_NS
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._publish)

    def _publish(self) -> None:
        self._timer = None
        if self._dirty:
            self._dirty = self._confirms = False
            self._publication.wanted = self._status()
        self._write()
        self._plan()

    def _write(self, *, at_once: bool = False) -> None:
        status = self._publication.take(now_ns(), at_once=at_once)
        if status is not None and self._server is not None:
            self._idle.clear()
            self._writer.write(partial(self._server.write_status, self._publication.version, status))

    def _written(self, reply: Document | None, error: KubeError | None) -> None:
        self._idle.set()
        if reply is not None:
            metadata, status = reply.get("metadata"), reply.get("status")
            version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
            self._publication.written(str(version or ""), status if isinstance(status, dict) else None)
            self.writes["written"] += 1
            self._refusal = ""
        elif isinstance(error, Conflict):
            self._publication.conflicted(now_ns(), random.random())
            self.writes["conflict"] += 1
        elif error is not None:
            asked_s = error.retry_after_s if isinstance(error, ApiError) else None
            self._publication.failed(now_ns(), random.random(), int((asked_s or 0) * SECOND_NS))
            self.writes["failed"] += 1
            self._tell(error)
        self._plan()

    def _tell(self, error: KubeError) -> None:
        """Once for each kind of refusal; that a server is gone, who listens to it says."""
        kind = type(error).__name__
        if isinstance(error, ApiError | OurMistake) and kind != self._refusal:
            what = f"{self._called}: its status was not written: {explain(error)}"
            self._log.write("warning", what, of_configuration(self._log.node))
        self._refusal = kind
