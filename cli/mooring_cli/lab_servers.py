"""The commands of `mooring lab` for HTTP servers, and for a client that asks them."""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from mooring_api.duration import Duration
from mooring_kube.errors import KubeError
from mooring_lab import visits, workloads
from mooring_lab.lab import Lab
from mooring_lab.rights import LabError
from mooring_lab.servers import WebServer

Command = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def register(commands: Any, command: Command) -> None:
    """Add them; `command` makes one with a name, what it runs and a text."""
    command(commands, "ls", _list, "the HTTP servers: where they are, whether they run, what they were asked")
    server = command(
        commands, "server", _server, "kill an HTTP server, start it, let it fail or be slow, drain its pod"
    )
    acts = server.add_subparsers(dest="act", required=True, metavar="ACT")
    for act, text in _ACTS.items():
        one = acts.add_parser(act, help=text)
        one.add_argument("server", metavar="NAME")
        one.add_argument("--name", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if act == "slow":
            one.add_argument("delay", type=_seconds, help="such as 5s")
    get = command(commands, "get", _get, "ask for a URL from a client, and say who answered: get http://10.0.0.100/")
    get.add_argument("url")
    get.add_argument("--count", type=int, default=1, help="so often (default: 1)")
    get.add_argument("--every", type=_seconds, default=0.0, metavar="DURATION", help="such as 100ms (default: at once)")
    get.add_argument("--from", dest="machine", default="client-1", metavar="MACHINE", help="(default: client-1)")


_ACTS = {
    "kill": "SIGKILL: connections are reset, new ones refused",
    "start": "start it, and let it answer well again; a drained pod comes back",
    "fail": "answer 503",
    "slow": "answer after a while",
    "drain": "delete its pod, as a rollout does: it still serves and is to get no new connections",
}


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text).seconds
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _list(options: argparse.Namespace) -> int:
    lab = Lab.open(options.name)
    for server in lab.servers:
        told = server.told()
        state = (
            "down"
            if told is None
            else f"up, asked {sum(n for path, n in told['requests'].items() if path != '/told')} times"
        )
        sys.stdout.write(f"{server.name}  {server.place}  {server.address}  on {server.node}  {state}\n")
    return 0


def _server(options: argparse.Namespace) -> int:
    lab = Lab.open(options.name)
    server = lab.server(options.server)
    match options.act:
        case "kill":
            server.kill()
        case "start":
            _start(lab, server)
        case "fail":
            server.behave(status=503)
        case "slow":
            server.behave(delay=options.delay)
        case "drain":
            _with_api(lab, server, workloads.drain)
    return 0


def _start(lab: Lab, server: WebServer) -> None:
    if server.process:
        server.behave()
    else:
        server.start()
    if lab.has_api:
        _with_api(lab, server, workloads.register)


def _with_api(lab: Lab, server: WebServer, act: Callable[[Any, WebServer], None]) -> None:
    client = lab.cluster.client()
    try:
        act(client, server)
    except KubeError as error:
        raise LabError(f"the API server: {error}") from error
    finally:
        client.close()


def _get(options: argparse.Namespace) -> int:
    machine = Lab.open(options.name).machine(options.machine)
    if not machine.powered:
        raise LabError(f"{machine.name} has no power; give it back with: mooring lab heal {machine.name}")
    made = []
    for number in range(options.count):
        if number and options.every:
            time.sleep(options.every)
        made.append(visits.visit(machine.namespace, options.url))
    for server, count in visits.tally(made).items():
        sys.stdout.write(f"{server or 'nobody'}  {count}\n")
    wrong = {each.error or f"status {each.status} from {each.server}" for each in made if not each.good}
    for error in sorted(wrong):
        sys.stderr.write(f"{error}\n")
    return 1 if wrong else 0
