"""The daemon killed and stalled at the worst moments: never two holders for long, never none, nothing left behind."""

import signal
import socket
from pathlib import Path

import pytest

from mooring_lab import namespace
from mooring_node.kernel.addresses import LeasedAddress, add_batch
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.ledger import Entries, Ledger, LedgerAddress

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
LEASE_S = 2
#: What the design promises when a whole daemon dies or freezes: its lease, and what the kernel takes to notice.
BOUND_S = LEASE_S + 1.5


def test_the_kernel_takes_the_addresses_of_a_daemon_that_was_killed_as_a_whole(bench, overlap):
    bench.pair()
    with overlap(bench.nodes, ADDRESS) as seen:
        bench.a.fault_kill()
        bench.wait_held(bench.a, within=BOUND_S)
        bench.wait_held(bench.b, ADDRESS)
    assert seen.seconds(2) < BOUND_S


def test_addresses_of_a_killed_daemon_go_when_nobody_takes_them(bench, instance_of):
    bench.start(bench.a, instance_of(transport={"alone": True}, addresses=[{"address": "10.0.0.100"}]))
    bench.wait_held(bench.a, ADDRESS)
    bench.a.fault_kill()
    bench.wait_held(bench.a, within=BOUND_S)


def test_a_killed_vrrp_process_is_replaced_without_a_lost_packet(bench, overlap):
    bench.pair()
    before = bench.group(bench.b)["transitions"]
    with bench.client.measure([ADDRESS]) as measured, overlap(bench.nodes, ADDRESS) as seen:
        bench.kill(bench.a, "vrrp")
        bench.wait_log(bench.a, "Initialize -> Active: adopted from its predecessor")
        bench.wait(lambda: bench.state(bench.a) == "Active", "the new process to answer")
        # Several intervals later: nobody has taken over meanwhile either.
        heard = bench.group(bench.b)["members"][0]["advertsReceived"]
        bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > heard + 5, "adverts to go on")
    result = measured.result()[ADDRESS]
    assert result.sent > 100
    assert result.lost == 0
    assert seen.most() == 1
    assert bench.group(bench.b)["transitions"] == before
    assert bench.restarts(bench.a, "vrrp") == 1


def test_a_vrrp_process_killed_again_and_again_leaves_one_holder(bench):
    bench.pair()
    for turn in range(1, 4):
        bench.kill(bench.a, "vrrp")
        bench.wait(lambda turn=turn: bench.restarts(bench.a, "vrrp") == turn, f"restart {turn}")
        bench.wait(lambda: bench.state(bench.a) is not None, "the new process to answer")
    bench.wait(lambda: sum(ADDRESS in node.held() for node in bench.nodes) == 1, "one holder")
    bench.wait_state(bench.a, "Active")


def test_a_frozen_vrrp_process_is_succeeded_and_its_addresses_end(bench, overlap):
    bench.pair()
    pid = bench.pid(bench.a, "vrrp")
    with overlap(bench.nodes, ADDRESS) as seen:
        bench.a.fault_stop(5.0, "vrrp")
        bench.wait_held(bench.b, ADDRESS)
        bench.wait_held(bench.a, within=BOUND_S)
        bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the supervisor to replace it")
        bench.wait_state(bench.a, "Active")
        bench.wait_held(bench.b)
    assert bench.pid(bench.a, "vrrp") != pid
    assert seen.seconds(2) < BOUND_S


def test_a_frozen_daemon_holds_nothing_beyond_its_lease_and_wakes_humbly(bench, overlap):
    bench.pair()
    with bench.client.measure([ADDRESS]) as measured, overlap(bench.nodes, ADDRESS) as seen:
        bench.a.fault_stop(5.0)
        bench.wait_held(bench.b, ADDRESS)
        bench.wait_held(bench.a, within=BOUND_S)
        bench.wait_log(bench.a, "Active -> Backup")
        bench.wait_state(bench.a, "Active")
        bench.wait_held(bench.b)
    assert seen.seconds(2) < BOUND_S
    # As the client sees it: for how long both answered "who has it?".
    contests = measured.result()[ADDRESS].contests
    assert all((each.end - each.start) / 1e9 < BOUND_S for each in contests)
    assert bench.restarts(bench.a, "vrrp") == 0


def test_a_frozen_daemon_that_nobody_succeeded_begins_anew(bench, instance_of):
    """Its addresses are gone: to go on as before would bring them back unannounced."""
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS)
    bench.a.fault_stop(3.5)
    bench.wait_held(bench.a, within=BOUND_S)
    bench.wait_log(bench.a, "Active -> Backup: its lease had ended")
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_state(bench.a, "Active")


def test_without_its_supervisor_the_vrrp_process_hands_over_and_a_new_daemon_waits_for_it(bench):
    bench.pair()
    with bench.client.measure([ADDRESS]) as measured:
        bench.kill(bench.a, "supervisor")
        bench.wait(lambda: bench.a.daemon is None, "the supervisor to be gone")
        # At once, while the processes of the old one still hand over.
        bench.a.start_daemon()
        bench.wait_log(bench.b, "Backup -> Active")
        bench.wait_state(bench.a, "Active")
        bench.wait_held(bench.b)
    assert measured.result()[ADDRESS].lost <= 5
    assert not [each for each in bench.a.processes() if each.pid not in _tree(bench)]


