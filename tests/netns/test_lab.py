"""The lab itself: built, broken, mended and removed, on real namespaces."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.netns.command_line import mooring

from mooring_lab import namespace, store
from mooring_lab.faults import Direction
from mooring_lab.lab import Lab, remove
from mooring_lab.machine import Machine
from mooring_lab.node import Node
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.store import Started
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.netns


@pytest.fixture
def lab(lab_name: str) -> Iterator[Lab]:
    with Lab(lab_name) as built:
        yield built


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node("lb-1")


def reached(machine: Machine, address: str) -> None:
    """Wait until an address answers: after a failure the kernel asks for its MAC once a second."""
    wait_until(lambda: machine.reach(address) == 3, 15, f"{address} to answer")


def sleeper(node: Node) -> Identity:
    """A process in the node that does nothing, and that nobody waits for."""
    return Identity(**json.loads(node.exec(sys.executable, "-c", _START_SLEEPER).stdout))


_START_SLEEPER = """
import json, subprocess
from dataclasses import asdict
from mooring_lab.processes import Identity
quiet = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "1000"], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
print(json.dumps(asdict(Identity.of(child.pid))))
child.returncode = 0
"""


def links_of_the_host() -> str:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout


def test_every_member_reaches_every_other(lab: Lab) -> None:
    lb_1, lb_2 = lab.nodes
    assert (lb_1.address, lb_2.address) == ("10.0.0.18", "10.0.0.28")
    assert lb_1.reach(lb_2.address) == 3
    assert lb_1.reach(lb_2.member.ipv6) == 3
    assert lb_1.reach(lb_2.member.management, interface="mgmt0") == 3
    assert lab.client.reach(lb_1.address) == 3
    assert lab.client.reach(lb_1.member.ipv6) == 3
    for machine in lab.machines:
        shown = machine.exec("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link").stdout
        assert f" {machine.member.link_local}/64 " in shown
    assert lb_1.carrier()


def test_the_host_has_nothing_of_it(lab_name: str) -> None:
    before = links_of_the_host()
    with Lab(lab_name):
        assert links_of_the_host() == before


def test_down_leaves_nothing_and_can_be_said_twice(lab: Lab, node: Node) -> None:
    process = sleeper(node)
    assert process.alive()
    lab.down()
    lab.down()
    assert not process.alive()
    assert namespace.matching(f"mooring-{lab.name}-") == []
    assert lab.name not in store.names()


def test_a_lab_that_could_not_be_built_leaves_nothing(lab_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def power_on(machine: Machine) -> None:
        if built:
            raise OSError("no more")
        namespace.add(machine.namespace)
        built.append(machine.name)

    monkeypatch.setattr(Machine, "power_on", power_on)
    with pytest.raises(OSError, match="no more"):
        Lab(lab_name).up()
    assert built
    assert namespace.matching(f"mooring-{lab_name}-") == []
    assert lab_name not in store.names()


def test_what_is_left_of_a_lab_is_named_with_the_remedy(lab_name: str) -> None:
    namespace.add(f"mooring-{lab_name}-lb-1")
    with pytest.raises(LabError, match=f"mooring lab down --name {lab_name}"):
        Lab(lab_name).up()
    remove(lab_name)
    with Lab(lab_name):
        pass


def test_a_second_lab_of_the_name_does_not_hurt_the_first(lab: Lab) -> None:
    with pytest.raises(LabError, match="mooring lab down"):
        Lab(lab.name).up()
    assert lab.client.reach("10.0.0.18") == 3


def test_a_stranger_with_a_remembered_pid_survives(lab: Lab) -> None:
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        try:
            identity = Identity.of(stranger.pid)
            assert identity
            with lab.store.edit() as record:
                earlier = replace(identity, start=identity.start - 1)
                record.processes["lb-1"] = {"daemon": Started(earlier, ("sleep",), "/dev/null")}
            lab.down()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_command_s_exit_code_passes_through(lab: Lab) -> None:
    done = mooring(lab, "exec", "lb-1", "--", "sh", "-c", "ip -o -4 addr show eth0; exit 7")
    assert done.returncode == 7
    assert "10.0.0.18/16" in done.stdout


def test_a_cut_link_loses_its_carrier_and_a_silent_one_does_not(lab: Lab, node: Node) -> None:
    node.fault_link()
    wait_until(lambda: not node.carrier(), 10, "the carrier to go")
    assert lab.client.reach(node.address) == 0
    assert lab.node("lb-2").reach(node.member.management, interface="mgmt0") == 3
    node.heal()
    wait_until(node.carrier, 10, "the carrier to come back")
    reached(lab.client, node.address)
    node.fault_link(silent=True)
    assert lab.client.reach(node.address) == 0
    assert node.carrier()
    node.heal()
    reached(lab.client, node.address)


def echoes_received(node: Node) -> int:
    names, values = (
        line.split() for line in node.exec("cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Icmp:")
    )
    return int(values[names.index("InEchos")])


@pytest.mark.parametrize(("direction", "arrive"), [(Direction.FROM, 3), (Direction.TOWARDS, 0)])
def test_one_way_loss_is_one_way(lab: Lab, node: Node, direction: Direction, arrive: int) -> None:
    # Without this the question for the MAC would be lost already.
    neighbour = ["ip", "neigh", "replace", node.address, "lladdr", node.member.mac, "dev", "eth0"]
    assert lab.client.exec(*neighbour, "nud", "permanent").returncode == 0
    node.fault_one_way(direction)
    before = echoes_received(node)
    assert lab.client.reach(node.address) == 0
    assert echoes_received(node) - before == arrive
    node.heal()
    reached(lab.client, node.address)


def test_random_loss_loses_some(lab: Lab, node: Node) -> None:
    assert lab.client.reach(node.address) == 3
    node.fault_loss(50, Direction.FROM)
    assert 40 < lab.client.reach(node.address, 200) < 160
    node.fault_loss(100)
    assert lab.client.reach(node.address) == 0


def test_a_frozen_process_wakes_though_the_command_has_ended(lab: Lab, node: Node) -> None:
    process = sleeper(node)
    done = mooring(lab, "fault", "stop", "lb-1", "2s", "sleep")
    assert done.returncode == 0, done.stderr
    assert process.frozen()
    wait_until(lambda: not process.frozen(), 30, "the process to wake")
    assert process.alive()


def test_heal_wakes_what_is_frozen(node: Node) -> None:
    process = sleeper(node)
    node.fault_stop(1000)
    assert process.frozen()
    node.heal()
    assert not process.frozen()


def test_kill_takes_what_was_named_and_nothing_else(lab: Lab, node: Node) -> None:
    process, elsewhere = sleeper(node), sleeper(lab.node("lb-2"))
    with pytest.raises(LabError, match="nothing called vrrp runs on lb-1; there is sleep"):
        node.fault_kill("vrrp")
    assert process.alive()
    node.fault_kill("sleep")
    assert not process.alive()
    assert elsewhere.alive()


def test_a_pulled_cord_takes_everything_and_the_node_comes_back_clean(lab: Lab, node: Node) -> None:
    process = sleeper(node)
    node.exec("ip", "addr", "add", "10.0.0.100/24", "dev", "eth0")
    assert lab.holders() == {"10.0.0.100": ("lb-1",)}
    node.fault_node()
    assert not process.alive()
    assert lab.holders() == {}
    assert lab.client.reach(node.address) == 0
    with pytest.raises(LabError, match="lb-1 has no power"):
        node.exec("true")
    assert "mooring lab heal lb-1" in mooring(lab, "exec", "lb-1", "--", "true").stderr
    node.heal()
    assert node.held() == frozenset()
    reached(lab.client, node.address)


def test_a_lab_is_found_again_by_its_name(lab: Lab) -> None:
    again = Lab.open(lab.name)
    try:
        lab.node("lb-2").exec("ip", "addr", "add", "fd00:10::100/64", "dev", "eth0", "nodad")
        again.wait_held({"lb-1": [], "lb-2": ["fd00:10::100"]}, 10)
    finally:
        again.close()
    with pytest.raises(TimeoutError, match=r"held now: \{'fd00:10::100': "):
        lab.wait_held({"lb-1": ["fd00:10::100"]}, 0.05)


def test_a_killed_command_leaves_a_lab_that_can_be_removed(lab_name: str) -> None:
    script = "import os, sys; from mooring_lab.lab import Lab; Lab(sys.argv[1]).up(); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", script, lab_name], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(namespace.matching(f"mooring-{lab_name}-")) == 4
    remove(lab_name)
    assert namespace.matching(f"mooring-{lab_name}-") == []


def test_missing_rights_are_named_before_anything_else(lab_name: str) -> None:
    # Imported first: another user could not read a checkout in root's home.
    script = "import os, sys; from mooring_cli.main import main; os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-all"]
    done = subprocess.run(
        [*drop, sys.executable, "-c", script, "lab", "up", "--name", lab_name],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1, done.stderr
    for right in ("root", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
        assert right in done.stderr
    assert namespace.matching(f"mooring-{lab_name}-") == []
