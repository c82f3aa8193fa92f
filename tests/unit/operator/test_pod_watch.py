"""One follower for each selection of pods, for as long as somebody asks for it."""

import threading
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from mooring_kube.client import Listing
from mooring_kube.errors import Forbidden
from mooring_operator.cluster import pod_watch
from mooring_operator.cluster.pod_watch import MOST_FAILURES, PodWatch
from mooring_operator.plan.pods import PodSelection

Document = dict[str, Any]
WEB, API = PodSelection("shop", "app=web"), PodSelection("shop", "app=api")


def pod(name: str, node: str, *, ready: bool = True, leaving: bool = False) -> Document:
    metadata: Document = {"name": name, "namespace": "shop"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": node}, "status": {"conditions": conditions}}


class FakeFollower:
    """A Follower that says what the test has it say."""

    made: ClassVar["list[FakeFollower]"] = []

    def __init__(self, client: object, resource: object, handler: Any, *, namespace: str, label_selector: str) -> None:
        assert client is not None
        assert resource is not None
        self.handler, self.selection = handler, PodSelection(namespace, label_selector)
        self.running = False
        FakeFollower.made.append(self)

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False


class Bench:
    def __init__(self) -> None:
        self.changes = 0
        self.watch = PodWatch(object(), self._count)  # type: ignore[arg-type]

    def _count(self) -> None:
        self.changes += 1

    def follow(self, *selections: PodSelection) -> None:
        self.watch.follow(selections)

    def __getitem__(self, selection: PodSelection) -> FakeFollower:
        (found,) = [each for each in FakeFollower.made if each.selection == selection and each.running]
        return found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    FakeFollower.made = []
    monkeypatch.setattr(pod_watch, "Follower", FakeFollower)
    return Bench()


def test_followers_come_and_go_with_who_asks(bench: Bench) -> None:
    bench.follow(WEB, WEB)
    bench.follow(WEB, API)
    assert len(FakeFollower.made) == 2
    bench.follow(API)
    assert [each.running for each in FakeFollower.made] == [False, True]
    bench.watch.stop()
    assert not any(each.running for each in FakeFollower.made)
    assert bench.watch.nodes() == {}


def test_what_was_not_listed_is_not_known(bench: Bench) -> None:
    bench.follow(WEB, API)
    assert bench.watch.nodes() == {}
    bench[WEB].handler.listed([])
    assert bench.watch.nodes() == {WEB: frozenset()}
    assert bench.changes == 1


def test_a_node_counts_while_one_of_its_pods_is_ready_and_stays(bench: Bench) -> None:
    bench.follow(WEB)
    handler = bench[WEB].handler
    handler.listed([pod("a", "n1"), pod("b", "n1"), pod("c", "n2", ready=False), pod("d", "n3", leaving=True)])
    assert bench.watch.nodes()[WEB] == {"n1"}
    handler.changed(pod("c", "n2"))
    assert bench.watch.nodes()[WEB] == {"n1", "n2"}
    handler.changed(pod("a", "n1", ready=False))
    assert bench.changes == 2
    handler.deleted(pod("b", "n1"))
    assert bench.watch.nodes()[WEB] == {"n2"}
    assert bench.changes == 3


def test_a_list_takes_out_what_is_gone(bench: Bench) -> None:
    bench.follow(WEB)
    bench[WEB].handler.listed([pod("a", "n1"), pod("b", "n2")])
    bench[WEB].handler.listed([pod("b", "n2")])
    assert bench.watch.nodes()[WEB] == {"n2"}


def test_what_was_known_stays_known_while_nobody_answers(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.follow(WEB)
    bench[WEB].handler.listed([pod("a", "n1")])
    for _ in range(3):
        bench[WEB].handler.failed(Forbidden(403, "Forbidden", "pods is forbidden"))
    assert bench.watch.nodes()[WEB] == {"n1"}
    assert caplog.text.count("pods is forbidden") == 1


def test_nobody_waits_for_ever_for_a_first_list(bench: Bench) -> None:
    bench.follow(WEB)
    for number in range(MOST_FAILURES):
        assert bench.watch.nodes() == {}, number
        bench[WEB].handler.failed(Forbidden(403, "Forbidden", "pods is forbidden"))
    assert bench.watch.nodes() == {WEB: None}
    assert bench.changes == 1
    bench[WEB].handler.listed([pod("a", "n1")])
    assert bench.watch.nodes() == {WEB: {"n1"}}


def test_pods_that_cannot_be_read_are_not_ready(bench: Bench) -> None:
    bench.follow(WEB)
    odd: Iterable[Document] = [{"metadata": {"name": "x"}, "spec": 7, "status": {"conditions": "no"}}]
    bench[WEB].handler.listed(odd)
    assert bench.watch.nodes()[WEB] == frozenset()


def test_a_real_follower_is_one() -> None:
    """What the fake stands for takes the same words."""
    listed = threading.Event()

    class Client:
        def list(self, *_: object, **options: object) -> Listing:
            assert (options["label_selector"], options["field_selector"]) == ("app=web", "")
            return Listing((pod("a", "n1"),), "1")

        def watch(self, *_: object, **__: object) -> None:
            listed.set()
            raise Forbidden(403, "Forbidden", "no watching")

    watch = PodWatch(Client(), lambda: None)  # type: ignore[arg-type]
    watch.follow([WEB])
    assert listed.wait(30.0)
    assert watch.nodes() == {WEB: frozenset({"n1"})}
    watch.stop()
