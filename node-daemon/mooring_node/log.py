"""The daemon's log: one line for each event on standard error, as text or as JSON."""

import contextlib
import json
import select
import sys
import time
from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log:
    """Never waits for its reader: where nobody reads, lines are lost, and the daemon goes on."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def write(self, level: str, message: str, group: str = "") -> None:
        entry = {"time": timestamp(time.time()), "level": level, "group": group, "message": message}
        line = json.dumps(entry) if self._as_json else _plain(entry)
        with contextlib.suppress(OSError, ValueError):
            if select.select([], [sys.stderr], [], 0)[1]:
                print(line, file=sys.stderr, flush=True)


def _plain(entry: dict[str, str]) -> str:
    where = f" {entry['group']}:" if entry["group"] else ""
    return f"{entry['time']} {entry['level']}{where} {entry['message']}"
