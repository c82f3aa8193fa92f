"""A node that lacks CPU, memory or disk: the VRRP process goes on, what may go first goes first and comes back."""

import os
import resource
from ipaddress import ip_address

import pytest

from mooring_lab.scarcity import CpuGroup, MemoryGroup, busy, limits, score, small_disk, too_little_memory
from mooring_node.agent.process import MOST_MEMORY
from mooring_node.kernel.process import EXPENDABLE

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
ETH_P_IP, VRRP = 0x0800, 112
#: The machine itself may stall for some tenths of a second, which is no fault of ours.
CALM = {"advertisementInterval": "500ms"}


def transitions(bench):
    """How often each node's group has changed its state; None of a node that does not answer."""
    return [(bench.group(node) or {}).get("transitions") for node in bench.nodes]


def adverts(wire, source):
    """How many adverts of one node have come so far."""
    return sum(frame[23] == VRRP and frame[26:30] == source for frame in wire.frames())


def test_who_may_go_first_has_the_higher_score_and_the_bounds(bench):
    """What stands in /proc: the kernel's view of it, whatever rights the daemon has."""
    bench.pair()
    pids = {name: bench.pid(bench.a, name) for name in ("supervisor", "vrrp", "agent")}
    base = score(pids["supervisor"])
    assert {name: score(pid) for name, pid in pids.items()} == {
        "supervisor": base,
        "vrrp": base,
        "agent": min(base + EXPENDABLE, 1000),
    }
    assert limits(pids["agent"], resource.RLIMIT_DATA)[0] == MOST_MEMORY
    assert limits(pids["vrrp"], resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
    assert all(limits(pid, resource.RLIMIT_CORE)[0] == 0 for pid in pids.values())
    bench.kill(bench.a, "agent")
    bench.wait(lambda: bench.restarts(bench.a, "agent") == 1, "the agent to be replaced")
    bench.wait(lambda: score(bench.pid(bench.a, "agent")) == min(base + EXPENDABLE, 1000), "the same score again")


def test_busy_loops_on_every_core_move_nothing(bench, overlap, capture):
    """In the cgroup of a pod that asks for nothing: without real-time priority not one advert would leave it."""
    bench.pair(**CALM)
    before, source = transitions(bench), ip_address(bench.a.address).packed
    with CpuGroup(f"mooring-test-{os.getpid()}") as group:
        group.add(process.pid for process in bench.a.processes())
        with (
            overlap(bench.nodes, ADDRESS) as seen,
            capture(bench.b, ETH_P_IP) as wire,
            busy(4 * (os.cpu_count() or 1), 25),
        ):
            bench.wait(lambda: adverts(wire, source) >= 16, "8 s of adverts", within=25)
    bench.wait(lambda: transitions(bench) == before, "the daemon to answer, and to tell of no transition")
    assert seen.most() == 1
    assert seen.seconds(holders=0) == 0


def test_where_memory_ends_the_agent_goes_and_comes_back_and_the_role_stays(bench, overlap):
    """A cgroup as a container's with a limit, which the chart does not set, and as a node's that is full."""
    bench.pair(**CALM)
    before = transitions(bench)
    with MemoryGroup(f"mooring-test-{os.getpid()}") as group:
        group.add(process.pid for process in bench.a.processes())
        bench.kill(bench.a, "agent")  # so that the next one's memory counts in the group from its start
        bench.wait(lambda: bench.restarts(bench.a, "agent") == 1 and bench.problems(bench.a) == [], "the agent")
        with overlap(bench.nodes, ADDRESS) as seen:
            with too_little_memory(group):
                bench.wait(lambda: bench.restarts(bench.a, "agent") >= 2, "the kernel to end the agent", within=60)
                assert bench.restarts(bench.a, "vrrp") == 0
            bench.wait(lambda: bench.pid(bench.a, "agent") and bench.problems(bench.a) == [], "the agent to be back")
            lasting = bench.pid(bench.a, "agent")
    assert "the agent process ended (signal 9); it is started again" in bench.a.log
    assert bench.restarts(bench.a, "vrrp") == 0
    assert bench.pid(bench.a, "agent") == lasting
    assert transitions(bench) == before
    assert seen.most() == 1
    assert seen.seconds(holders=0) == 0


@pytest.fixture
def on_small_disk(bench):
    """Two daemons, a's state folder on a file system of 256 KiB that the test fills."""
    with small_disk(bench.a.state_dir, 256 * 1024) as disk:
        bench.pair(**CALM)
        yield bench, disk
        bench.a.stop_daemon()


def test_a_full_disk_changes_nothing_that_runs(on_small_disk, instance_of, overlap):
    bench, disk = on_small_disk
    node, before = bench.a, transitions(bench)
    more = [{"address": f"{ADDRESS}/24"}, {"address": "10.0.0.101/24"}]
    wanted = bench.config(node, instance_of(priority=150, addresses=more, **CALM))
    disk.fill()
    with overlap(bench.nodes, ADDRESS) as seen:
        # A change is not run, since it could not be undone; what runs goes on.
        node.reload_daemon(wanted)
        bench.wait_log(node, "No space left on device; what runs goes on")
        assert node.held() == {ADDRESS}
        # Both processes are replaced as on any other day.
        bench.kill(node, "vrrp")
        bench.wait(lambda: bench.restarts(node, "vrrp") == 1 and bench.state(node) == "Active", "it to be adopted")
        bench.kill(node, "agent")
        bench.wait(lambda: bench.restarts(node, "agent") == 1 and bench.status(node)["silent"] == [], "a new agent")
        # Maintenance is on disk first: without it a restart would take the role.
        said = bench.run(node, "maintenance", "on", "--state-dir", str(node.state_dir))
        assert said.returncode != 0
        assert "No space left on device" in said.stdout + said.stderr
        assert bench.state(node) == "Active"
        # With room again the change is run without being asked for once more.
        disk.free()
        bench.wait_held(node, ADDRESS, "10.0.0.101")
    assert bench.group(bench.b)["transitions"] == before[1]
    assert seen.most() == 1
    assert seen.seconds(holders=0) == 0


def test_a_full_disk_keeps_no_daemon_from_handing_over(on_small_disk):
    bench, disk = on_small_disk
    disk.fill()
    bench.a.stop_daemon()
    assert bench.a.held() == frozenset()
    bench.wait_held(bench.b, ADDRESS)
    assert bench.a.processes() == []
    assert "Traceback" not in bench.a.log


def test_what_crashed_on_a_full_disk_is_undone_and_runs_again(on_small_disk):
    """The ledger lists it already, so nothing has to be written."""
    bench, disk = on_small_disk
    disk.fill()
    bench.a.fault_kill()
    bench.wait_held(bench.b, ADDRESS)
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Active")
    bench.wait_held(bench.b)
    assert "Traceback" not in bench.a.log


def test_a_daemon_that_begins_on_a_full_disk_holds_nothing_before_it_can_note_it(bench, instance_of):
    with small_disk(bench.a.state_dir, 64 * 1024) as disk:
        disk.fill()
        bench.start(bench.a, instance_of(transport={"alone": True}))
        bench.wait_log(bench.a, "No space left on device; what runs goes on")
        assert bench.a.held() == frozenset()
        disk.free()
        bench.wait_held(bench.a, ADDRESS)
        # After a planned end the ledger is empty, and the last good configuration cannot be listed in it.
        bench.a.stop_daemon()
        disk.fill()
        ended = bench.run(bench.a, "run", "--config", str(bench.a.config_file), "--state-dir", str(bench.a.state_dir))
        assert (ended.returncode, bench.a.held()) == (1, frozenset())
        assert "No space left on device" in ended.stderr
        assert "Traceback" not in ended.stderr
        disk.free()
        bench.a.start_daemon()
        bench.wait_held(bench.a, ADDRESS)
        bench.a.stop_daemon()
