"""The operator's log: one line for each event on standard error, as text or as JSON.

Each JSON line says what it is about, also those of kopf and of other libraries: docs/logs.md has the table of fields.
"""

import io
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

_OWN = "mooring_operator"
_STRAY = "stderr"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        return f"{_time(record)} {record.levelname.lower()} {message}"


class _Json(logging.Formatter):
    """Names of objects stand in fields of their own, where a writer gives them by `extra`, or kopf by a reference."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self._identity = identity

    def format(self, record: logging.LogRecord) -> str:
        kind, name = _object(record) or ("Operator", self._identity)
        entry = {"time": _time(record), "level": record.levelname.lower(), "component": "operator"}
        entry |= {"kind": kind, "name": name, "message": record.getMessage()}
        if not record.name.startswith(_OWN):
            entry["logger"] = record.name
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _object(record: logging.LogRecord) -> tuple[str, str] | None:
    kind, name = getattr(record, "kind", None), getattr(record, "name_of", None)
    if kind and name:
        return str(kind), str(name)
    reference = getattr(record, "k8s_ref", None)
    if not isinstance(reference, dict) or not reference.get("name"):
        return None
    place = f"{reference['namespace']}/" if reference.get("namespace") else ""
    return str(reference.get("kind") or "Unknown"), f"{place}{reference['name']}"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_fields(kind: str, name: str) -> dict[str, str]:
    """For `extra`: which object a line is about; the name is `namespace/name` where it is in a namespace."""
    return {"kind": kind, "name_of": name}


def begin(form: str, level: str, identity: str = "") -> None:
    """Send everything that is logged to standard error. `identity` is this process, for lines about nothing else."""
    real = sys.stderr.real if isinstance(sys.stderr, _Stray) else sys.stderr
    handler = logging.StreamHandler(real)
    handler.setFormatter(_Json(identity) if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # kopf tells each event of each object, and that signals are not its business here.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    if root.level > logging.DEBUG:
        handler.addFilter(_without_kopfs_insides)
    if form == "json":
        sys.stderr = _Stray(real)
        threading.excepthook = _thread_failed


class _Stray(io.TextIOBase):
    """Standard error for what does not know of the log: a line becomes a line."""

    def __init__(self, real: TextIO) -> None:
        self.real = real
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                logging.getLogger(_STRAY).error("%s", line)
        return len(text)

    def writable(self) -> bool:
        return True


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """With the whole stack in one line."""
    name = failure.thread.name if failure.thread else "unknown"
    error = failure.exc_value
    logging.getLogger(_OWN).error("the thread %s has ended by a mistake of ours", name, exc_info=error)


def _without_kopfs_insides(record: logging.LogRecord) -> bool:
    """A watch that breaks is everyday life, and kopf tells it with the whole stack of each of its tasks."""
    if record.name.startswith("kopf"):
        record.exc_info = None
    return True
