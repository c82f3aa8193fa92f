"""When a node that was away gets its role back, and when it does not: preemption, in time.

The holder's link loses its carrier and gets it back; the other node, a daemon or a keepalived, carries on meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

# Counted by the guest's clock, of which a scenario takes minutes.
pytestmark = pytest.mark.timeout(1200)

MS = 1_000_000
SECOND = 1000 * MS
DELAY_S = 5
AWAY_S, BACK_S = 10, 30
TO_KEEPALIVED = {"backup": "ka"}
DELAYED = {"changes": {"preemption": {"mode": "Always", "delay": f"{DELAY_S}s"}}}
NEVER = {"changes": {"preemption": {"mode": "Never"}}}
ALWAYS = [
    {"version": 2, "interval_ms": 1000, "priorities": (100, 80)},
    {"version": 3, "interval_ms": 1000, "priorities": (254, 1)},
    {"version": 3, "interval_ms": 100, "priorities": (200, 100)},
    {"version": 3, "interval_ms": 10, "priorities": (200, 100)},
    {"version": 2, "interval_ms": 1000, "priorities": (200, 100), **TO_KEEPALIVED},
    {"version": 3, "interval_ms": 100, "priorities": (200, 100), **TO_KEEPALIVED},
]
# Intervals that do not divide the delay: which advert is the last before its end must not be a matter of microseconds.
WITH_DELAY = [
    {"version": 3, "interval_ms": 300, "priorities": (200, 100), **DELAYED},
    {"version": 3, "interval_ms": 70, "priorities": (254, 100), **DELAYED},
    {"version": 3, "interval_ms": 1300, "priorities": (200, 100), **DELAYED},
]
WITHOUT = [
    {"version": 2, "interval_ms": 1000, "priorities": (200, 100), **NEVER},
    {"version": 3, "interval_ms": 100, "priorities": (200, 100), **NEVER},
    {"version": 3, "interval_ms": 100, "priorities": (200, 100), **NEVER, **TO_KEEPALIVED},
]


@dataclass(frozen=True)
class Story:
    """What happened when the link went and came back."""

    bench: Any
    always: list[Any]
    delayed: list[Any]
    never: list[Any]
    down: int
    up: int

    @property
    def routers(self) -> list[Any]:
        return [*self.always, *self.delayed, *self.never]

    def sent(self, router: Any, node: str, after: int) -> list[int]:
        return [each.at for each in self.bench.wire.adverts(router.virtual_router_id, node, sent=True, after=after)]

    def heard(self, router: Any, node: str, after: int) -> list[int]:
        return [each.at for each in self.bench.wire.adverts(router.virtual_router_id, node, sent=False, after=after)]


@pytest.fixture(scope="module")
def story(make_bench: Callable[[], Any], router: Callable[..., Any], pass_time: Callable[[float], int]) -> Story:
    tables = (ALWAYS, WITH_DELAY, WITHOUT)
    numbers = iter(range(1, 255))
    always, delayed, never = ([router(virtual_router_id=next(numbers), **each) for each in table] for table in tables)
    routers = [*always, *delayed, *never]
    bench = make_bench()
    bench.start(routers, only=["n1"])
    pass_time(10)  # where nobody preempts, the first to come is the holder
    bench.start(routers, only=["n2", "ka"])
    pass_time(10)
    bench.nodes["n1"].fault_link()
    pass_time(AWAY_S)
    bench.nodes["n1"].heal()
    pass_time(BACK_S)
    (down,) = bench.kernel.changes("n1", "down")
    up = next(at for at in bench.kernel.changes("n1", "up") if at > down)
    return Story(bench, always, delayed, never, down, up)


def test_a_lost_carrier_is_a_fault_at_once(story: Story, figures: Any) -> None:
    with figures("from the loss of the carrier to the release of the addresses") as table:
        for router in story.routers:
            removed = story.bench.kernel.changes("n1", "removed", router.address, after=story.down - MS)
            table.add(router, removed[0] - story.down, 0)


def test_a_lost_carrier_lets_the_other_wait_for_master_down(story: Story, figures: Any) -> None:
    with figures("from the last advert heard to the first one sent") as table:
        for router in story.routers:
            taken = story.sent(router, router.backup, after=story.down - SECOND)[0]
            last = [at for at in story.heard(router, router.backup, after=0) if at < taken][-1]
            table.add(router, taken - last, router.down(router.priorities[1]))


def test_a_returned_node_takes_its_role_back_after_an_interval_and_master_down(story: Story, figures: Any) -> None:
    with figures("from the carrier to the first advert of the returned node") as table:
        for router in story.always:
            back = story.sent(router, "n1", after=story.up)[0]
            table.add(router, back - story.up, router.interval_ms * MS + router.down(router.priorities[0]))


def test_a_preemption_delay_counts_from_the_first_advert_that_could_have_been_preempted(
    story: Story, figures: Any
) -> None:
    """While it lasts each advert restarts the timer; the last of them starts the wait that ends in the taking."""
    with figures("from the first advert that could have been preempted to the first one sent") as table:
        for router in story.delayed:
            back_to_backup = story.up + router.interval_ms * MS
            first = story.heard(router, "n1", after=back_to_backup)[0]
            interval_ns = router.interval_ms * MS
            restarts = DELAY_S * SECOND // interval_ns
            taken = story.sent(router, "n1", after=story.up)[0]
            table.add(router, taken - first, restarts * interval_ns + router.down(router.priorities[0]))


def test_without_preemption_a_returned_node_never_takes_its_role_back(story: Story) -> None:
    for router in story.never:
        assert story.sent(router, "n1", after=story.up) == [], router
        carried_on = story.sent(router, router.backup, after=story.up)
        assert len(carried_on) >= BACK_S * 1000 // router.interval_ms - 2, router


def test_who_is_preempted_lets_go_at_the_first_advert(story: Story, figures: Any) -> None:
    with figures("from the returned node's first advert to the other's release") as table:
        for router in (*story.always, *story.delayed):
            if router.backup == "ka":
                continue
            back = story.sent(router, "n1", after=story.up)[0]
            removed = story.bench.kernel.changes("n2", "removed", router.address, after=story.up)
            assert len(removed) == 1, router
            table.add(router, removed[0] - back, 0)
