"""Beside kube-proxy in IPVS mode, which deletes each service that it does not know and answers ARP for its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mooring_lab.node import Node
from mooring_lab.wait import wait_until

#: Of the guest's time, which costs nothing: two looks for kube-proxy, a minute apart, and what comes before.
pytestmark = pytest.mark.timeout(900)

ADDRESS = "10.0.0.120"
CLUSTER_IP = "10.96.0.1:443"
#: Its sync period; what it finds too much in the table goes at each.
SYNC_SECONDS = 30
#: The daemon reads the table each 30 s and looks for kube-proxy each minute; its report is heard within seconds.
MENDED_SECONDS, SEEN_SECONDS = 40.0, 150.0

#: As kube-proxy's cleanLegacyService: whatever is in the table and is none of its Services, and in no excludeCIDRs.
FAKE = """
import subprocess, sys, time
while True:
    saved = subprocess.run(["ipvsadm", "-Sn"], capture_output=True, text=True, check=True).stdout
    for line in saved.splitlines():
        action, kind, service = line.split()[:3]
        if action == "-A" and service != sys.argv[1]:
            subprocess.run(["ipvsadm", "-D", kind, service], check=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def kube_proxy(node: Node) -> Iterator[None]:
    """Its interface with an address, a service of its own, and its loop."""
    node.exec("ip", "link", "add", "kube-ipvs0", "type", "dummy")
    node.exec("ip", "address", "add", f"{CLUSTER_IP.partition(':')[0]}/32", "dev", "kube-ipvs0")
    node.exec("ipvsadm", "-A", "-t", CLUSTER_IP, "-s", "rr")
    loop = subprocess.Popen(node.command(sys.executable, "-c", FAKE, CLUSTER_IP, str(SYNC_SECONDS)))
    try:
        yield
    finally:
        loop.kill()
        loop.wait()
        node.exec("ip", "link", "delete", "kube-ipvs0")
        node.exec("ipvsadm", "-D", "-t", CLUSTER_IP)


def told(node: Node) -> Any:
    """What the daemon's status says of kube-proxy."""
    status = node.daemon_status(1.0) or {}
    return (status.get("agent", {}).get("balance") or {}).get("kubeProxy")


def test_its_deletions_are_mended_and_told(bench: Any, plan: Any) -> None:
    bench.start(plan(addresses=(ADDRESS,)))
    holder = bench.lab.nodes[0]
    with kube_proxy(holder):
        wait_until(lambda: f"{ADDRESS}:80" not in bench.table(holder), 5.0, "kube-proxy to delete", every=0.05)
        wait_until(lambda: f"{ADDRESS}:80" in bench.table(holder), MENDED_SECONDS, "the table to be mended", every=0.05)
        bench.wait_answered_by({each.name for each in bench.backends(plan().place)}, ADDRESS)
        assert f"-A -t {CLUSTER_IP}" in bench.table(holder), "what is kube-proxy's stays"
        expected = {"mode": "IPVS", "removesServices": True, "answersArp": True}
        wait_until(lambda: told(holder) == expected, SEEN_SECONDS, f"kube-proxy to be told, not {told(holder)}")
        holder.exec("sysctl", "-w", "net.ipv4.conf.all.arp_ignore=1")  # strictARP
        expected["answersArp"] = False
        wait_until(lambda: told(holder) == expected, SEEN_SECONDS, f"strictARP to be seen, not {told(holder)}")
    # Somebody else's table is not touched any more, and ours stands.
    time.sleep(SYNC_SECONDS)
    assert f"{ADDRESS}:80" in bench.table(holder)
