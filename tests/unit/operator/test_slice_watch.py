"""One watch for the endpoints of all Services that are named, and nothing kept of any other."""

import math
import threading
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from mooring_kube.client import Listing
from mooring_kube.errors import Forbidden
from mooring_operator.cluster import slice_watch
from mooring_operator.cluster.slice_watch import MOST_FAILURES, MOST_NAMES, SETTLE_S, SliceWatch, scope_of
from mooring_operator.cluster.view import Endpoints
from mooring_operator.plan.endpoints import endpoint_slice

Document = dict[str, Any]
NAME = "kubernetes.io/service-name"


def slice_of(service: str, *addresses: str, number: int = 0) -> Document:
    namespace, _, name = service.partition("/")
    return {
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-{number}", "namespace": namespace, "labels": {NAME: name}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP"}],
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
    }


class FakeFollower:
    """A Follower that says what the test has it say."""

    made: ClassVar["list[FakeFollower]"] = []

    def __init__(
        self, _: object, resource: Any, handler: Any, *, namespace: str, label_selector: str, page: int, keep: Any
    ) -> None:
        assert (resource.plural, page) == ("endpointslices", 100)
        self.handler, self.keep, self.scope = handler, keep, (namespace, label_selector)
        self.running = False
        FakeFollower.made.append(self)

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def lists(self, *items: Document) -> None:
        """As a Follower does: what `keep` leaves of them."""
        self.handler.listed([self.keep(item) for item in items])


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[float] = []
        self.watch = SliceWatch(object(), self.told.append, clock=lambda: self.now)  # type: ignore[arg-type]

    @property
    def running(self) -> list[FakeFollower]:
        return [each for each in FakeFollower.made if each.running]

    def addresses(self) -> dict[str, list[str]]:
        """Once it is time for what was heard."""
        self.now += 10.0
        known = self.watch.endpoints().slices
        return {service: [e.address for each in slices for e in each.endpoints] for service, slices in known.items()}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    FakeFollower.made = []
    monkeypatch.setattr(slice_watch, "Follower", FakeFollower)
    return Bench()


def test_while_no_service_is_named_nothing_is_followed(bench: Bench) -> None:
    bench.watch.follow(())
    assert FakeFollower.made == []
    assert bench.watch.endpoints() == Endpoints()


@pytest.mark.parametrize(
    ("services", "scope"),
    [
        (["shop/web"], ("shop", f"{NAME} in (web)")),
        (["shop/web", "shop/api"], ("shop", f"{NAME} in (api,web)")),
        (["shop/web", "mail/web"], (None, f"{NAME} in (web)")),
        ([f"shop/web-{n}" for n in range(MOST_NAMES + 1)], ("shop", NAME)),
        ([f"shop-{n}/web-{n}" for n in range(MOST_NAMES + 1)], (None, NAME)),
    ],
)
def test_the_server_leaves_out_what_nobody_named(services: list[str], scope: tuple[str | None, str]) -> None:
    assert scope_of(services) == scope


def test_what_was_not_listed_is_not_known(bench: Bench) -> None:
    bench.watch.follow(["shop/web", "shop/api"])
    assert bench.addresses() == {}
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"))
    assert bench.addresses() == {"shop/web": ["10.1.0.1"], "shop/api": []}


def test_of_another_service_nothing_is_kept(bench: Bench) -> None:
    """The selector goes by names, so a Service of the same name in another namespace comes along."""
    bench.watch.follow(["shop/web", "mail/imap"])
    (follower,) = bench.running
    assert follower.keep(slice_of("mail/web", "10.1.0.9")).keys() == {"metadata", "mooring.dev/read"}
    follower.lists(slice_of("shop/web", "10.1.0.1"), slice_of("mail/web", "10.1.0.9"))
    follower.handler.changed(slice_of("shop/imap", "10.1.0.8"))
    assert bench.addresses() == {"shop/web": ["10.1.0.1"], "mail/imap": []}
    assert set(follower.handler.slices) == {"shop/web"}


