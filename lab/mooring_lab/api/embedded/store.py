"""The objects, their resourceVersions and the last changes, kept in a journal that a killed process leaves whole.

Each change is one line of the journal, written before it is acknowledged: what the kernel has taken survives
SIGKILL (a power cut is nothing that the lab promises to survive). A torn last line was never acknowledged.
"""

import asyncio
import json
import os
from bisect import bisect_right
from collections import defaultdict, deque
from pathlib import Path
from typing import NamedTuple

from mooring_lab.api.embedded.errors import Object, expired

COMPACT_BYTES = 32 << 20
Key = tuple[str, str]
"""Namespace ("" where there is none) and name."""


class Stored(NamedTuple):
    """One version of an object. The body is shared: nobody changes it."""

    revision: int
    body: Object
    raw: bytes

    @property
    def key(self) -> Key:
        return self.body["metadata"].get("namespace", ""), self.body["metadata"]["name"]


class Change(NamedTuple):
    """A change of one object; `now` of a deletion is its last state with the deletion's resourceVersion."""

    revision: int
    now: Stored
    before: Stored | None
    deleted: bool


def encode(body: Object) -> bytes:
    """Compact JSON; half of a surrogate pair, which no UTF-8 can say, becomes a question mark."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


class Store:
    """Objects by bucket (one for each resource) and by namespace and name; for one thread."""

    def __init__(self, folder: Path, history: int) -> None:
        self.revision = self._start = 0
        self._buckets: dict[str, dict[Key, Stored]] = defaultdict(dict)
        self._changes: dict[str, deque[Change]] = defaultdict(lambda: deque(maxlen=history))
        self._forgotten: dict[str, int] = {}
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._path, self._file = folder / "journal.jsonl", -1
        self._load()
        self._compact()

    def get(self, bucket: str, key: Key) -> Stored | None:
        """The object as it is now."""
        return self._buckets[bucket].get(key)

    def objects(self, bucket: str, namespace: str | None = None) -> list[Stored]:
        """All objects of a bucket, or those of one namespace, by namespace and name."""
        found = self._buckets[bucket]
        return [found[key] for key in sorted(found) if namespace is None or key[0] == namespace]

    def write(self, bucket: str, body: Object, *, deleted: bool = False) -> Stored:
        """Store or delete an object under the next resourceVersion; OSError: nothing was changed."""
        if self._size > COMPACT_BYTES + 4 * self._begin:
            self._compact()
        revision = self.revision + 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(revision)}}
        stored = Stored(revision, body, encode(body))
        self._append(b'["%s",%d,%s]\n' % (bucket.encode(), deleted, stored.raw))
        self._take(bucket, stored, deleted)
        self._changed.pop(bucket, asyncio.Event()).set()
        return stored

    def begin(self, bucket: str) -> None:
        """A bucket that was never used has no changes before now."""
        if not self._buckets[bucket] and not self._changes[bucket]:
            self._forgotten[bucket] = self.revision

    def since(self, bucket: str, revision: int) -> list[Change]:
        """The changes after a resourceVersion; 410 if some are forgotten."""
        oldest = self._forgotten.get(bucket, self._start)
        if revision < oldest:
            raise expired(revision, oldest)
        known = self._changes[bucket]
        if not known or known[-1].revision <= revision:
            return []
        changes = list(known)
        return changes[bisect_right(changes, revision, key=lambda change: change.revision) :]

    async def changed(self, bucket: str, timeout_s: float) -> None:
        """Return at the next change of the bucket, or after the time."""
        try:
            await asyncio.wait_for(self._changed[bucket].wait(), timeout_s)
        except TimeoutError:
            return

    def close(self) -> None:
        """Let the journal go."""
        os.close(self._file)

    def _take(self, bucket: str, stored: Stored, deleted: bool) -> None:
        before = self._buckets[bucket].pop(stored.key, None)
        if not deleted:
            self._buckets[bucket][stored.key] = stored
        changes = self._changes[bucket]
        if len(changes) == changes.maxlen:
            self._forgotten[bucket] = changes[0].revision
        changes.append(Change(stored.revision, stored, before, deleted))
        self.revision = stored.revision

    def _append(self, line: bytes) -> None:
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(f"{self._path} took a part of a line alone")
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)

    def _load(self) -> None:
        """The journal's first line is the resourceVersion that its history begins after."""
        if not self._path.exists():
            return
        first, *lines = self._path.read_bytes().split(b"\n")[:-1]
        self._start = json.loads(first)
        for line in lines:
            bucket, deleted, body = json.loads(line)
            self._take(bucket, Stored(int(body["metadata"]["resourceVersion"]), body, encode(body)), bool(deleted))
        self.revision = max(self.revision, self._start)

    def _compact(self) -> None:
        """Write a journal of what is there now in the old one's place."""
        lines = [b"%d\n" % self.revision]
        for bucket, objects in self._buckets.items():
            name = bucket.encode()
            lines += [
                b'["%s",0,%s]\n' % (name, one.raw) for one in sorted(objects.values(), key=lambda one: one.revision)
            ]
        fresh = self._path.with_suffix(".new")
        self._size = self._begin = fresh.write_bytes(b"".join(lines))
        fresh.replace(self._path)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