def _tree(bench):
    agent = bench.pid(bench.a, "agent")
    judges = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    return {bench.pid(bench.a, "supervisor"), bench.pid(bench.a, "vrrp"), agent, *map(int, judges)}


def test_a_configuration_whose_judge_is_killed_is_judged_again_and_nothing_moves(bench, instance_of):
    alone = instance_of(transport={"alone": True})
    bench.start(bench.a, alone)
    bench.wait_held(bench.a, ADDRESS)
    with bench.client.measure([ADDRESS]) as measured:
        # It has the question, and never answers.
        (judge,) = bench.a.processes("mooring-judge")
        judge.send(signal.SIGSTOP)
        bench.a.reload_daemon(bench.config(bench.a, {**alone, "priority": 77}))
        bench.wait(lambda: bench.judging(bench.a), "the question to be asked")
        judge.send(signal.SIGKILL)
        bench.wait(lambda: bench.problems(bench.a), "the failure to be told")
        (problem,) = bench.problems(bench.a)
        assert "could not be judged: the judge ended (-9); what runs goes on" in problem
        bench.wait(lambda: bench.group(bench.a)["priority"] == 77, "another judge to be asked", within=BOUND_S + 10)
        bench.wait(lambda: not bench.problems(bench.a), "the problem to be gone")
    assert measured.result()[ADDRESS].lost == 0
    assert bench.restarts(bench.a, "agent") == bench.restarts(bench.a, "vrrp") == 0


def test_nothing_changes_on_the_wire_when_the_agent_is_killed(bench, instance_of):
    bench.pair()
    before = [bench.group(node)["transitions"] for node in bench.nodes]
    agent = bench.pid(bench.a, "agent")
    with bench.client.measure([ADDRESS]) as measured:
        bench.kill(bench.a, "agent")
        bench.wait(lambda: bench.restarts(bench.a, "agent") == 1, "the agent to be started again")
        bench.wait(lambda: (bench.status(bench.a) or {}).get("agent"), "the new agent to answer")
    assert bench.pid(bench.a, "agent") != agent
    assert measured.result()[ADDRESS].lost == 0
    assert [bench.group(node)["transitions"] for node in bench.nodes] == before
    bench.reload(bench.a, instance_of(priority=160))
    bench.wait(lambda: bench.group(bench.a)["priority"] == 160, "the new agent to hand on a configuration")


@pytest.mark.parametrize("process", ["vrrp", None], ids=["vrrp", "all"])
def test_killed_while_it_takes_over(bench, instance_of, process):
    many = [{"address": f"10.0.1.{number}/16"} for number in range(1, 101)]
    bench.start(bench.a, instance_of(transport={"alone": True}, addresses=many, advertisementInterval="500ms"))
    chosen = bench.a.processes(process)
    kernel = bench.a.kernel
    while not bench.a.held():
        kernel.drain()
    # At once: its first advert is not a millisecond away.
    for each in chosen:
        each.send(signal.SIGKILL)
    if process is None:
        bench.wait_held(bench.a, within=BOUND_S)
        bench.a.start_daemon()
    bench.wait(lambda: len(bench.a.held()) == len(many) and bench.state(bench.a) == "Active", "all to be taken")
    # What was taken in the last moment is known as ours.
    assert "AddressInUse" not in bench.a.log
    bench.a.stop_daemon()
    assert bench.a.held() == frozenset()


def test_what_a_crashed_daemon_left_is_undone_at_the_next_start(bench, instance_of):
    left = LedgerAddress("eth0", "10.0.0.120", 24)
    Ledger(bench.a.state_dir / "ledger.json").write(Entries(frozenset({left})))

    def left_behind():
        with Rtnetlink() as rtnetlink:
            (index,) = (link.index for link in rtnetlink.links() if link.name == "eth0")
            address = LeasedAddress(index, socket.AF_INET, socket.inet_aton("10.0.0.120"), 24)
            return rtnetlink.apply(add_batch([address], 3000))

    assert namespace.call(bench.a.namespace, left_behind) == ()
    assert bench.a.held() == {"10.0.0.120"}
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS)


def test_a_ledger_ahead_of_the_kernel_does_no_harm(bench, instance_of):
    """The daemon died between writing what it may set and setting it."""
    named = LedgerAddress("eth0", ADDRESS, 24)
    Ledger(bench.a.state_dir / "ledger.json").write(Entries(frozenset({named})))
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS)


def test_an_address_that_a_person_set_for_good_stays_though_the_ledger_names_it(bench, instance_of):
    named = LedgerAddress("eth0", "10.0.0.120", 24)
    Ledger(bench.a.state_dir / "ledger.json").write(Entries(frozenset({named})))
    added = bench.a.exec(*"ip address add 10.0.0.120/24 dev eth0".split())
    assert added.returncode == 0, added.stderr
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")
    bench.a.stop_daemon()
    assert bench.a.held() == {"10.0.0.120"}


def test_a_second_signal_to_stop_changes_nothing(bench):
    bench.pair()
    daemon = bench.a.daemon
    daemon.send(signal.SIGTERM)
    daemon.send(signal.SIGTERM)
    bench.wait(lambda: not daemon.alive(), "the daemon to end")
    bench.wait_held(bench.a)
    bench.wait_held(bench.b, ADDRESS)