def test_slices_come_change_and_go(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    (follower,) = bench.running
    follower.lists(slice_of("shop/web", "10.1.0.2", number=2), slice_of("shop/web", "10.1.0.1", number=1))
    assert bench.addresses() == {"shop/web": ["10.1.0.1", "10.1.0.2"]}
    first = bench.watch.endpoints().slices["shop/web"][0]
    assert first == endpoint_slice(slice_of("shop/web", "10.1.0.1"))
    follower.handler.changed(slice_of("shop/web", "10.1.0.3", number=1))
    follower.handler.deleted(slice_of("shop/web", "10.1.0.2", number=2))
    assert bench.addresses() == {"shop/web": ["10.1.0.3"]}
    follower.handler.deleted(slice_of("shop/web", "10.1.0.3", number=1))
    assert bench.addresses() == {"shop/web": []}


def test_a_slice_that_goes_to_another_service_leaves_the_first(bench: Bench) -> None:
    bench.watch.follow(["shop/web", "shop/api"])
    (follower,) = bench.running
    follower.lists(slice_of("shop/web", "10.1.0.1"))
    moved = slice_of("shop/web", "10.1.0.1")
    moved["metadata"]["labels"] = {NAME: "api"}
    follower.handler.changed(moved)
    assert bench.addresses() == {"shop/web": [], "shop/api": ["10.1.0.1"]}
    del moved["metadata"]["labels"]
    follower.handler.changed(moved)
    assert bench.addresses() == {"shop/web": [], "shop/api": []}


def test_the_same_again_wakes_nobody(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    (follower,) = bench.running
    follower.lists(slice_of("shop/web", "10.1.0.1"))
    told = len(bench.told)
    again = slice_of("shop/web", "10.1.0.1")
    again["metadata"]["annotations"] = {"endpoints.kubernetes.io/last-change-trigger-time": "now"}
    follower.handler.changed(again)
    follower.handler.deleted(slice_of("shop/web", number=9))
    assert len(bench.told) == told
    before = bench.watch.endpoints().slices["shop/web"]
    follower.lists(again)
    bench.now += 10.0
    assert bench.watch.endpoints().slices["shop/web"] is before


def test_a_new_service_has_a_list_of_its_own_and_the_others_stay_known_meanwhile(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"))
    bench.watch.follow(["shop/web", "shop/api"])
    old, new = bench.running
    old.handler.changed(slice_of("shop/web", "10.1.0.2"))
    assert bench.addresses() == {"shop/web": ["10.1.0.2"]}
    # One list at a time: this one waits until the last is done.
    bench.watch.follow(["shop/web", "shop/api", "shop/mail"])
    assert bench.running == [old, new]
    new.lists(slice_of("shop/web", "10.1.0.2"), slice_of("shop/api", "10.1.1.1"))
    assert not old.running
    assert bench.addresses() == {"shop/web": ["10.1.0.2"], "shop/api": ["10.1.1.1"]}
    newest = bench.running[-1]
    assert newest.scope == ("shop", f"{NAME} in (api,mail,web)")
    old.handler.changed(slice_of("shop/web", "10.9.9.9"))
    newest.lists(slice_of("shop/web", "10.1.0.2"), slice_of("shop/api", "10.1.1.2"))
    assert bench.running == [newest]
    assert bench.addresses() == {"shop/web": ["10.1.0.2"], "shop/api": ["10.1.1.2"], "shop/mail": []}


def test_one_that_is_no_longer_named_is_forgotten_without_a_new_list(bench: Bench) -> None:
    bench.watch.follow(["shop/web", "shop/api"])
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"), slice_of("shop/api", "10.1.1.1"))
    bench.watch.follow(["shop/web"])
    assert bench.addresses() == {"shop/web": ["10.1.0.1"]}
    assert len(FakeFollower.made) == 1
    bench.watch.follow(())
    assert bench.running == []
    assert bench.addresses() == {}


def test_one_that_flaps_is_passed_on_a_few_times_and_then_once_a_second(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    (follower,) = bench.running
    follower.lists(slice_of("shop/web", "10.1.0.0"))
    seen = [bench.watch.endpoints()]
    bench.told.clear()
    # A hundred changes a second for ten seconds, and somebody who looks whenever there is said to be something.
    for count in range(1000):
        bench.now += 0.01
        follower.handler.changed(slice_of("shop/web", f"10.1.0.{count % 200}"))
        if bench.now >= min(bench.told, default=math.inf):
            bench.told.clear()
            seen.append(bench.watch.endpoints())
    assert all(one != other for one, other in pairwise(seen))
    assert 10 <= len(seen) - 1 <= 14
    assert bench.told[0] <= bench.now + 1.0
    # What changed last is known a second later at the latest.
    bench.now += 1.0
    assert [e.address for e in bench.watch.endpoints().slices["shop/web"][0].endpoints] == ["10.1.0.199"]


def test_the_first_change_waits_for_what_belongs_to_it_and_for_nothing_else(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"))
    bench.running[0].handler.changed(slice_of("shop/web", "10.1.0.2"))
    assert bench.told[-1] == pytest.approx(bench.now + SETTLE_S)


def test_what_was_known_stays_known_while_nobody_answers(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.watch.follow(["shop/web"])
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"))
    for _ in range(2 * MOST_FAILURES):
        bench.running[0].handler.failed(Forbidden(403, "Forbidden", "endpointslices is forbidden"))
    assert bench.addresses() == {"shop/web": ["10.1.0.1"]}
    assert bench.watch.endpoints().trouble == ""
    assert caplog.text.count("endpointslices is forbidden") == 1


def test_what_cannot_be_listed_is_said_after_a_while_and_is_never_taken_for_nothing(bench: Bench) -> None:
    bench.watch.follow(["shop/web"])
    for number in range(MOST_FAILURES):
        assert bench.watch.endpoints() == Endpoints(), number
        bench.running[0].handler.failed(Forbidden(403, "Forbidden", "endpointslices is forbidden"))
    assert len(bench.told) == 1
    assert bench.watch.endpoints() == Endpoints({}, "403 Forbidden: endpointslices is forbidden")
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"))
    assert bench.watch.endpoints().trouble == ""
    assert bench.addresses() == {"shop/web": ["10.1.0.1"]}


@pytest.mark.parametrize("part", ["addressType", "ports", "endpoints"])
@pytest.mark.parametrize("value", [None, 7, "x", ["y"], [{"addresses": 7}]])
def test_a_slice_that_cannot_be_read_costs_no_other(bench: Bench, part: str, value: Any) -> None:
    bench.watch.follow(["shop/web"])
    bench.running[0].lists(slice_of("shop/web", "10.1.0.1"), slice_of("shop/web", "10.1.0.2", number=1) | {part: value})
    assert "10.1.0.1" in bench.addresses()["shop/web"]


def test_a_real_follower_is_one() -> None:
    """What the fake stands for takes the same words."""
    listed = threading.Event()

    class Client:
        def list(self, *given: object, **options: Any) -> Listing:
            assert given[1] == "shop"
            assert options["label_selector"] == f"{NAME} in (web)"
            return Listing((options["keep"](slice_of("shop/web", "10.1.0.1")),), "1")

        def watch(self, *_: object, **__: object) -> None:
            listed.set()
            raise Forbidden(403, "Forbidden", "no watching")

    watch = SliceWatch(Client(), lambda _: None)  # type: ignore[arg-type]
    watch.follow(["shop/web"])
    assert listed.wait(30.0)
    assert [len(each.endpoints) for each in watch.endpoints().slices["shop/web"]] == [1]
    watch.stop()
