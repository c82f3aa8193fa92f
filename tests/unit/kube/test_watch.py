"""Watches and followers: streams that end, break, lie or never end."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from tests.unit.kube.conftest import ApiStub, Reply

from mooring_kube import follow
from mooring_kube.client import Client
from mooring_kube.errors import Gone, KubeError, ServerError, Unreachable
from mooring_kube.follow import FIRST_PAUSE_S, LONGEST_PAUSE_S, Follower, pause_s
from mooring_kube.resources import NODE_CONFIGS

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


def node(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": node(name, version)}


def listed(version: int, *names: str) -> Reply:
    return Reply({"items": [node(name, version) for name in names], "metadata": {"resourceVersion": str(version)}})


def test_a_watch_gives_each_event_and_ends_with_the_stream(api: ApiStub, client: Client) -> None:
    first, second = event("ADDED", "lb-1", 3), event("BOOKMARK", "", 9)
    api.replies = [Reply(lines=[first, second])]
    heard = list(client.watch(NODE_CONFIGS, resource_version="1", field_selector="metadata.name=lb-1", timeout_s=60))
    assert [(each.type, each.resource_version) for each in heard] == [("ADDED", "3"), ("BOOKMARK", "9")]
    assert api.asked[0].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "1",
        "timeoutSeconds": "60",
        "fieldSelector": "metadata.name=lb-1",
    }


def test_an_event_may_come_in_pieces(api: ApiStub, client: Client) -> None:
    api.replies = [
        Reply(lines=[b'{"type": "ADDED", "obj', b'ect": {"metadata": {}}}\n{"type"', b': "DELETED", "object": {}}\n'])
    ]
    assert [each.type for each in client.watch(NODE_CONFIGS, resource_version="1")] == ["ADDED", "DELETED"]


def test_a_version_that_is_forgotten_is_gone(api: ApiStub, client: Client) -> None:
    api.replies = [Reply(lines=[EXPIRED]), Reply(EXPIRED["object"], 410)]
    with pytest.raises(Gone):
        list(client.watch(NODE_CONFIGS, resource_version="1"))
    with pytest.raises(Gone):
        client.watch(NODE_CONFIGS, resource_version="1")


@pytest.mark.parametrize(
    "line",
    [b"no json\n", b"[]\n", b'{"type": "ADDED"}\n', b'{"type": "ADDED", "object": 7}\n', b"[" * 400_000 + b"\n"],
    ids=["no json", "a list", "no object", "a number", "too deep"],
)
def test_what_is_no_event_ends_the_watch(api: ApiStub, client: Client, line: bytes) -> None:
    api.replies = [Reply(lines=[line])]
    with pytest.raises(Unreachable):
        list(client.watch(NODE_CONFIGS, resource_version="1"))


def test_a_line_without_an_end_is_not_collected_for_ever(api: ApiStub, client: Client) -> None:
    api.replies = [Reply(lines=[b"x" * 1_000_000] * 6)]
    with pytest.raises(Unreachable, match="no object"):
        list(client.watch(NODE_CONFIGS, resource_version="1"))


def test_a_silent_watch_is_closed_from_another_thread(api: ApiStub, client: Client) -> None:
    hold = threading.Event()
    api.replies = [Reply(lines=[event("ADDED", "lb-1", 3)], hold=hold)]
    watch = client.watch(NODE_CONFIGS, resource_version="1")
    heard: list[str] = []
    came = threading.Event()

    def read() -> None:
        for each in watch:
            heard.append(each.type)
            came.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert came.wait(20)
    watch.close()
    thread.join(20)
    hold.set()
    assert not thread.is_alive()
    assert heard == ["ADDED"]


def test_a_watch_that_nobody_reads_is_closed_at_once(api: ApiStub, client: Client) -> None:
    api.replies = [Reply(lines=[event("ADDED", "lb-1", 3)])]
    watch = client.watch(NODE_CONFIGS, resource_version="1")
    watch.close()
    assert list(watch) == []


class Told:
    """A handler that notes what it is told, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []
        self._more = threading.Condition()

    def _note(self, what: str, value: Any) -> None:
        with self._more:
            self.all.append((what, value))
            self._more.notify_all()

    def listed(self, items: Iterable[dict[str, Any]]) -> None:
        self._note("listed", [item["metadata"]["name"] for item in items])

    def changed(self, item: dict[str, Any]) -> None:
        self._note("changed", item["metadata"]["name"])

    def deleted(self, item: dict[str, Any]) -> None:
        self._note("deleted", item["metadata"]["name"])

    def failed(self, error: KubeError) -> None:
        self._note("failed", type(error))

    def wait(self, count: int) -> list[tuple[str, Any]]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.all) >= count, 20), self.all
            return list(self.all)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(follow, "LONGEST_PAUSE_S", 0.002)


def followed(api: ApiStub, client: Client, replies: list[Reply], told: int) -> list[tuple[str, Any]]:
    """What a handler is told until it has been told so much; the last stream stays open until then."""
    hold = threading.Event()
    api.replies = [*replies, Reply(lines=[], hold=hold)]
    handler = Told()
    follower = Follower(client, NODE_CONFIGS, handler)
    follower.start()
    try:
        api.wait_asked(len(replies) + 1)
        return handler.wait(told)
    finally:
        follower.stop()
        hold.set()
        follower.join(20)
        assert not follower.is_alive()


