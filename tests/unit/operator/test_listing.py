"""When everything is listed anew."""

import pytest

from mooring_kube.client import Listing
from mooring_kube.errors import Forbidden, KubeError
from mooring_operator.cluster.listing import QUIET_S, Lister, Schedule
from mooring_operator.cluster.store import Replaced, Store
from mooring_operator.cluster.view import KINDS


def all_listed(schedule: Schedule, now: float) -> list[str]:
    """List whatever is due; the kinds."""
    found = []
    while (due := schedule.next())[0] <= now:
        schedule.begun(due[1])
        schedule.listed(due[1], now, 0.5)
        found.append(due[1])
    return found


def test_everything_is_listed_at_once_and_then_every_now_and_then() -> None:
    schedule = Schedule(300.0)
    assert sorted(all_listed(schedule, 0.0)) == sorted(KINDS)
    assert all_listed(schedule, 299.0) == []
    assert sorted(all_listed(schedule, 300.0)) == sorted(KINDS)


def test_the_usual_time_is_spread() -> None:
    schedule = Schedule(300.0)
    for kind, jitter in zip(KINDS, (0.0, 0.25, 0.5, 0.75, 1.0), strict=True):
        schedule.begun(kind)
        schedule.listed(kind, 0.0, jitter)
    times = []
    for _ in KINDS:
        due, kind = schedule.next()
        times.append(due)
        schedule.begun(kind)
    assert times == pytest.approx([240.0, 270.0, 300.0, 330.0, 360.0])


def test_a_list_follows_kopfs_when_it_is_quiet() -> None:
    schedule = Schedule(300.0)
    all_listed(schedule, 0.0)
    schedule.asked(10.0)
    schedule.asked(10.5)
    assert all_listed(schedule, 10.5 + QUIET_S - 0.1) == []
    assert sorted(all_listed(schedule, 10.5 + QUIET_S)) == sorted(KINDS)


def test_the_first_lists_do_not_wait_for_kopf() -> None:
    schedule = Schedule(300.0)
    schedule.asked(0.0)
    assert sorted(all_listed(schedule, 0.0)) == sorted(KINDS)


def test_kopf_that_never_ends_listing_does_not_put_ours_off_for_ever() -> None:
    schedule = Schedule(300.0)
    all_listed(schedule, 0.0)
    now = 10.0
    while not all_listed(schedule, now):
        schedule.asked(now)
        now += QUIET_S / 2
        assert now < 30.0


def test_what_is_asked_for_while_a_list_is_under_way_asks_for_another() -> None:
    schedule = Schedule(300.0)
    all_listed(schedule, 0.0)
    schedule.asked(5.0)
    due, kind = schedule.next()
    schedule.begun(kind)
    schedule.asked(due + 0.1)
    schedule.listed(kind, due + 0.2, 0.5)
    assert kind in all_listed(schedule, due + 0.1 + QUIET_S)


def test_a_failure_is_tried_again_later_and_later() -> None:
    schedule = Schedule(300.0)
    pauses, now = [], 0.0
    for _ in range(8):
        schedule.begun("Node")
        schedule.failed("Node", now, 1.0)
        (due,) = (due for due in [schedule._due["Node"]])
        pauses.append(due - now)
        now = due
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.5, 15.0)


class OneForbidden:
    """A cluster in which nodes may not be listed."""

    def list(self, kind: str) -> Listing:
        if kind == "Node":
            raise Forbidden(403, "Forbidden", 'nodes is forbidden: cannot list resource "nodes"')
        return Listing((), "5")


def test_a_kind_that_cannot_be_listed_keeps_the_store_closed_and_is_named() -> None:
    store = Store()
    heard: list[tuple[str, Replaced]] = []
    lister = Lister(OneForbidden(), store, 300.0, lambda kind, found: heard.append((kind, found)))  # type: ignore[arg-type]
    for kind in KINDS:
        lister._list(kind)
    assert not store.complete
    assert list(lister.trouble) == ["Node"]
    assert "cannot list" in lister.trouble["Node"]
    assert {kind for kind, _ in heard} == set(KINDS) - {"Node"}
    assert issubclass(Forbidden, KubeError)
