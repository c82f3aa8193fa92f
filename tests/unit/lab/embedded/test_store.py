"""The journal: what was acknowledged is there again, whatever ended the process; what is forgotten is 410."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mooring_lab.api.embedded import store as module
from mooring_lab.api.embedded.errors import StatusError
from mooring_lab.api.embedded.store import Store


def _body(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name, **where}, **more}


def _content(store: Store) -> dict[tuple[str, str], Any]:
    return {one.key: one.body for one in store.objects("things")}


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    store.write("things", _body("a", text="ä\n"))
    second = store.write("things", _body("b", "ns"))
    store.write("things", _body("c"))
    store.write("things", _body("c"), deleted=True)
    before = _content(store)
    again = Store(tmp_path, 100)
    assert (_content(again), again.revision) == (before, 4)
    assert again.get("things", ("ns", "b")) == second
    assert [(change.revision, change.deleted) for change in again.since("things", 2)] == [(3, False), (4, True)]


def test_versions_are_never_given_twice_even_when_the_last_was_a_deletion(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    store.write("things", _body("a"))
    store.write("things", _body("a"), deleted=True)
    for _ in range(3):
        store = Store(tmp_path, 100)
    assert store.write("things", _body("b")).revision == 3


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    store.write("things", _body("a"))
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_bytes()
    store.write("things", _body("b"))
    line = journal.read_bytes()[len(whole) :]
    for cut in (0, 1, len(line) // 2, len(line) - 1):
        journal.write_bytes(whole + line[:cut])
        again = Store(tmp_path, 100)
        assert list(_content(again)) == [("", "a")]
        assert again.write("things", _body("c")).revision == 2
        assert list(_content(Store(tmp_path, 100))) == [("", "a"), ("", "c")]


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, 100)
    store.write("things", _body("a"))
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        real(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            store.write("things", _body("b"))
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:5]))
        with pytest.raises(OSError, match="a part of a line"):
            store.write("things", _body("b"))
    assert (list(_content(store)), store.revision) == ([("", "a")], 1)
    store.write("things", _body("c"))
    assert list(_content(Store(tmp_path, 100))) == [("", "a"), ("", "c")]


def test_a_long_journal_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMPACT_BYTES", 1000)
    store = Store(tmp_path, 100)
    for number in range(500):
        store.write("things", _body("a", number=number))
    journal = tmp_path / "journal.jsonl"
    assert journal.stat().st_size < 3000
    assert list(tmp_path.iterdir()) == [journal]
    again = Store(tmp_path, 100)
    assert (_content(again), again.revision) == (_content(store), 500)
    with pytest.raises(StatusError) as gone:
        again.since("things", 1)
    assert (gone.value.code, gone.value.reason) == (410, "Expired")
    assert again.since("things", 500) == []


def test_the_history_is_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path, history=3)
    for number in range(5):
        store.write("things", _body(f"a{number}"))
    store.write("others", _body("b"))
    assert [change.revision for change in store.since("things", 2)] == [3, 4, 5]
    with pytest.raises(StatusError, match="too old resource version: 1 "):
        store.since("things", 1)
    assert [change.revision for change in store.since("others", 0)] == [6]


def test_a_bucket_that_begins_now_has_no_past(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    store.write("things", _body("a"))
    store.begin("fresh")
    store.begin("things")
    assert store.since("fresh", 1) == []
    assert len(store.since("things", 0)) == 1
    with pytest.raises(StatusError):
        store.since("fresh", 0)


def test_who_waits_for_one_bucket_hears_of_it_alone(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)

    async def scenario() -> None:
        things = asyncio.create_task(store.changed("things", 60.0))
        others = asyncio.create_task(store.changed("others", 60.0))
        await asyncio.sleep(0)
        store.write("things", _body("a"))
        await asyncio.wait_for(things, 30.0)
        assert not others.done()
        others.cancel()
        await store.changed("others", 0.0)

    asyncio.run(scenario())


def test_a_change_tells_what_was_before(tmp_path: Path) -> None:
    store = Store(tmp_path, 100)
    first = store.write("things", _body("a"))
    second = store.write("things", _body("a", x=1))
    store.write("things", second.body, deleted=True)
    assert [change.before for change in store.since("things", 0)] == [None, first, second]
