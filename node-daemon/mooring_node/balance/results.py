"""What is known of backends, in a file that outlives the checks process but not the daemon.

A process that replaces one that died must not begin by its servers' initial states: dead backends would get
connections for a second. So each thing that is learned is written down before the kernel hears of it: what a check
found, whether a pool has its quorum, until when a backend drains. It is a journal: a line for each change, the last
of a key counts, and when it has grown it is written anew. A file, since shared memory has places of fixed size and
these are as many as the configuration says; without fsync, since it need not outlive the kernel; a line that a
death has torn is passed over. What is too large to be read is nothing known: a process that died of it would die
again and again. How old it is stands on the board (Board.vouch), so that nothing is written where
nothing changes.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: Beyond twice of what it held when it was last written anew, and so many bytes, it is written anew again.
_SLACK_BYTES = 256 * 1024
#: A larger one is not read: the largest configurations take a few MiB.
MOST_BYTES = 32 * 1024 * 1024


class Results:
    """The journal: keys to JSON values.

    `lost` hears that it cannot be read, and, once until it works again, that it cannot be written.
    """

    def __init__(self, path: Path, lost: Callable[[str], None] = lambda _: None) -> None:
        self._path = path
        self._lost = lost
        self._held: dict[str, Any] = {}
        self._news: dict[str, Any] = {}
        self._whole = 0
        """Bytes when it was last written anew."""
        self._grown = 0
        """Bytes since then."""
        self._broken = False

    def read(self) -> Mapping[str, Any]:
        """What a predecessor wrote; nothing where that cannot be read."""
        try:
            size = self._path.stat().st_size
            if size > MOST_BYTES:
                self._begin_anew(f"has {size} bytes, of {MOST_BYTES} at most")
            else:
                self._read()
        except FileNotFoundError:
            pass
        except (OSError, MemoryError) as error:
            self._begin_anew(repr(error))
        return dict(self._held)

    def _read(self) -> None:
        with self._path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    key, value = json.loads(line)
                    self._keep(str(key), value)

    def _begin_anew(self, why: str) -> None:
        """Its place is needed: a new one is written beside the old one before that goes."""
        self._held = {}
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._lost(f"{self._path}: {why}; checks begin anew, as if nothing were known of any backend")

    def put(self, key: str, value: Any) -> None:
        """Note it for the next `flush`; None: there is nothing to know any more."""
        self._news[key] = value

    def begin(self, entries: Mapping[str, Any]) -> None:
        """From now on it holds this, and nothing of what was read."""
        self._held = {key: value for key, value in entries.items() if value is not None}
        self._rewrite()

    def flush(self) -> None:
        """Write what is new, in one write."""
        news = {key: value for key, value in self._news.items() if self._held.get(key) != value}
        self._news.clear()
        if not news and not self._broken:
            return
        for key, value in news.items():
            self._keep(key, value)
        data = _lines(news)
        if self._broken or self._grown + len(data) > self._whole + _SLACK_BYTES:
            self._rewrite()
            return
        self._grown += len(data)
        self._write(os.O_APPEND, data)

    def remove(self) -> None:
        """A planned end leaves nothing to know."""
        for path in (self._path, self._new):
            path.unlink(missing_ok=True)

    @property
    def _new(self) -> Path:
        return self._path.with_name(self._path.name + ".new")

    def _keep(self, key: str, value: Any) -> None:
        if value is None:
            self._held.pop(key, None)
        else:
            self._held[key] = value

    def _rewrite(self) -> None:
        data = _lines(self._held)
        self._whole, self._grown = len(data), 0
        self._write(os.O_TRUNC, data)

    def _write(self, flag: int, data: bytes) -> None:
        new = self._new if flag == os.O_TRUNC else self._path
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            if new != self._path:
                new.replace(self._path)
        except OSError as error:
            if not self._broken:
                self._lost(f"{self._path}: {error}; results would be lost if this process died")
            self._broken = True
            return
        self._broken = False


def _lines(entries: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries.items()).encode()
