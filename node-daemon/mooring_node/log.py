"""The daemon's log: one line for each event on standard error, as text or as JSON.

Each JSON line says what it is about: docs/logs.md has the table of its fields.
"""

import contextlib
import io
import json
import os
import select
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO


def timestamp(seconds: float) -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a line is about."""

    kind: str
    """That of the object that a user knows: VirtualIP, VirtualServer, NodeConfig, Node; a Group is in no VirtualIP."""
    name: str
    """The object's name, `namespace/name` where it has one."""
    text: str = ""
    """As it stands in a line of text, before the message."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Which part of it, in fields of their own."""


def of_group(group: str, virtual_ip: str | None = None) -> Subject:
    """A group of addresses, of a VirtualIP where it is known which."""
    kind, name = ("VirtualIP", virtual_ip) if virtual_ip else ("Group", group)
    return Subject(kind, name, group, {"group": group})


def of_server(server: str, family: str = "", backend: str = "") -> Subject:
    """A virtual server, which is called `namespace/name:port`, and perhaps one of its backends."""
    fields = {"server": server, "family": family, "backend": backend}
    text = f"{server} {family}" if family else server
    return Subject("VirtualServer", server.partition(":")[0], text, {key: said for key, said in fields.items() if said})


def of_configuration(node: str, instance: str = "") -> Subject:
    """The NodeConfig of a node, and perhaps which instance or virtual server of it."""
    return Subject("NodeConfig", node, "", {"instance": instance} if instance else {})


class Log:
    """Never waits for its reader: where nobody reads, lines are lost, and the daemon goes on."""

    def __init__(self, *, as_json: bool, node: str = "") -> None:
        """`node` is what lines are about that are about nothing else: the Node's name; left out: the host's."""
        self.as_json = as_json
        self.node = node or os.uname().nodename
        self.configuration = self.node
        """The name of the NodeConfig, which a file need not have from the node."""

    def write(self, level: str, message: str, about: Subject | None = None) -> None:
        """`level`: info, warning or error."""
        now = timestamp(time.time())
        if self.as_json:
            subject = about or Subject("Node", self.node)
            entry: dict[str, Any] = {"time": now, "level": level, "component": "node", "node": self.node}
            entry |= {"kind": subject.kind, "name": subject.name, **subject.fields, "message": message}
            self._put(json.dumps(entry))
        else:
            self._put(f"{now} {level}{f' {about.text}:' if about and about.text else ''} {message}")

    @staticmethod
    def _put(line: str) -> None:
        stream = sys.stderr.real if isinstance(sys.stderr, Stray) else sys.stderr
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [stream], [], 0)[1]:
                print(line, file=stream, flush=True)


class Stray(io.TextIOBase):
    """Standard error for what does not know of the log: tracebacks, warnings, libraries. A line becomes a line.

    So a reader of JSON finds nothing else there; the rest of a program that ends without a line's end is lost.
    """

    def __init__(self, log: Log, real: TextIO) -> None:
        self.real = real
        self._log = log
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._log.write("error", line)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.real.fileno()


def catch_strays(log: Log) -> None:
    """From now on all that this process and its children print to standard error is in the log's form, if JSON."""
    if log.as_json and not isinstance(sys.stderr, Stray):
        sys.stderr = Stray(log, sys.stderr)
