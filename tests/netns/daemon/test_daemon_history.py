"""What the daemon remembers: that it flapped, and what happened before it was restarted."""

import json

import pytest

from mooring_node.agent.transitions import LIMIT, Transition, TransitionLog

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"


def flap(bench, times):
    """Node a hands over and takes the role again."""
    for _ in range(times):
        bench.a.maintenance(True)
        bench.wait_held(bench.b, ADDRESS)
        bench.a.maintenance(False)
        bench.wait_held(bench.a, ADDRESS)
        bench.wait_held(bench.b)
    # Once more, and now it is held down.
    bench.a.maintenance(True)
    bench.wait_held(bench.b, ADDRESS)
    bench.a.maintenance(False)
    bench.wait(lambda: "will not preempt" in bench.group(bench.a)["detail"], "the hold-down to show")


def heard(bench):
    return bench.group(bench.a)["members"][0]["advertsReceived"]


def test_a_node_that_flapped_does_not_preempt_for_a_while(bench):
    bench.pair(flapDamping={"transitions": 3, "window": "1m", "holdDown": "6s"})
    flap(bench, 2)
    shown = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout
    assert "flapped: will not preempt" in shown
    before = heard(bench)
    bench.wait(lambda: heard(bench) > before + 10, "adverts of the lower priority to be heard")
    assert bench.state(bench.a) == "Backup"
    assert bench.a.held() == frozenset()
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_held(bench.b)


def test_a_silent_active_is_succeeded_all_the_same(bench):
    bench.pair(flapDamping={"transitions": 3, "window": "1m", "holdDown": "1h"})
    flap(bench, 2)
    bench.b.fault_kill()
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_state(bench.a, "Active")


def test_transitions_outlive_the_daemon_and_are_at_most_a_hundred(bench, instance_of):
    log = TransitionLog(bench.a.state_dir / "transitions.json")
    for number in range(LIMIT):
        log.add(Transition(f"2026-01-01T00:00:{number % 60:02}.000Z", "old", "Backup", "Active", f"number {number}"))
    log.save()
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS)
    bench.a.stop_daemon()
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Active")

    def shown():
        done = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir), "-o", "json")
        found = json.loads(done.stdout)["transitions"]
        return found if sum(each["after"] == "Active" and each["group"] == "web" for each in found) == 2 else None

    found = bench.wait(shown, "both lives to be told")
    assert len(found) == LIMIT == 100
    mine = [(each["before"], each["after"]) for each in found if each["group"] == "web"]
    began = [("Initialize", "Backup"), ("Backup", "Active")]
    assert mine == [*began, ("Active", "Initialize"), *began]
    # The oldest five made room.
    assert [each["reason"] for each in found if each["group"] == "old"] == [f"number {n}" for n in range(5, LIMIT)]
    text = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout
    assert "Backup -> Active  nobody else was heard" in text
