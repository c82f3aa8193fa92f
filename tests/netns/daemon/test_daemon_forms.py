"""Changes of what adverts look like, generation by generation and node by node: the role and the addresses stay."""

import itertools
import re
import select
import threading
import time

import pytest

from mooring_lab.kernel import KernelAddresses

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
#: Longer than any Backup here waits for an Active router that it no longer understands.
PAUSE_S = 7.0
FORM_FIELDS = ("virtualRouterID", "version", "advertisementInterval", "authentication", "checksum")


def password(text):
    return {"authentication": {"type": "Password", "password": text}}


MULTICAST = {"transport": {"type": "Multicast"}}
#: What each instance's adverts look like before the change and after it, beside its VRID.
TWO, THREE = {"version": 2, "advertisementInterval": "1s"}, {"version": 3, "advertisementInterval": "1s"}
FAST = {"version": 3, "advertisementInterval": "100ms"}
CHANGES = {
    "vrid": (FAST | {"virtualRouterID": 66}, FAST | {"virtualRouterID": 67}),
    "vrid-ipv6": (FAST | {"virtualRouterID": 68, "family": "IPv6"}, FAST | {"virtualRouterID": 69, "family": "IPv6"}),
    "password": (TWO | password("one"), TWO | password("two")),
    "password-new": (TWO, TWO | password("one")),
    "faster": (THREE, FAST),
    "slower": (FAST, THREE),
    "faster-in-version-2": (TWO | {"advertisementInterval": "2s"}, TWO),
    "slower-in-version-2": (TWO, TWO | {"advertisementInterval": "2s"}),
    "version-3": (TWO, THREE),
    "version-2": (THREE, TWO),
    "checksum": (FAST, FAST | {"checksum": "WithoutPseudoHeader"}),
    "multicast": (FAST, FAST | MULTICAST),
    "unicast": (FAST | MULTICAST, FAST),
    "everything": (
        TWO | password("one") | {"virtualRouterID": 70},
        FAST | MULTICAST | {"virtualRouterID": 71, "checksum": "WithoutPseudoHeader"},
    ),
}


def address_of(name):
    number = 100 + list(CHANGES).index(name)
    return f"fd00:10::{number}" if "family" in CHANGES[name][0] else f"10.0.0.{number}"


ADDRESSES = [address_of(name) for name in CHANGES]


def form(fields, peer):
    """As a member is told that it shall accept it."""
    accepted = {name: value for name, value in fields.items() if name in FORM_FIELDS}
    if "family" in fields:
        return accepted
    return accepted | {"transport": fields.get("transport", {"peers": [peer.address]})}


@pytest.fixture
def generation(bench, instance_of):
    """All instances of a node in one generation: 0 before the change, 3 after it."""

    def instances(node, number):
        peer = bench.b if node is bench.a else bench.a
        made = []
        for vrid, (name, change) in enumerate(CHANGES.items(), start=100):
            old, new = ({"virtualRouterID": vrid} | fields for fields in change)
            own, other = (old, new) if number < 2 else (new, old)
            told = {"alsoAccept": [form(other, peer)]} if number in (1, 2) else {}
            held = [{"address": f"{address_of(name)}/{64 if 'family' in own else 24}"}]
            made.append(instance_of(name, priority=150 if node is bench.a else 100, addresses=held, **own, **told))
        return made

    return instances


class Holders:
    """Watches by the kernels of some nodes that each address has one holder; used as a context."""

    def __init__(self, nodes, addresses):
        self._kernels = [KernelAddresses(node.namespace) for node in nodes]
        self._addresses = addresses
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.looks = 0
        self.others = set()
        """(address, number of holders) where that was not one."""

    def _watch(self):
        while not self._ended.is_set():
            for kernel in self._kernels:
                kernel.drain()
            held = [kernel.read() for kernel in self._kernels]
            counts = {address: sum(address in each for each in held) for address in self._addresses}
            self.others |= {found for found in counts.items() if found[1] != 1}
            self.looks += 1
            select.select(self._kernels, [], [], 0.05)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._ended.set()
        self._thread.join()
        for kernel in self._kernels:
            kernel.close()


def groups(bench, node):
    return {group["name"]: group for group in bench.status(node)["groups"]}