def test_a_follower_lists_and_then_tells_each_change(api: ApiStub, client: Client) -> None:
    stream = Reply(lines=[event("ADDED", "lb-2", 6), event("MODIFIED", "lb-1", 7), event("DELETED", "lb-2", 8)])
    told = followed(api, client, [listed(5, "lb-1"), stream], 4)
    assert told == [("listed", ["lb-1"]), ("changed", "lb-2"), ("changed", "lb-1"), ("deleted", "lb-2")]
    assert [asked.query.get("resourceVersion") for asked in api.asked] == [None, "5", "8"]


def test_a_follower_lists_in_the_pages_and_keeps_the_parts_that_it_was_told_to(api: ApiStub, client: Client) -> None:
    hold = threading.Event()
    api.replies = [listed(5, "lb-1"), Reply(lines=[], hold=hold)]
    handler = Told()
    named = {"metadata": {"name": "kept"}}
    follower = Follower(client, NODE_CONFIGS, handler, page=7, keep=lambda _: named)
    follower.start()
    try:
        assert handler.wait(1) == [("listed", ["kept"])]
        assert api.asked[0].query["limit"] == "7"
    finally:
        follower.stop()
        hold.set()
        follower.join(20)


def test_a_bookmark_is_where_the_next_watch_goes_on(api: ApiStub, client: Client) -> None:
    followed(api, client, [listed(5), Reply(lines=[event("BOOKMARK", "", 40)])], 1)
    assert api.asked[2].query["resourceVersion"] == "40"


def test_a_forgotten_version_is_listed_anew(api: ApiStub, client: Client) -> None:
    told = followed(api, client, [listed(5, "lb-1"), Reply(lines=[EXPIRED]), listed(9, "lb-2")], 2)
    assert told == [("listed", ["lb-1"]), ("listed", ["lb-2"])]


@pytest.mark.usefixtures("quick")
def test_a_broken_watch_goes_on_where_it_was(api: ApiStub, client: Client) -> None:
    broken = Reply(lines=[event("ADDED", "lb-2", 6), b"garbage\n"])
    told = followed(api, client, [listed(5), broken], 3)
    assert told == [("listed", []), ("changed", "lb-2"), ("failed", Unreachable)]
    assert api.asked[2].query["resourceVersion"] == "6"


@pytest.mark.usefixtures("quick")
def test_an_error_in_the_stream_is_listed_anew(api: ApiStub, client: Client) -> None:
    trouble = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "PrevKv=nil"}}
    told = followed(api, client, [listed(5), Reply(lines=[trouble]), listed(9, "lb-2")], 3)
    assert told == [("listed", []), ("failed", ServerError), ("listed", ["lb-2"])]


def test_a_version_that_goes_back_is_listed_anew(api: ApiStub, client: Client) -> None:
    back = Reply(lines=[event("BOOKMARK", "", 40)])
    told = followed(api, client, [listed(500, "lb-1"), back, listed(41, "lb-2")], 2)
    assert told == [("listed", ["lb-1"]), ("listed", ["lb-2"])]


def test_watches_that_end_at_once_are_not_begun_without_a_pause(api: ApiStub, client: Client) -> None:
    pauses: list[int] = []
    api.replies = [listed(5), *(Reply(lines=[]) for _ in range(3)), Reply(lines=[], hold=threading.Event())]
    follower = Follower(client, NODE_CONFIGS, Told())
    follower._pause = lambda failures, least_s: pauses.append(failures)  # type: ignore[method-assign]  # noqa: ARG005
    follower.start()
    api.wait_asked(5)
    follower.stop()
    follower.join(20)
    assert pauses[:3] == [1, 2, 3]


@pytest.mark.usefixtures("quick")
def test_a_list_that_fails_is_tried_until_it_works(api: ApiStub, client: Client) -> None:
    told = followed(api, client, [Reply({}, 500), Reply({}, 503), listed(5, "lb-1")], 3)
    assert told == [("failed", ServerError), ("failed", ServerError), ("listed", ["lb-1"])]


def test_a_follower_ends_while_it_waits_and_while_it_hears_nothing(api: ApiStub, client: Client) -> None:
    api.replies = [Reply({}, 500)]
    handler = Told()
    follower = Follower(client, NODE_CONFIGS, handler)
    follower.start()
    handler.wait(1)
    follower.stop()
    follower.join(20)
    assert not follower.is_alive()


def test_a_follower_is_connected_while_a_watch_is_open(api: ApiStub, client: Client) -> None:
    hold = threading.Event()
    api.replies = [listed(5), Reply(lines=[event("ADDED", "lb-1", 6)], hold=hold)]
    handler = Told()
    follower = Follower(client, NODE_CONFIGS, handler)
    assert not follower.connected
    follower.start()
    handler.wait(2)
    connected = follower.connected
    follower.stop()
    hold.set()
    follower.join(20)
    assert (connected, follower.connected) == (True, False)


def test_pauses_grow_to_a_bound_and_are_spread() -> None:
    assert [pause_s(n, 1.0) for n in (1, 2, 3)] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pause_s(10_000, 1.0) == LONGEST_PAUSE_S
    assert pause_s(1, 0.0) == FIRST_PAUSE_S / 2
