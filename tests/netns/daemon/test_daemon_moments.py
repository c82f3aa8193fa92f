"""Two things at once, and the moments between two steps: where such software fails."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from mooring_lab import namespace
from mooring_node.kernel.burst import Burst
from mooring_node.vrrp.packet import ipv4_packet

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
ALONE = {"alone": True}
SLOW = {"advertisementInterval": "1s"}
#: The daemon, stopped for 1.2 s between a select that saw nothing and what follows from that, once a file asks for it.
PAUSED = """
import os, select, sys, time
from mooring_node import main
from mooring_node.vrrp import waiting

class Paused:
    epoll, EPOLLIN = select.epoll, select.EPOLLIN

    @staticmethod
    def select(*arguments):
        found = select.select(*arguments)
        asked = os.environ["PAUSE_FILE"]
        if not found[0] and os.path.exists(asked):
            os.unlink(asked)
            time.sleep(1.2)
        return found

waiting.select = Paused
sys.exit(main.main())
"""


def at_once(node, *commands):
    """Commands of ip(8) in one go, so that their notifications arrive together."""
    text = "".join(f"{command}\n" for command in commands)
    subprocess.run(
        ["ip", "netns", "exec", node.namespace, "ip", "-batch", "-"], input=text, text=True, check=True, timeout=10
    )


def test_a_deletion_beside_a_change_of_another_link_is_seen(bench, instance_of):
    bench.start(bench.a, instance_of(transport=ALONE, lease="600s"))
    bench.wait_held(bench.a, ADDRESS)
    for turn in range(5):
        at_once(bench.a, f"address del {ADDRESS}/24 dev eth0", f"link set dev mgmt0 mtu {1400 + turn}")
        bench.wait_held(bench.a, ADDRESS)


def test_an_ipv6_address_is_back_after_a_link_that_only_flickered(bench, instance_of):
    held = [{"address": "fd00:10::100/64"}]
    bench.start(bench.a, instance_of(transport=ALONE, lease="600s", family="IPv6", addresses=held))
    bench.wait_held(bench.a, "fd00:10::100")
    at_once(bench.a, "link set dev eth0 down", "link set dev eth0 up")
    bench.wait(lambda: bench.state(bench.a) == "Active" and "fd00:10::100" in bench.a.held(), "the address to be back")


def test_a_group_may_change_its_name_and_get_a_member(bench, instance_of, deletions):
    bench.start(bench.a, instance_of("web", transport=ALONE))
    bench.wait_held(bench.a, ADDRESS)
    six = instance_of(
        "shop-ipv6", syncGroup="shop", family="IPv6", transport=ALONE, addresses=[{"address": "fd00:10::100/64"}]
    )
    with deletions(bench.a) as seen:
        bench.reload(bench.a, instance_of("shop-ipv4", syncGroup="shop", transport=ALONE), six)
        bench.wait_held(bench.a, ADDRESS, "fd00:10::100")
        assert seen.seen() == []
    assert bench.group(bench.a, "shop")["transitions"] == 2
    bench.kill(bench.a, "vrrp")
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the process to be replaced")
    bench.wait_state(bench.a, "Active", "shop")


def test_a_group_that_is_taken_back_while_it_leaves_goes_on(bench, instance_of, deletions):
    web, other = (
        instance_of("web", **SLOW),
        instance_of("other", virtualRouterID=60, transport=ALONE, addresses=[{"address": "10.0.0.120/24"}]),
    )
    bench.start(bench.a, web, other)
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")
    with deletions(bench.a) as seen:
        bench.reload(bench.a, other)
        assert ADDRESS in bench.a.held()
        bench.reload(bench.a, web, other)
        bench.wait_state(bench.a, "Active", "web")
        assert seen.seen() == []


def test_an_address_of_a_group_that_leaves_may_go_to_another(bench, instance_of):
    web = instance_of("web", **SLOW)

    def other(*addresses):
        held = [{"address": f"{address}/24"} for address in addresses]
        return instance_of("other", virtualRouterID=60, transport=ALONE, addresses=held)

    bench.start(bench.a, web, other("10.0.0.120"))
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")
    bench.reload(bench.a, other("10.0.0.120"))
    bench.reload(bench.a, other("10.0.0.120", ADDRESS))
    bench.wait(lambda: f"{ADDRESS}/24" in bench.group(bench.a, "other")["heldAddresses"], "the other group to hold it")
    assert bench.group(bench.a, "other")["faults"] == []
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")


def test_one_that_was_stopped_after_its_select_listens_before_it_speaks(make_bench, tmp_path, monkeypatch, instance_of):
    asked = tmp_path / "pause"
    monkeypatch.setenv("PAUSE_FILE", str(asked))
    bench = make_bench(daemon_command=(sys.executable, "-c", PAUSED))
    never = {"preemption": {"mode": "Never"}}
    bench.start(bench.a, instance_of(priority=150, **never))
    bench.wait_held(bench.a, ADDRESS)
    bench.start(bench.b, instance_of(priority=100, **never))
    bench.wait_state(bench.b, "Backup")
    asked.touch()
    bench.wait_held(bench.b, ADDRESS)
    bench.wait_held(bench.a)
    # The one who slept has heard of it: with preemption Never the other keeps the role.
    bench.wait_state(bench.a, "Backup")
    assert bench.state(bench.b) == "Active"


def test_the_lease_of_another_is_left_alone(bench, instance_of):
    at_once(bench.a, f"address add {ADDRESS}/24 dev eth0 valid_lft 3600 preferred_lft 3600")
    bench.start(bench.a, instance_of(transport=ALONE))
    bench.wait_state(bench.a, "Fault")
    assert bench.group(bench.a)["faults"] == ["AddressInUse"]
    bench.a.stop_daemon()
    assert bench.a.held() == {ADDRESS}


def test_a_source_that_comes_late_is_found_without_any_other_event(bench, instance_of):
    at_once(bench.a, f"address del {bench.a.address}/16 dev eth0")
    bench.start(bench.a, instance_of(transport=ALONE))
    bench.wait_state(bench.a, "Fault")
    at_once(bench.a, f"address add {bench.a.address}/16 dev eth0")
    bench.wait_held(bench.a, ADDRESS)


def test_a_source_that_gets_another_prefix_costs_nothing(bench, instance_of):
    bench.start(bench.a, instance_of(transport=ALONE, lease="600s"))
    bench.wait_held(bench.a, ADDRESS)
    before = bench.group(bench.a)["transitions"]
    own = bench.a.address
    at_once(bench.a, f"address add {own}/20 dev eth0", f"address del {own}/16 dev eth0")
    # It hears of this one after the other.
    at_once(bench.a, f"address del {ADDRESS}/24 dev eth0")
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_state(bench.a, "Active")
    assert bench.group(bench.a)["transitions"] == before


def test_another_mac_is_announced(bench, instance_of, capture):
    bench.start(bench.a, instance_of(transport=ALONE, announcements={"count": 1, "delay": "0s"}))
    bench.wait_held(bench.a, ADDRESS)
    other = "02:00:00:00:77:77"
    with capture(bench.client, 0x0806) as arp:
        at_once(bench.a, f"link set dev eth0 address {other}")
        bench.wait(lambda: arp.announced(other, ADDRESS), "the other MAC to be announced")
    assert bench.state(bench.a) == "Active"


def test_another_group_of_the_same_name_begins_as_backup_and_takes_the_address(bench, instance_of):
    """By another VRID it is another router, though its name and its address are the same."""
    bench.start(bench.a, instance_of(transport=ALONE))
    bench.wait_held(bench.a, ADDRESS)
    bench.reload(bench.a, instance_of(transport=ALONE, virtualRouterID=52))
    bench.wait_state(bench.a, "Active")
    bench.wait_held(bench.a, ADDRESS)

    def told():
        return [each["after"] for each in bench.status(bench.a)["transitions"]]

    bench.wait(lambda: told()[-2:] == ["Backup", "Active"] and len(told()) > 2, "an election of its own to be told")


def test_a_flood_neither_ends_the_process_nor_moves_the_role(bench):
    bench.pair(**SLOW)
    source = socket.inet_aton(bench.b.address)
    junk = b"\x31\x07" + bytes(18)  # version 3, a VRID of nobody
    packet = ipv4_packet(junk, source=source, destination=socket.inet_aton(bench.a.address))
    burst = Burst([packet] * 512, [(bench.a.address, 0)] * 512)
    sender = namespace.call(bench.client.namespace, raw_socket)
    with sender:
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            with contextlib.suppress(BlockingIOError):
                burst.send(sender.fileno())
    assert bench.restarts(bench.a, "vrrp") == 0
    assert bench.state(bench.a) == "Active"
    assert bench.a.held() == {ADDRESS}
    refused = bench.status(bench.a)["vrrp"]["refused"]
    assert sum(each["count"] for each in refused if each["reason"] == "UnknownVirtualRouter") > 1000


def raw_socket():
    opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    opened.setblocking(False)
    return opened
