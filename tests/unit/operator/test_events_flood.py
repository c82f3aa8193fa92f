"""Five hundred VirtualIPs that flap: what is written of it is bounded, and what was lost is counted."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.operator.test_events import Api

from mooring_api.virtualip import GroupStatus, VirtualIPStatus
from mooring_lab.wait import wait_until
from mooring_operator.cluster.events import EventPoster
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.metrics import Metrics
from mooring_operator.tell.event_budget import ALL_OBJECTS, EACH_OBJECT
from mooring_operator.tell.news import news_of

FLAPPING, SECONDS = 500, 90
NODES = ("n1", "n2")
START = datetime(2026, 1, 1, tzinfo=UTC)
LONG_S = 60.0


def held_by(name: str, node: str) -> VirtualIPStatus:
    group = GroupStatus(
        name=f"{name}-0", family="IPv4", virtual_router_id=7, addresses=("10.0.0.100",), holder=node, held_since_time=""
    )
    return VirtualIPStatus(groups=(group,))


class Flood:
    """A poster as it runs in the operator, but for the clock."""

    def __init__(self) -> None:
        self.api, self.metrics = Api(), Metrics()
        self.now_s, self.told = 0.0, 0
        self.poster = EventPoster(
            self.api,
            Store(),
            self.metrics,
            "pod-1",
            may_write=lambda: True,
            clock=lambda: self.now_s,
            wall_clock=lambda: START + timedelta(seconds=self.now_s),
        )

    def moves(self, name: str, turn: int) -> None:
        """The status of a VirtualIP was written: another node holds it."""
        before, after = held_by(name, NODES[turn % 2]), held_by(name, NODES[(turn + 1) % 2])
        news = news_of(before, after)
        assert len(news) == 1
        self.poster.tell(Write(Verb.STATUS, "VirtualIP", name, "", uid=f"uid-{name}", news=news))
        self.told += 1

    def ended(self, result: str) -> float:
        labels = {"result": result}
        return self.metrics.registry.get_sample_value("mooring_operator_events_written_total", labels) or 0.0

    def settle(self) -> None:
        """Until each that was told has been written or dropped."""
        wait_until(lambda: self.ended("ok") + self.ended("dropped") == self.told, LONG_S, "the events", every=0.001)


@pytest.fixture
def flood() -> Flood:
    return Flood()


def test_it_is_bounded(flood: Flood) -> None:
    flood.poster.start()
    for second in range(SECONDS):
        flood.now_s = float(second)
        for number in range(FLAPPING):
            flood.moves(f"vip-{number}", second)
        flood.settle()
    written = len(flood.api.events)
    assert flood.told == FLAPPING * SECONDS
    assert ALL_OBJECTS.burst <= written <= ALL_OBJECTS.burst + SECONDS / ALL_OBJECTS.refill_s
    assert written < flood.told / 60
    assert flood.ended("dropped") == flood.told - written
    by_object = Counter(event["involvedObject"]["name"] for event in flood.api.events)
    assert max(by_object.values()) <= EACH_OBJECT.burst + SECONDS / EACH_OBJECT.refill_s
    # The same move again is the same Event, whose count has what was not written too.
    names = {event["metadata"]["name"] for event in flood.api.events}
    assert len(names) <= FLAPPING * len(NODES)
    # When it is over, one that moves is told of again, with how often it did.
    flood.now_s = SECONDS + 60.0
    flood.moves("vip-7", 0)
    flood.settle()
    assert flood.api.events[-1]["involvedObject"]["name"] == "vip-7"
    assert flood.api.events[-1]["count"] == SECONDS / 2 + 1
    flood.poster.stop()
    flood.poster.join(LONG_S)


def test_one_that_flaps_alone_is_cut_off_by_its_own_bound(flood: Flood) -> None:
    flood.poster.start()
    for second in range(SECONDS):
        flood.now_s = float(second)
        flood.moves("vip-0", second)
        flood.settle()
    assert len(flood.api.events) == EACH_OBJECT.burst + (SECONDS - 1) // EACH_OBJECT.refill_s
    assert len({event["metadata"]["name"] for event in flood.api.events}) == len(NODES)
    flood.poster.stop()
    flood.poster.join(LONG_S)
