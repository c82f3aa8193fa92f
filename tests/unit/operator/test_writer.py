"""What the writing threads do with each answer of the API server."""

import threading
from collections.abc import Callable

import pytest
from tests.unit.operator.fake_api import Document, FakeApi

from mooring_kube.errors import Invalid, KubeError, ServerError, TooManyRequests, Unreachable
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.writer import Writer
from mooring_operator.cluster.writes import Verb, Write


def config(name: str) -> Document:
    return {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": name}, "spec": {"x": 0}}


def change(api: FakeApi, name: str, value: int = 1) -> Write:
    version = api.get("NodeConfig", name)["metadata"]["resourceVersion"]
    return Write(Verb.APPLY, "NodeConfig", name, "", {"metadata": {"name": name}, "spec": {"x": value}}, version)


class Bench:
    """A Writer on a FakeApi, whose clock the test moves."""

    def __init__(self, *, may_write: Callable[[], bool] = lambda: True, threads: int = 8) -> None:
        self.api = FakeApi([config("a"), config("b")])
        self.now = 0.0
        self.results: list[str] = []
        self.again = 0
        self.store = Store()
        for kind in ("NodeConfig", "Node", "VirtualIP"):
            self.store.replace(kind, self.api.list(kind).items, "1")
        self.writer = Writer(
            self.api,
            self.store,
            self,
            may_write=may_write,
            again=self._count,
            threads=threads,
            clock=lambda: self.now,
        )

    def wrote(self, write: Write, result: str) -> None:
        self.results.append(f"{write.name} {result}")

    def _count(self) -> None:
        self.again += 1

    def run(self) -> None:
        while self.writer.step():
            pass


def test_what_was_written_is_known_at_once() -> None:
    bench = Bench()
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    stored = bench.store.get("NodeConfig", "a")
    assert stored
    assert stored.document["spec"] == {"x": 1}
    assert stored.resource_version == bench.api.get("NodeConfig", "a")["metadata"]["resourceVersion"]
    assert bench.results == ["a ok"]
    assert not bench.writer.busy()


def test_a_conflict_brings_what_stands_and_asks_for_another_turn() -> None:
    bench = Bench()
    write = change(bench.api, "a")
    bench.api.add(config("a") | {"spec": {"x": 7}})
    bench.writer.want([write])
    bench.run()
    stored = bench.store.get("NodeConfig", "a")
    assert stored
    assert stored.document["spec"] == {"x": 7}
    assert (bench.results, bench.again, bench.writer.wanted) == (["a conflict"], 1, frozenset())


def test_what_is_gone_is_forgotten() -> None:
    bench = Bench()
    write = change(bench.api, "a")
    bench.api.remove("NodeConfig", "a")
    bench.writer.want([write])
    bench.run()
    assert bench.store.get("NodeConfig", "a") is None
    assert bench.again == 1


@pytest.mark.parametrize("error", [Unreachable("timed out"), ServerError(500, "", "etcd: request timed out")])
def test_a_reply_that_never_came_is_looked_up_before_anything_else_is_written(error: KubeError) -> None:
    bench = Bench()

    def lose(write: Write) -> None:
        if write.name == "a":
            raise error

    bench.api.after = lose
    bench.writer.want([change(bench.api, "a"), change(bench.api, "b")])
    bench.run()
    assert bench.results == ["a failed"]
    bench.now = 1.0
    bench.run()
    stored = bench.store.get("NodeConfig", "a")
    assert stored
    assert stored.document["spec"] == {"x": 1}
    # b was worked out without knowing of a.
    assert bench.again == 1
    assert bench.results == ["a failed"]


def test_what_cannot_be_looked_up_keeps_all_others_waiting() -> None:
    bench = Bench()
    bench.api.after = _raise(Unreachable("gone"))
    reads = 0
    read = bench.api.read

    def away(kind: str, name: str) -> Document | None:
        nonlocal reads
        reads += 1
        if reads < 3:
            raise Unreachable("gone")
        return read(kind, name)

    bench.api.read = away  # type: ignore[method-assign]
    bench.writer.want([change(bench.api, "a"), change(bench.api, "b")])
    for second in range(10):
        bench.now = float(second)
        bench.run()
    assert reads == 3
    assert [write.name for write in bench.api.log] == ["a"]
    assert bench.again == 1


def _raise(error: KubeError) -> Callable[[Write], None]:
    def fail(write: Write) -> None:
        assert write
        raise error

    return fail


def test_what_the_server_refuses_is_counted_and_costs_no_other() -> None:
    bench = Bench()

    def refuse(write: Write) -> None:
        if write.name == "a":
            raise Invalid(422, "Invalid", "spec.x: is wrong")

    bench.api.before = refuse
    bench.writer.want([change(bench.api, "a"), change(bench.api, "b")])
    bench.run()
    assert bench.results == ["a refused", "b ok"]
    assert bench.writer.wanted == {("NodeConfig", "a", "spec")}


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_asks() -> None:
    bench = Bench()
    bench.api.before = _raise(TooManyRequests(429, "TooManyRequests", "later", retry_after_s=9.0))
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    bench.now = 8.9
    bench.run()
    assert len(bench.results) == 1
    bench.now = 9.0
    bench.run()
    assert len(bench.results) == 2


def test_who_may_not_write_writes_nothing() -> None:
    bench = Bench(may_write=lambda: False)
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    assert bench.api.log == []


def test_a_mistake_of_ours_in_one_write_costs_no_other() -> None:
    bench = Bench()

    def trip(write: Write) -> None:
        if write.name == "a" and not bench.results:
            raise ZeroDivisionError

    bench.api.before = trip
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    bench.now = 1.0
    bench.run()
    assert bench.again == 1
    bench.writer.want([change(bench.api, "b")])
    bench.run()
    assert bench.results == ["b ok"]


def test_its_threads_write_and_end() -> None:
    bench = Bench(threads=3)
    done = threading.Event()
    bench.api.after = lambda write: done.set() if write.name == "b" else None
    bench.writer.start()
    bench.writer.hold()
    bench.writer.want([change(bench.api, "a"), change(bench.api, "b")])
    assert done.wait(30.0)
    assert bench.writer.stop(30.0)
    assert sorted(bench.results) == ["a ok", "b ok"]


def test_at_its_end_it_waits_for_what_is_under_way_and_begins_nothing() -> None:
    bench = Bench(threads=1)
    begun, go_on = threading.Event(), threading.Event()

    def wait(write: Write) -> None:
        assert write
        begun.set()
        assert go_on.wait(30.0)

    bench.api.before = wait
    bench.writer.start()
    bench.writer.want([change(bench.api, "a"), change(bench.api, "b")])
    assert begun.wait(30.0)
    assert not bench.writer.stop(0.01)
    go_on.set()
    assert bench.writer.stop(30.0)
    assert len(bench.api.log) == 1


def test_at_its_end_a_spec_without_a_reply_is_no_end_of_it() -> None:
    """Nothing is under way while a look at what came of it waits for its time, and the API server may do it still."""
    bench = Bench()
    bench.api.before = _raise(Unreachable("timed out"))
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    assert bench.results == ["a failed"]
    assert not bench.writer.stop(0.0)


def test_at_its_end_a_spec_that_was_looked_up_is_known() -> None:
    bench = Bench()
    bench.api.after = _raise(Unreachable("timed out"))
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    bench.now = 1.0
    bench.run()
    assert bench.writer.stop(0.0)


def test_at_its_end_a_look_that_has_no_reply_leaves_the_spec_unknown() -> None:
    bench = Bench(threads=1)
    bench.api.after = _raise(Unreachable("timed out"))
    bench.writer.want([change(bench.api, "a")])
    bench.run()
    begun, go_on = threading.Event(), threading.Event()
    read = bench.api.read

    def wait(kind: str, name: str) -> Document | None:
        begun.set()
        assert go_on.wait(30.0)
        return read(kind, name)

    bench.api.read = wait  # type: ignore[method-assign]
    bench.now = 1.0
    bench.writer.start()
    assert begun.wait(30.0)
    assert not bench.writer.stop(0.0)
    go_on.set()
    assert bench.writer.stop(30.0)


def test_at_its_end_a_status_that_hangs_keeps_nobody() -> None:
    """No node is told by it; whoever comes next works it out anew."""
    bench = Bench(threads=1)
    begun, go_on = threading.Event(), threading.Event()

    def wait(write: Write) -> None:
        assert write
        begun.set()
        assert go_on.wait(30.0)

    bench.api.before = wait
    bench.writer.start()
    bench.writer.want([Write(Verb.STATUS, "VirtualIP", "web", "", {"metadata": {"name": "web"}, "status": {}}, "1")])
    assert begun.wait(30.0)
    assert bench.writer.stop(0.0)
    go_on.set()
    assert bench.writer.stop(30.0)


def test_a_turn_waits_until_the_outcome_of_each_write_is_known() -> None:
    bench = Bench(threads=1)
    begun, go_on, held = threading.Event(), threading.Event(), threading.Event()

    def wait(write: Write) -> None:
        assert write
        begun.set()
        assert go_on.wait(30.0)

    bench.api.before = wait
    bench.writer.start()
    bench.writer.want([change(bench.api, "a")])
    assert begun.wait(30.0)
    holder = threading.Thread(target=lambda: (bench.writer.hold(), held.set()))
    holder.start()
    assert not held.wait(0.05)
    go_on.set()
    assert held.wait(30.0)
    holder.join()
    assert bench.writer.stop(30.0)
