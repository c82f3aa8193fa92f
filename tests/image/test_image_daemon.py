"""The node's image at work: the chart's capabilities, a read-only root, files alone and no cluster."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.image.conftest import NODE_NAMES, ROOT, Run
from tests.image.running import CONFIG, STATE, Container, Image, chart_security

from mooring_lab.kubelet.runspec import Mount
from mooring_lab.lab import Lab
from mooring_lab.node import Node

FIRST, SECOND = NODE_NAMES
ADDRESS = "10.0.0.100"
NO_METRICS = ("--metrics-address", "127.0.0.1:0")
MISSING_RIGHT = 4
#: How often each start is measured; the two kinds take turns.
ROUNDS = 3
#: Prints when the first VRRP packet from somebody else came.
LISTEN = """
import socket, time
with socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as heard:
    print("listening", flush=True)
    heard.recv(2048)
    print(time.time(), flush=True)
"""


def instance(name: str, router: int, own: str, peer: str, priority: int, *addresses: str) -> dict[str, Any]:
    return {
        "name": name,
        "interface": "eth0",
        "virtualRouterID": router,
        "version": 3,
        "priority": priority,
        "transport": {"type": "Unicast", "source": own, "peers": [peer]},
        "addresses": [{"address": f"{address}/16"} for address in addresses],
    }


def node_config(name: str, *instances: Mapping[str, Any]) -> str:
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": name}}
    return yaml.safe_dump({**head, "spec": {"instances": list(instances)}})


class Daemon:
    """A container of the node's image on a node of the lab, with a configuration from a file."""

    def __init__(
        self, run: Run, image: Image, node: Node, folder: Path, text: str, mounts: Iterable[Mount] = (), **options: Any
    ) -> None:
        state, config = folder / f"state-{node.name}", folder / f"{node.name}.yaml"
        state.mkdir(mode=0o700, exist_ok=True)
        config.write_text(text)
        mounts = [Mount(str(state), STATE), Mount(str(config), CONFIG, read_only=True), *mounts]
        arguments = ("run", "--config", CONFIG, *NO_METRICS, "--log-format", "json")
        self.container: Container = run(image, network(node), *arguments, mounts=mounts, **options)

    def status(self) -> dict[str, Any]:
        done = self.container.exec("mooring-node", "status", "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def until_live(self) -> None:
        said = self.container.exec
        self.container.until("the daemon to be live", lambda: said("mooring-node", "probe", "live").returncode == 0)


def vrrp(status: Mapping[str, Any]) -> dict[str, Any]:
    """What it says of the VRRP process."""
    found: dict[str, Any] = status["vrrp"]
    return found


def network(node: Node) -> Path:
    return Path("/run/netns") / node.namespace


@pytest.fixture
def image(images: Mapping[str, Image]) -> Image:
    return images["mooring-node"]


@pytest.fixture
def pair(run: Run, image: Image, lab: Lab, tmp_path: Path) -> Iterator[dict[str, Daemon]]:
    """A daemon on each node; the first is to hold the address. Default settings: an advert each second."""
    first, second = (lab.node(name) for name in NODE_NAMES)
    texts = {
        first: node_config(FIRST, instance("web", 51, first.address, second.address, 150, ADDRESS)),
        second: node_config(SECOND, instance("web", 51, second.address, first.address, 100, ADDRESS)),
    }
    yield {node.name: Daemon(run, image, node, tmp_path, text) for node, text in texts.items()}
    for node in lab.nodes:
        node.heal()


def test_a_failover_and_a_stop(pair: dict[str, Daemon], lab: Lab, figure: Callable[[str], None]) -> None:
    lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 30)
    for daemon in pair.values():
        daemon.until_live()
        ready = daemon.container.exec("mooring-node", "probe", "ready")
        assert ready.returncode == 0, ready.stdout + ready.stderr
    status = pair[FIRST].status()
    assert vrrp(status)["memoryLocked"] is True
    assert vrrp(status)["scheduling"] == "real-time"
    shown = pair[FIRST].container.exec("mooring-node", "status").stdout
    assert "web" in shown
    assert "Active" in shown
    checked = pair[FIRST].container.exec("mooring-node", "check", "--config", CONFIG)
    assert (checked.returncode, "1 instance is good" in checked.stdout) == (0, True)

    with lab.client.measure([ADDRESS], 1.0) as measurement:
        cut = measurement.now()
        lab.node(FIRST).fault_link()
        lab.wait_held({SECOND: [ADDRESS]}, 20)
        time.sleep(0.5)  # what is seen after it, too
        taken = measurement.now()
        lab.node(FIRST).heal()
        lab.wait_held({FIRST: [ADDRESS], SECOND: []}, 20)
        time.sleep(0.5)
    lost = measurement.result(cut, taken)[ADDRESS]
    back = measurement.result(taken)[ADDRESS]
    figure(f"holder's link cut, adverts 1 s: {lost.lost} packets of 1 ms lost; fail-back: {back.lost}")
    assert 0 < lost.lost < 20_000

    with lab.client.measure([ADDRESS], 1.0) as measurement:
        ended = pair[FIRST].container.stop()
        lab.wait_held({SECOND: [ADDRESS]}, 20)
        time.sleep(0.5)
    figure(f"SIGTERM to the holder's container: {measurement.result()[ADDRESS].lost} packets of 1 ms lost")
    assert ended.code == 0, pair[FIRST].container.log
    assert lab.node(FIRST).held() == frozenset()


