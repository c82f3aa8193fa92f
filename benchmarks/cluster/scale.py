"""1,000 nodes and 200 VirtualIPs on a real API server: time to all NodeConfigs, requests for one change, memory.

Run: python -m benchmarks.cluster.scale [--nodes 1000] [--virtual-ips 200]
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.cluster.daemons import FakeDaemons
from benchmarks.cluster.operators import Operator

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.resources import NODE_CONFIGS, NODES, VIRTUAL_IPS
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.wait import wait_until

_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 600.0
_THREADS = 8
#: A segment has 255 virtual router IDs; each rack is one.
RACKS = 4


def address(number: int) -> str:
    host, rack = divmod(number, RACKS)
    return f"10.{rack}.{host // 250}.{host % 250 + 1}/16"


def interfaces(number: int) -> list[dict[str, Any]]:
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    return [{"name": "eth0", "mac": mac, "addresses": [address(number)], "carrier": True, "mtu": 1500}]


def node(number: int) -> dict[str, Any]:
    return {"metadata": {"name": f"node-{number:04d}", "labels": {"rack": str(number % RACKS)}}}


def virtual_ip(number: int, interval: str = "1s") -> dict[str, Any]:
    rack = number % RACKS
    return {
        "metadata": {"name": f"vip-{number:03d}"},
        "spec": {
            "addresses": [{"address": f"10.{rack}.{100 + number // RACKS}.{each + 1}/16"} for each in range(2)],
            "nodes": {"selector": {"matchLabels": {"rack": str(rack)}}},
            "vrrp": {"advertisementInterval": interval},
        },
    }


def each(work: Callable[[int], Any], numbers: Iterable[int]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(work, numbers))


def programmed(client: Client) -> int:
    """How many VirtualIPs say that every candidate runs what was planned."""
    items = client.list(VIRTUAL_IPS).items
    conditions = [{c["type"]: c["status"] for c in item.get("status", {}).get("conditions", ())} for item in items]
    return sum(found.get("Programmed") == "True" for found in conditions)


def measured(text: str, work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    took = time.monotonic() - start
    sys.stdout.write(f"{text}: {took:.1f} s\n")
    sys.stdout.flush()
    return took


def written(before: dict[str, float], after: dict[str, float]) -> str:
    grown = {name: int(value - before.get(name, 0)) for name, value in after.items()}
    return json.dumps({name: count for name, count in grown.items() if count})


def run(folder: Path, nodes: int, virtual_ips: int) -> None:
    api = RealApi(folder / "api")
    api.start()
    try:
        _measure(api, folder, nodes, virtual_ips)
    finally:
        api.stop()


def _measure(api: RealApi, folder: Path, nodes: int, virtual_ips: int) -> None:
    kubectl = Kubectl(api.kubeconfig, folder)
    for manifests in ("crds", "deploy"):
        done = kubectl("apply", "-f", str(_ROOT / manifests))
        assert done.returncode == 0, done.stderr
    connection = from_kubeconfig(api.kubeconfig)
    client = Client(connection, agent="benchmark", timeout_s=60.0)
    each(lambda number: client.create(NODES, node(number)), range(nodes))
    daemons = FakeDaemons(connection, {f"node-{number:04d}": interfaces(number) for number in range(nodes)})
    daemons.start()
    kubeconfig = api.kubeconfig_for(api.token("mooring-operator"), folder / "operator.kubeconfig")
    log = folder / "operator.log"
    try:
        with Operator(kubeconfig, log) as operator:
            _first_time(operator, client, nodes, virtual_ips)
        with Operator(kubeconfig, log) as operator:
            _again(operator, client)
    except BaseException:
        sys.stderr.write("".join(log.read_text().splitlines(keepends=True)[-20:]))
        raise
    finally:
        daemons.stop()
        client.close()


def _first_time(operator: Operator, client: Client, nodes: int, virtual_ips: int) -> None:
    def all_there() -> bool:
        return len(client.list(NODE_CONFIGS).items) == nodes

    measured(
        f"operator start to {nodes} NodeConfigs",
        lambda: wait_until(all_there, _PATIENCE_S, "all NodeConfigs", every=0.5),
    )
    before = operator.requests()
    cpu = operator.cpu_s()
    measured(
        f"{virtual_ips} VirtualIPs applied",
        lambda: each(
            lambda number: client.apply(VIRTUAL_IPS, virtual_ip(number), manager="benchmark"), range(virtual_ips)
        ),
    )
    measured(
        "from then to the last Programmed",
        lambda: wait_until(lambda: programmed(client) == virtual_ips, _PATIENCE_S, "all Programmed", every=0.5),
    )
    sys.stdout.write(
        f"  operator: {operator.cpu_s() - cpu:.1f} s CPU; requests {written(before, operator.requests())}\n"
    )
    _one_change(operator, client)
    sys.stdout.write(f"operator memory (PSS): {operator.memory_mib():.0f} MiB\n")


def _one_change(operator: Operator, client: Client) -> None:
    """One VirtualIP changes its interval, which takes two generations and a tidy one."""
    before, cpu = operator.requests(), operator.cpu_s()
    generations = _generations(client)
    changed = client.apply(VIRTUAL_IPS, virtual_ip(7, "2s"), manager="benchmark")
    generation = changed["metadata"]["generation"]

    def done() -> bool:
        found = client.get(VIRTUAL_IPS, "vip-007").get("status", {})
        conditions = {c["type"]: c for c in found.get("conditions", ())}
        told = conditions.get("Programmed", {})
        return bool(told.get("status") == "True" and told.get("observedGeneration") == generation)

    measured("one VirtualIP changed, to Programmed", lambda: wait_until(done, _PATIENCE_S, "Programmed", every=0.05))
    touched = [name for name, value in _generations(client).items() if value != generations[name]]
    sys.stdout.write(f"  NodeConfigs written: {len(touched)}; requests {written(before, operator.requests())}\n")
    sys.stdout.write(f"  operator: {operator.cpu_s() - cpu:.2f} s CPU\n")


def _again(operator: Operator, client: Client) -> None:
    """An operator with an empty memory finds everything as it should be."""
    before = _generations(client)
    measured("a new operator leads after", lambda: operator.lead(_PATIENCE_S))

    def settled() -> bool:
        found = operator.metrics()
        return found.get("mooring_operator_reconcile_seconds_count{}", 0) > 0 and not found["mooring_operator_queue{}"]

    measured("  and has looked at everything after", lambda: wait_until(settled, _PATIENCE_S, "a turn", every=0.1))
    changed = [name for name, value in _generations(client).items() if value != before.get(name)]
    sys.stdout.write(
        f"  NodeConfigs that differ from before: {len(changed)}; requests {written({}, operator.requests())}\n"
    )
    sys.stdout.write(f"  memory (PSS): {operator.memory_mib():.0f} MiB\n")


def _generations(client: Client) -> dict[str, int]:
    return {item["metadata"]["name"]: item["metadata"]["generation"] for item in client.list(NODE_CONFIGS).items}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--virtual-ips", type=int, default=200)
    options = parser.parse_args(arguments)
    # So that an end from outside ends the servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="mooring-benchmark-") as folder:
        run(Path(folder), options.nodes, options.virtual_ips)
    return 0


if __name__ == "__main__":
    sys.exit(main())