def transitions(bench):
    return {
        (node.name, name): group["transitions"] for node in bench.nodes for name, group in groups(bench, node).items()
    }


def start_all(bench, generation):
    bench.start(bench.a, *generation(bench.a, 0))
    bench.wait_held(bench.a, *ADDRESSES)
    bench.start(bench.b, *generation(bench.b, 0))
    bench.wait(lambda: {each["state"] for each in groups(bench, bench.b).values()} == {"Backup"}, "b to be Backup")


@pytest.mark.parametrize("first", ["holder", "backup"])
def test_a_change_goes_round_and_nobody_notices(bench, generation, first):
    start_all(bench, generation)
    order = [bench.a, bench.b] if first == "holder" else [bench.b, bench.a]
    before = transitions(bench)
    with bench.client.measure(ADDRESSES, 5) as measured, Holders(bench.nodes, ADDRESSES) as holders:
        for number, node in itertools.product((1, 2, 3), order):
            bench.reload(node, *generation(node, number))
            said = {name for name, each in groups(bench, node).items() if "a change is under way" in each["detail"]}
            assert said == (set(CHANGES) if number < 3 else set())
            time.sleep(PAUSE_S)
            assert holders.others == set(), (number, node.name)
    result = measured.result()
    assert {each: result[each].lost for each in ADDRESSES} == dict.fromkeys(ADDRESSES, 0)
    assert [each for each in ADDRESSES if result[each].contests] == []
    assert {tuple(held.mac for held in result[each].held) for each in ADDRESSES} == {(bench.a.member.mac,)}
    assert holders.looks > 100
    assert transitions(bench) == before
    for node in bench.nodes:
        assert bench.status(node)["vrrp"]["foreignRouters"] == []
        members = [member for group in groups(bench, node).values() for member in group["members"]]
        assert {member["name"]: member["refused"] for member in members} == {name: [] for name in CHANGES}
        assert {member["name"]: member["version"] for member in members} == {
            name: new["version"] for name, (_, new) in CHANGES.items()
        }


def test_status_names_what_is_also_accepted(bench, generation):
    bench.start(bench.a, *generation(bench.a, 1))
    status = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout
    assert "also accepts VRID 67 (a change is under way)" in status
    assert "also accepts another password (a change is under way)" in status
    assert "two" not in status
    everything = "VRID 71, version 3, interval 100ms, no password, checksums without pseudo-header, multicast"
    assert f"also accepts {everything} (a change is under way)" in status


# Failures while a change goes round.

OLD = {"version": 2, "advertisementInterval": "1s", "virtualRouterID": 66, **password("one")}
NEW = {"version": 3, "advertisementInterval": "100ms", "virtualRouterID": 67}


def forms_of(own, other):
    return {**own, "alsoAccept": [{name: value for name, value in other.items() if name in FORM_FIELDS}]}


@pytest.fixture
def halfway(bench, instance_of):
    """The holder a still sends the old form, the Backup b has switched."""

    def told(node):
        fields = forms_of(OLD, NEW) if node is bench.a else forms_of(NEW, OLD)
        return instance_of(priority=150 if node is bench.a else 100, **fields)

    bench.start(bench.a, told(bench.a))
    bench.wait_state(bench.a, "Active")
    bench.start(bench.b, told(bench.b))
    bench.wait(lambda: bench.group(bench.b)["lastHeard"], "b to hear the old form")
    assert bench.state(bench.b) == "Backup"
    return bench


def test_halfway_a_stop_hands_over_and_the_return_takes_back(halfway, overlap):
    bench = halfway
    with bench.client.measure([ADDRESS]) as measured, overlap(bench.nodes, ADDRESS) as seen:
        bench.a.stop_daemon()
        bench.wait_held(bench.b, ADDRESS)
        bench.a.start_daemon()
        bench.wait_held(bench.a, ADDRESS)
        bench.wait_held(bench.b)
    result = measured.result()[ADDRESS]
    assert result.lost <= 5
    assert [each.mac for each in result.held] == [each.member.mac for each in (bench.a, bench.b, bench.a)]
    assert seen.seconds(2) < 1.0


