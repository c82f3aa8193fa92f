"""Addresses beside other hands on the same node: put back, given up with a reason, never taken from somebody."""

import json
import sys

import pytest

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
#: The daemon with times and limits of its address watch that a test can wait for.
SHORT_HOLD = """
import sys
from mooring_node import main
from mooring_node.vrrp import faults
faults.COOLING_NS[faults.FaultReason.ADDRESS_LOST] = 3_000_000_000
sys.exit(main.main())
"""
PATIENT = """
import sys
from mooring_node import main
from mooring_node.vrrp import losses
losses.LIMIT = 1000
sys.exit(main.main())
"""


def remove(node, address):
    done = node.exec("ip", "address", "del", address, "dev", "eth0")
    assert done.returncode == 0, done.stderr


def test_an_address_that_somebody_deletes_comes_back_and_is_announced(bench, capture):
    bench.pair(announcements={"count": 1, "delay": "0s"})
    with capture(bench.client, 0x0806) as arp:
        remove(bench.a, f"{ADDRESS}/24")
        bench.wait_held(bench.a, ADDRESS)
        bench.wait(lambda: arp.announced(bench.a.member.mac, ADDRESS), "the return to be announced")
    bench.wait_log(bench.a, "an address was deleted by somebody else; it is back")
    assert bench.state(bench.a) == "Active"
    assert bench.b.held() == frozenset()


def test_a_fight_over_an_address_is_a_fault_with_a_reason_and_an_end(make_bench):
    bench = make_bench(daemon_command=(sys.executable, "-c", SHORT_HOLD))
    bench.pair()

    group = {}

    def fight():
        if ADDRESS in bench.a.held():
            remove(bench.a, f"{ADDRESS}/24")
        group.update(bench.group(bench.a))
        return group["state"] == "Fault"

    bench.wait(fight, "the daemon to give up")
    assert group["faults"] == ["AddressLost"]
    assert "NetworkManager" in group["remedies"][0]
    bench.wait_log(bench.a, "Active -> Fault: AddressLost")
    bench.wait_held(bench.b, ADDRESS)
    bench.wait_held(bench.a)
    bench.wait_state(bench.a, "Active")
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_held(bench.b)
    assert bench.group(bench.a)["faults"] == []


def test_an_address_of_somebody_else_is_a_fault_and_stays(bench, instance_of):
    added = bench.a.exec("ip", "address", "add", f"{ADDRESS}/24", "dev", "eth0")
    assert added.returncode == 0, added.stderr
    two = [{"address": f"{ADDRESS}/24"}, {"address": "10.0.0.101/24"}]
    bench.start(bench.a, instance_of(transport={"alone": True}, addresses=two))
    bench.wait_state(bench.a, "Fault")
    assert bench.group(bench.a)["faults"] == ["AddressInUse"]
    # All of the group or nothing of it.
    assert bench.a.held() == {ADDRESS}
    bench.kill(bench.a, "vrrp")
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the process to be replaced")
    bench.wait_state(bench.a, "Fault")
    bench.a.stop_daemon()
    assert bench.a.held() == {ADDRESS}
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Fault")
    remove(bench.a, f"{ADDRESS}/24")
    bench.wait_state(bench.a, "Active")
    assert bench.a.held() == {ADDRESS, "10.0.0.101"}


def test_each_address_of_a_shared_prefix_goes_and_comes_alone(make_bench, instance_of, deletions):
    bench = make_bench(daemon_command=(sys.executable, "-c", PATIENT))
    shared = [f"10.0.0.{number}" for number in range(100, 111)]
    held = [{"address": f"{each}/24"} for each in shared]
    bench.start(bench.a, instance_of(transport={"alone": True}, addresses=held))
    bench.wait_held(bench.a, *shared)
    with deletions(bench.a) as seen:
        for number, address in enumerate(shared, start=1):
            remove(bench.a, f"{address}/24")
            bench.wait(lambda number=number: len(seen.seen()) >= number, f"{address} to go")
            bench.wait_held(bench.a, *shared)
        assert seen.seen() == shared
    assert bench.group(bench.a)["transitions"] == 2  # Initialize to Backup to Active


def test_the_own_address_of_the_node_survives_its_neighbours(bench, instance_of, deletions):
    """A virtual address in the node's own subnet: taken and given back, the node's address never moves."""
    bench.start(bench.a, instance_of(transport={"alone": True}, addresses=[{"address": f"{ADDRESS}/16"}]))
    bench.wait_held(bench.a, ADDRESS)
    routes = bench.a.exec("ip", "route", "show", "dev", "eth0").stdout
    with deletions(bench.a) as seen:
        bench.a.stop_daemon()
        assert seen.seen() == [ADDRESS]
    assert bench.a.exec("ip", "route", "show", "dev", "eth0").stdout == routes
    assert f"src {bench.a.address}" in routes


def test_nothing_is_left_after_a_stop(bench, instance_of):
    setting = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries"
    before = bench.a.exec("cat", setting).stdout.strip()
    assert before == "0"
    addresses = bench.a.exec("ip", "address", "show").stdout
    six = instance_of("six", family="IPv6", addresses=[{"address": "2001:db8::100/64"}], transport={"alone": True})
    bench.start(bench.a, instance_of(transport={"alone": True}), six)
    bench.wait_held(bench.a, ADDRESS, "2001:db8::100")
    assert bench.a.exec("cat", setting).stdout.strip() == "1"
    ledger = json.loads((bench.a.state_dir / "ledger.json").read_text())
    assert {each["address"] for each in ledger["addresses"]} == {ADDRESS, "2001:db8::100"}
    bench.a.stop_daemon()
    assert bench.a.exec("cat", setting).stdout.strip() == before
    assert bench.a.exec("ip", "address", "show").stdout == addresses
    assert bench.a.processes() == []
    assert not (bench.a.state_dir / "control.sock").exists()
    ledger = json.loads((bench.a.state_dir / "ledger.json").read_text())
    assert (ledger["addresses"], ledger["settings"]) == ([], [])


def test_a_setting_is_put_back_after_a_crash_too(bench):
    setting = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries"
    bench.pair()
    bench.a.fault_kill()
    assert bench.a.exec("cat", setting).stdout.strip() == "1"
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Active")
    bench.a.stop_daemon()
    assert bench.a.exec("cat", setting).stdout.strip() == "0"