def test_nothing_of_the_root_is_written(run: Run, image: Image, lab: Lab, tmp_path: Path) -> None:
    node = lab.node(FIRST)
    own = instance("web", 52, node.address, lab.node(SECOND).address, 255, ADDRESS)
    daemon = Daemon(run, image, node, tmp_path, node_config(FIRST, own))
    daemon.until_live()
    tried = daemon.container.exec("python3", "-c", "open('/opt/mooring/x', 'w')")
    assert "Read-only file system" in tried.stderr
    status = daemon.container.exec("python3", "-c", "print(open('/proc/self/status').read())").stdout
    held = next(line for line in status.splitlines() if line.startswith("CapEff"))
    wanted = {"NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "SYS_NICE": 23}
    assert set(chart_security("node")["capabilities"]["add"]) == set(wanted)
    assert int(held.split()[1], 16) == sum(1 << bit for bit in wanted.values())
    daemon.container.until("it to hold", lambda: "-> Active" in daemon.container.log)
    said = [json.loads(line) for line in daemon.container.log.splitlines()]
    assert not [line for line in said if line["level"] in ("error", "warning")], said


@pytest.mark.parametrize("lacking", ["NET_ADMIN", "NET_RAW"])
def test_a_right_that_the_daemon_must_have_is_named(
    run: Run, image: Image, lab: Lab, tmp_path: Path, lacking: str
) -> None:
    text = node_config(FIRST, instance("web", 53, lab.node(FIRST).address, lab.node(SECOND).address, 255, ADDRESS))
    container = Daemon(run, image, lab.node(FIRST), tmp_path, text, without=[lacking]).container
    assert container.wait().code == MISSING_RIGHT
    assert f"CAP_{lacking} is missing" in container.log


@pytest.mark.parametrize("lacking", ["SYS_NICE", "IPC_LOCK"])
def test_a_right_that_makes_it_better_is_told(run: Run, image: Image, lab: Lab, tmp_path: Path, lacking: str) -> None:
    text = node_config(FIRST, instance("web", 54, lab.node(FIRST).address, lab.node(SECOND).address, 255, ADDRESS))
    daemon = Daemon(run, image, lab.node(FIRST), tmp_path, text, without=[lacking])
    daemon.until_live()
    if lacking == "IPC_LOCK":
        assert vrrp(daemon.status())["memoryLocked"] is False
    else:
        daemon.container.until("its word", lambda: "grant CAP_SYS_NICE" in daemon.container.log)


class Listener:
    """Waits on a node for the first VRRP packet; used as a context."""

    def __init__(self, node: Node) -> None:
        self._process = subprocess.Popen(node.command(sys.executable, "-c", LISTEN), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._said = self._process.stdout

    def __enter__(self) -> "Listener":
        assert self._said.readline() == "listening\n"
        return self

    def heard_at(self) -> float:
        """Seconds since the epoch."""
        return float(self._said.readline())

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.communicate()


def test_the_time_to_the_first_advert(
    run: Run, image: Image, lab: Lab, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Beside the same daemon in the host's own environment; the container's time includes its namespaces and root."""
    first, second = (lab.node(name) for name in NODE_NAMES)
    # The owner of an address does not listen first.
    text = node_config(FIRST, instance("web", 55, first.address, second.address, 255, ADDRESS))
    times: dict[str, list[float]] = {"image": [], "host": []}
    for turn in range(ROUNDS):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Listener(second) as listener:
            container = Daemon(run, image, first, folder, text).container
            times["image"].append(listener.heard_at() - container.started_at)
        assert container.stop().code == 0
        config, state = folder / "host.yaml", folder / "state-host"
        config.write_text(text)
        command = [str(ROOT / ".venv/bin/mooring-node"), "run", "--config", str(config), "--state-dir", str(state)]
        with Listener(second) as listener:
            began = time.time()
            with open(folder / "host.log", "wb") as log:
                process = subprocess.Popen(first.command(*command, *NO_METRICS), stdout=log, stderr=log)
            times["host"].append(listener.heard_at() - began)
        process.terminate()
        assert process.wait(30) == 0
    said = {name: f"{statistics.median(each) * 1e3:.0f} ms" for name, each in times.items()}
    figure(f"start to first advert, median of {ROUNDS}: {said['image']} (the host's environment: {said['host']})")
    # Without byte code it is four times as long; a stall of the machine is less than the second.
    assert min(times["image"]) < 2 * min(times["host"]) + 1.0