def test_halfway_the_next_takes_over_from_one_that_died(halfway, overlap):
    bench = halfway
    with overlap(bench.nodes, ADDRESS) as seen:
        bench.a.fault_node()
        bench.wait_held(bench.b, ADDRESS)
        # As the old form's second asks, not as the new one's tenth of it.
        bench.wait_log(bench.b, "was silent for")
        (silent,) = re.findall(r"was silent for (\d+) ms", bench.b.log)
        assert int(silent) > 3000
        bench.a.heal()
        bench.wait_held(bench.a, ADDRESS)
        bench.wait_held(bench.b)
    assert seen.seconds(2) < 1.0


def test_halfway_a_killed_process_adopts_its_addresses(halfway):
    bench = halfway
    before = bench.group(bench.b)["transitions"]
    with bench.client.measure([ADDRESS]) as measured:
        bench.kill(bench.a, "vrrp")
        bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the process to be replaced")
        bench.wait_log(bench.a, "Initialize -> Active: adopted from its predecessor")
    assert measured.result()[ADDRESS].lost == 0
    assert (bench.group(bench.b)["transitions"], bench.state(bench.b)) == (before, "Backup")


# Members come and go.


def test_a_joiner_listens_until_it_may_hold_and_a_leaver_hands_over_first(make_bench, instance_of):
    bench = make_bench(nodes=3)
    a, b, c = bench.nodes
    priorities = {a.name: 150, b.name: 100, c.name: 200}

    def told(node, *others, **changes):
        transport = {"source": node.address, "peers": [each.address for each in others]}
        return instance_of(priority=priorities[node.name], transport=transport, **changes)

    bench.start(a, told(a, b))
    bench.wait_state(a, "Active")
    bench.start(b, told(b, a))
    bench.wait_state(b, "Backup")
    with bench.client.measure([ADDRESS]) as measured, Holders(bench.nodes, [ADDRESS]) as holders:
        # It listens.
        bench.reload(b, told(b, a, c))
        bench.start(c, told(c, a, b, eligible=False))
        bench.reload(a, told(a, b, c))
        bench.wait(lambda: (bench.group(c)["lastHeard"] or {}).get("source") == a.address, "c to hear a")
        assert bench.group(c)["lastHeard"]["priority"] == 150
        process, heard = bench.pid(c, "vrrp"), bench.group(c)["members"][0]["advertsReceived"]
        time.sleep(1)
        assert (bench.state(c), bench.state(a)) == ("Backup", "Active")
        assert "not eligible" in bench.group(c)["detail"]
        assert holders.others == set()
        # It may hold, and its priority is the highest: the same group, which has counted on.
        bench.reload(c, told(c, a, b))
        bench.wait_held(c, ADDRESS)
        bench.wait_held(a)
        group = bench.group(c)
        assert (group["transitions"], bench.pid(c, "vrrp")) == (2, process)
        assert group["members"][0]["advertsReceived"] > heard
        # It leaves.
        bench.reload(c, told(c, a, b, eligible=False))
        bench.wait_held(a, ADDRESS)
        bench.wait_held(c)
        bench.reload(c)
        for node, other in ((a, b), (b, a)):
            bench.reload(node, told(node, other))
        heard = bench.group(b)["members"][0]["advertsReceived"]
        bench.wait(lambda: bench.group(b)["members"][0]["advertsReceived"] > heard + 10, "adverts to go on")
    result = measured.result()[ADDRESS]
    assert result.lost == 0
    assert [each.mac for each in result.held] == [each.member.mac for each in (a, c, a)]
    assert {count for _, count in holders.others} <= {2}
    assert bench.status(b)["vrrp"]["foreignRouters"] == []


def test_a_vrid_that_was_handed_over_for_good_is_a_foreign_one(bench, instance_of):
    """For the operator, who must not give it to another group while somebody speaks it."""
    bench.pair()
    other = instance_of(
        "other", virtualRouterID=52, transport={"alone": True}, addresses=[{"address": "10.0.0.120/24"}]
    )
    bench.reload(bench.a, other)
    bench.wait_held(bench.b, ADDRESS)
    (router,) = bench.wait(lambda: bench.status(bench.a)["vrrp"]["foreignRouters"], "b to be heard as a stranger")
    assert (router["virtualRouterID"], router["source"]) == (51, bench.b.address)
