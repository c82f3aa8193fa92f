"""Side by side with a real keepalived: each takes over from the other, whoever has the higher priority."""

import json
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.netns

FAST = {"version": 3, "advertisementInterval": "100ms"}
OLD = {
    "version": 2,
    "advertisementInterval": "1s",
    "authentication": {"type": "Password", "password": "666"},
}
SIX = {**FAST, "family": "IPv6"}
MULTICAST: dict[str, Any] = {"transport": {"type": "Multicast"}}


@pytest.fixture
def bench(make_bench, require_tool):
    require_tool("keepalived")
    return make_bench(keepalived=["lb-2"])


def both_ways(instance_of, settings, *, preempt="Always", start=0):
    """The instances of our node and of keepalived's: on one we have the higher priority, on the other it has.

    `start` moves addresses and virtual routers, for a second pair beside the first.
    """
    six = settings.get("family") == "IPv6"
    prefix, length = ("2001:db8::", 64) if six else ("10.0.0.", 24)
    ours, theirs = f"{prefix}{100 + start}", f"{prefix}{101 + start}"

    def made(name: str, router: int, address: str, priority: int) -> dict[str, Any]:
        held = [{"address": f"{address}/{length}"}]
        if six:
            # RFC 9568 5.2.9 wants a link-local one first, and keepalived lives by it.
            held.insert(0, {"address": f"fe80::{router}/64"})
        preemption = {"mode": preempt}
        return instance_of(
            name, virtualRouterID=router, addresses=held, priority=priority, preemption=preemption, **settings
        )

    more = f"-{start}" if start else ""
    node = [made(f"ours{more}", 51 + start, ours, 150), made(f"theirs{more}", 52 + start, theirs, 100)]
    peer = [made(f"ours{more}", 51 + start, ours, 100), made(f"theirs{more}", 52 + start, theirs, 150)]
    return node, peer, ours, theirs


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((FAST,), id="v3-ipv4-unicast"),
        pytest.param((FAST | MULTICAST,), id="v3-ipv4-multicast"),
        pytest.param((SIX,), id="v3-ipv6-unicast"),
        pytest.param((SIX | MULTICAST,), id="v3-ipv6-multicast"),
        # Whole seconds: both transports in one run.
        pytest.param((OLD, OLD | MULTICAST), id="v2-password-unicast-and-multicast"),
    ],
)
def test_the_roles_move_between_keepalived_and_us(bench, instance_of, settings):
    pairs = [both_ways(instance_of, each, start=2 * number) for number, each in enumerate(settings)]
    node = [instance for pair in pairs for instance in pair[0]]
    peer = [instance for pair in pairs for instance in pair[1]]
    ours, theirs = [pair[2] for pair in pairs], [pair[3] for pair in pairs]
    bench.start(bench.a, *node)
    bench.start_keepalived(bench.b, *peer)
    bench.wait_held(bench.a, *ours)
    bench.wait_held(bench.b, *theirs)
    # It stops: priority 0, and all is ours; it comes back and preempts.
    bench.b.stop_keepalived()
    bench.wait_held(bench.a, *ours, *theirs)
    bench.start_keepalived(bench.b, *peer)
    bench.wait_held(bench.b, *theirs)
    bench.wait_held(bench.a, *ours)
    # We stop: priority 0, and all is its; we come back and preempt.
    bench.a.stop_daemon()
    bench.wait_held(bench.b, *ours, *theirs)
    bench.wait_held(bench.a)
    bench.a.start_daemon()
    bench.wait_held(bench.a, *ours)
    bench.wait_held(bench.b, *theirs)
    groups = bench.status(bench.a)["groups"]
    assert len(groups) == len(node)
    assert [each for group in groups for each in group["members"][0]["refused"]] == []


@pytest.mark.parametrize(
    "settings", [pytest.param(FAST, id="unicast"), pytest.param(SIX | MULTICAST, id="ipv6-multicast")]
)
def test_each_succeeds_the_other_when_it_dies_without_a_word(bench, instance_of, settings):
    node, peer, ours, theirs = both_ways(instance_of, settings)
    bench.start(bench.a, *node)
    bench.start_keepalived(bench.b, *peer)
    bench.wait_held(bench.a, ours)
    bench.wait_held(bench.b, theirs)
    bench.b.fault_kill()
    bench.wait(lambda: {ours, theirs} <= bench.a.held(), "us to hold both")
    # What its kernel was left with, nobody else will take away.
    bench.b.fault_node()
    bench.b.power_on()
    bench.start_keepalived(bench.b, *peer)
    bench.wait_held(bench.b, theirs)
    bench.wait_held(bench.a, ours)
    bench.a.fault_link()
    bench.wait_held(bench.b, ours, theirs)
    bench.wait_held(bench.a)
    bench.a.heal()
    bench.wait_held(bench.a, ours)
    bench.wait_held(bench.b, theirs)


def test_without_preemption_whoever_has_the_role_keeps_it(bench, instance_of):
    node, peer, ours, theirs = both_ways(instance_of, FAST, preempt="Never")
    bench.start_keepalived(bench.b, *peer)
    bench.wait_held(bench.b, ours, theirs)
    bench.start(bench.a, *node)
    bench.wait_state(bench.a, "Backup", "ours")
    _hear_adverts(bench, "ours", 10)
    assert bench.state(bench.a, "ours") == "Backup"
    assert bench.b.held() == {ours, theirs}
    # The other way round.
    bench.b.stop_keepalived()
    bench.wait_held(bench.a, ours, theirs)
    bench.start_keepalived(bench.b, *peer)
    bench.wait(lambda: "Entering BACKUP STATE" in _keepalived_log(bench), "keepalived to be Backup")
    sent = bench.group(bench.a, "theirs")["members"][0]["advertsSent"]
    bench.wait(lambda: bench.group(bench.a, "theirs")["members"][0]["advertsSent"] > sent + 10, "adverts to go on")
    assert bench.a.held() == {ours, theirs}
    assert bench.b.held() == frozenset()


def _hear_adverts(bench, group, more):
    def heard():
        return bench.group(bench.a, group)["members"][0]["advertsReceived"]

    before = heard()
    bench.wait(lambda: heard() >= before + more, f"{more} adverts more")


def _keepalived_log(bench):
    return (bench.b.folder / "keepalived.log").read_text().rpartition("Starting VRRP child process")[2]


def test_adverts_with_another_password_are_refused_and_counted(bench, instance_of):
    node, peer, ours, theirs = both_ways(instance_of, OLD)
    for each in node:
        each["authentication"] = {"type": "Password", "password": "667"}
    bench.start_keepalived(bench.b, *peer)
    bench.start(bench.a, *node)

    def refused():
        done = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir), "-o", "json")
        assert done.returncode == 0, done.stderr
        members = [member for group in json.loads(done.stdout)["groups"] for member in group["members"]]
        return [each for member in members for each in member["refused"]]

    found = bench.wait(refused, "an advert to be refused")
    assert {(each["reason"], each["source"]) for each in found} == {("WrongPassword", bench.b.address)}
    bench.wait_log(bench.a, "refused: WrongPassword")
    # As if nobody spoke.
    bench.wait_state(bench.a, "Active", "theirs")
    bench.b.running("keepalived").send(signal.SIGTERM)
    assert theirs in bench.a.held()
    assert ours in bench.a.held() | bench.b.held()
