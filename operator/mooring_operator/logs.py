"""The operator's log: a line for each event on standard error, as text or as JSON."""

import json
import logging
from datetime import UTC, datetime


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        return f"{_time(record)} {record.levelname.lower()} {message}"


class _Json(logging.Formatter):
    """Names of objects stand in fields of their own, where a writer gives them by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": _time(record), "level": record.levelname.lower(), "message": record.getMessage()}
        entry |= {key: str(value) for key in ("kind", "name_of") if (value := getattr(record, key, None))}
        if "name_of" in entry:
            entry["name"] = entry.pop("name_of")
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_fields(kind: str, name: str) -> dict[str, str]:
    """For `extra`: which object a line is about."""
    return {"kind": kind, "name_of": name}


def begin(form: str, level: str) -> None:
    """Send everything that is logged to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # kopf tells each event of each object, and that signals are not its business here.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    if root.level > logging.DEBUG:
        handler.addFilter(_without_kopfs_insides)


def _without_kopfs_insides(record: logging.LogRecord) -> bool:
    """A watch that breaks is everyday life, and kopf tells it with the whole stack of each of its tasks."""
    if record.name.startswith("kopf"):
        record.exc_info = None
    return True
