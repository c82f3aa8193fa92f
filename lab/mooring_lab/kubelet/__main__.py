"""`python -m mooring_lab.kubelet --lab NAME --node NODE --kubeconfig FILE`: runs until it is ended.

SIGTERM ends the node's containers first; after SIGKILL they go on, and the next one finds them again.
"""

import argparse
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import mooring_lab
from mooring_kube.client import Client
from mooring_kube.connection import NoConnection, from_kubeconfig
from mooring_lab.kubelet import syscalls
from mooring_lab.kubelet.agent import RENEW_S, Agent
from mooring_lab.kubelet.facts import NodeFacts
from mooring_lab.kubelet.images import Images, Installation
from mooring_lab.kubelet.reporter import Reporter, Teller
from mooring_lab.kubelet.rules import Pace
from mooring_lab.kubelet.services import Services
from mooring_lab.layout import Layout
from mooring_lab.rights import LabError
from mooring_lab.store import Store
from mooring_operator.ending import ends_by_signal

UNUSABLE, ALREADY_RUNNING = 3, 5


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="mooring_lab.kubelet", description=sys.modules[__name__].__doc__)
    options.add_argument("--lab", required=True, metavar="NAME")
    options.add_argument("--node", required=True, metavar="NAME", help="a node of that lab")
    options.add_argument("--kubeconfig", required=True, type=Path, metavar="FILE", help="an administrator's")
    options.add_argument("--images", type=Path, metavar="FILE", help="a table {IMAGE: {root, entrypoint, ...}} in JSON")
    options.add_argument(
        "--manifests", type=Path, metavar="DIR", help="static pods' manifests; they need no API server"
    )
    options.add_argument(
        "--bind-all", action="store_true", help="bind any waiting pod that fits, not only those of DaemonSets"
    )
    pace = Pace()
    options.add_argument("--back-off", type=float, default=pace.first_back_off_s, metavar="SECONDS")
    options.add_argument("--longest-back-off", type=float, default=pace.longest_back_off_s, metavar="SECONDS")
    options.add_argument("--renew", type=float, default=RENEW_S, metavar="SECONDS", help="how often volumes are")
    options.add_argument(
        "--stop-within", type=float, default=30.0, metavar="SECONDS", help="what containers get at SIGTERM, at most"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    syscalls.name_process("kubelet")
    stopping = threading.Event()
    ends_by_signal(stopping)
    try:
        services = _services(options)
    except (LabError, NoConnection, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return UNUSABLE
    lock = _lock(services.folder)
    if lock is None:
        sys.stderr.write(f"another kubelet runs for {options.node} of lab {options.lab}\n")
        return ALREADY_RUNNING
    agent = Agent(services, bind_all=options.bind_all, renew_s=options.renew, manifests=options.manifests)
    agent.start()
    services.log(f"kubelet of {options.node} runs; {services.client.server}")
    stopping.wait()
    agent.stop(options.stop_within)
    services.log("ended")
    return 0


def _services(options: argparse.Namespace) -> Services:
    connection = from_kubeconfig(options.kubeconfig)
    store = Store(options.lab)
    layout = store.load().layout
    folder = store.node_folder(options.node) / "kubelet"
    folder.mkdir(mode=0o700, exist_ok=True)
    node = node_facts(layout, options.node, folder, connection.server, _images(options.images))
    client = Client(connection, agent="kubelet (mooring-lab)")
    pace = Pace(options.back_off, options.longest_back_off, 2 * options.longest_back_off)
    reporter = Reporter(client, _log)
    return Services(client, node, folder, pace, reporter, Teller(client, node.name), _log)


def node_facts(layout: Layout, name: str, folder: Path, server: str, images: Images) -> NodeFacts:
    """What is known of a lab's node; LabError when there is none of this name."""
    member = next((member for member in layout.nodes if member.name == name), None)
    if member is None:
        raise LabError(f"no node is called {name}; there are {', '.join(m.name for m in layout.nodes)}")
    address = urlsplit(server)
    return NodeFacts(
        name,
        (member.ipv4, member.ipv6),
        f"/run/netns/{layout.namespace(name)}",
        str(folder / "disk"),
        address.hostname or "",
        address.port or 443,
        images,
        syscalls.bounding_set(),
    )


def installation() -> Installation:
    """This project, and the Python that it runs on."""
    source = Path(mooring_lab.__file__).parents[2]
    return Installation(str(Path(sys.prefix) / "bin"), tuple(sorted({str(source), sys.prefix, sys.base_prefix})))


def _images(path: Path | None) -> Images:
    table = json.loads(path.read_text()) if path else {}
    if not isinstance(table, dict):
        raise ValueError(f"{path}: must be an object of images by name")
    return Images.of_json(installation(), table)


def _lock(folder: Path) -> int | None:
    """Held until this process ends; None when another one has it."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _log(text: str) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    sys.stdout.write(f"{stamp}.{int(now % 1 * 1000):03d}Z {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
