"""What is known of backends, in a file that outlives the checks process but not the daemon.

A process that replaces one that died must not begin by its servers' initial states: dead backends would get
connections for a second. So each thing that is learned is written down before the kernel hears of it: what a check
found, whether a pool has its quorum, until when a backend drains. It is a journal: a line for each change, the last
of a key counts, and when it has grown it is written anew. A file, since shared memory has places of fixed size and
these are as many as the configuration says; without fsync, since it need not outlive the kernel; a line that a
death has torn is passed over. How old it is stands on the board (Board.vouch), so that nothing is written where
nothing changes.
"""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: Beyond twice of what it holds, and so many lines, it is written anew.
_SLACK_LINES = 1000


class Results:
    """The journal: keys to JSON values. `lost` hears, once until it works again, that it cannot be written."""

    def __init__(self, path: Path, lost: Callable[[str], None] = lambda _: None) -> None:
        self._path = path
        self._lost = lost
        self._held: dict[str, Any] = {}
        self._news: dict[str, Any] = {}
        self._lines = 0
        self._broken = False

    def read(self) -> Mapping[str, Any]:
        """What a predecessor wrote."""
        try:
            text = self._path.read_text(errors="replace")
        except OSError:
            return self._held
        for line in text.splitlines():
            with contextlib.suppress(ValueError, TypeError):
                key, value = json.loads(line)
                self._keep(str(key), value)
        return dict(self._held)

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
        self._lines += len(news)
        if self._broken or self._lines > 2 * len(self._held) + _SLACK_LINES:
            self._rewrite()
            return
        self._write(os.O_APPEND, news)

    def remove(self) -> None:
        """A planned end leaves nothing to know."""
        self._path.unlink(missing_ok=True)

    def _keep(self, key: str, value: Any) -> None:
        if value is None:
            self._held.pop(key, None)
        else:
            self._held[key] = value

    def _rewrite(self) -> None:
        self._lines = len(self._held)
        self._write(os.O_TRUNC, self._held)

    def _write(self, flag: int, entries: Mapping[str, Any]) -> None:
        data = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries.items()).encode()
        new = self._path.with_name(self._path.name + ".new") if flag == os.O_TRUNC else self._path
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
