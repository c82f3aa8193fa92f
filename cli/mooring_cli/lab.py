"""`mooring lab`: nodes in network namespaces, to try things on."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mooring_api.duration import Duration
from mooring_cli import lab_cluster, lab_servers
from mooring_lab.cluster import ApiKind
from mooring_lab.faults import Direction, Fault
from mooring_lab.guest_again import has_ipvs
from mooring_lab.lab import Lab, remove
from mooring_lab.node import Node
from mooring_lab.rights import LabError, require
from mooring_lab.store import names

NO_IPVS = (
    "this kernel has no IPVS: checks run, nothing is balanced; `make demo-balancing` uses a guest kernel"
    " (modprobe ip_vs, where the kernel has it as a module)"
)

_FAULTS = {
    Fault.NODE: "pull the power cord: links cut, processes killed",
    Fault.LINK: "cut the service link",
    Fault.ONE_WAY: "drop all frames in one direction",
    Fault.LOSS: "drop frames at random",
    Fault.KILL: "SIGKILL a process by name, or all",
    Fault.STOP: "freeze the processes for a while",
}


def register(subparsers: Any) -> None:
    """Add `lab` and its commands."""
    lab = subparsers.add_parser("lab", help="a cluster of network namespaces to try things on")
    commands = lab.add_subparsers(dest="lab_command", required=True, metavar="COMMAND")

    up = _command(commands, "up", _up, "build it")
    up.add_argument("--nodes", type=int, default=2, help="how many: lb-1, lb-2, ... (default: 2)")
    up.add_argument("--clients", type=int, default=1, help="how many: client-1, ... (default: 1)")
    up.add_argument(
        "--api",
        choices=[kind.value for kind in ApiKind],
        help="with an API server, the operator and a running daemon on each node; real: needs make cluster-tools",
    )
    up.add_argument("--servers", type=int, default=0, help="HTTP servers on machines beside the cluster: server-1, ...")
    up.add_argument("--pods", type=int, default=0, help="HTTP servers in pods behind the nodes in turn: web-1, ...")
    up.add_argument("--host-servers", type=int, default=0, help="HTTP servers on the nodes themselves: edge-1, ...")
    up.add_argument("--keepalived", action="append", default=[], metavar="NODE", help="runs keepalived instead")

    apply = _command(
        commands,
        "apply",
        _apply,
        "plan manifests for its nodes and hand each its part; what is not in them is withdrawn",
    )
    apply.add_argument("-f", "--filename", action="append", required=True, type=Path, metavar="PATH")
    apply.add_argument("--partial", action="store_true", help="apply what is good although there are errors")

    _command(commands, "down", _down, "remove it, also what is left of it")
    status = _command(commands, "status", _status, "who holds what: the daemons' word and the kernels'")
    status.add_argument("-o", "--output", choices=("table", "json"), default="table")

    execute = _command(commands, "exec", _exec, "run a command in a node or client: exec lb-1 -- ip addr")
    execute.add_argument("machine")
    execute.add_argument("command", nargs=argparse.REMAINDER)

    lab_cluster.register(commands, _command)
    lab_servers.register(commands, _command)
    _register_faults(_command(commands, "fault", _fault, "break something"))
    heal = _command(commands, "heal", _heal, "undo all faults of a node")
    heal.add_argument("node")


def _register_faults(fault: argparse.ArgumentParser) -> None:
    kinds = fault.add_subparsers(dest="fault", required=True, metavar="FAULT")
    parsers = {}
    for kind, text in _FAULTS.items():
        parsers[kind] = kinds.add_parser(kind.value, help=text)
        parsers[kind].add_argument("node")
        parsers[kind].add_argument("--name", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parsers[Fault.LINK].add_argument("--silent", action="store_true", help="the node keeps its carrier")
    directions = [direction.value for direction in Direction]
    parsers[Fault.ONE_WAY].add_argument("--direction", choices=directions[:2], default=Direction.FROM.value)
    parsers[Fault.LOSS].add_argument("percent", type=int)
    parsers[Fault.LOSS].add_argument("--direction", choices=directions, default=Direction.BOTH.value)
    parsers[Fault.KILL].add_argument("process", nargs="?", help="part of its name; left out: all of the node")
    parsers[Fault.STOP].add_argument("duration", type=_duration, help="such as 5s")
    parsers[Fault.STOP].add_argument("process", nargs="?", help="part of its name; left out: all of the node")


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--name", default="default", help="which lab (default: default)")

    def guarded(options: argparse.Namespace) -> int:
        try:
            require()
            return run(options)
        except (LabError, TimeoutError, ValueError) as error:
            sys.stderr.write(f"mooring lab {name}: {error}\n")
            return 1

    parser.set_defaults(run=guarded)
    return parser


def _duration(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _up(options: argparse.Namespace) -> int:
    api = ApiKind(options.api) if options.api else None
    lab = Lab(
        options.name,
        options.nodes,
        options.clients,
        keepalived=options.keepalived,
        api=api,
        servers=options.servers,
        pods=options.pods,
        host_servers=options.host_servers,
    ).up()
    for machine in lab.machines:
        sys.stdout.write(f"{machine.name}  {machine.address}\n")
    for server in lab.servers:
        if server.name != server.machine.name:
            sys.stdout.write(f"{server.name}  {server.address} (on {server.node})\n")
    if lab.has_api:
        sys.stdout.write(f"export KUBECONFIG={shlex.quote(str(lab.cluster.kubeconfig))}\n")
    if lab.servers and not has_ipvs():
        sys.stderr.write(f"mooring lab up: {NO_IPVS}\n")
    return 0


def _apply(options: argparse.Namespace) -> int:
    # The planner is heavy to import, and no other command needs it.
    from mooring_lab.apply import apply

    if Lab.open(options.name).has_api:
        raise LabError(f"lab {options.name} has an API server; use: mooring lab kubectl -- apply -f ...")
    applied = apply(Lab.open(options.name), options.filename, partial=options.partial)
    for name, config in applied.configs.items():
        count = sum(len(instance.addresses) for instance in config.spec.instances)
        servers = len(config.spec.virtual_servers)
        balanced = f", {servers} virtual servers" if servers else ""
        sys.stdout.write(f"{name}: {len(config.spec.instances)} instances, {count} addresses{balanced}\n")
    for problem in applied.problems:
        sys.stderr.write(f"{problem}\n")
    if not applied.configs:
        sys.stderr.write(
            "nothing is changed: mend this, or say --partial to apply what is good and withdraw the rest\n"
        )
    return 1 if applied.problems or not applied.configs else 0


def _down(options: argparse.Namespace) -> int:
    others = set(names()) - {options.name}
    if others and options.name not in names():
        sys.stderr.write(f"no lab is called {options.name}; still up: {', '.join(sorted(others))} (--name)\n")
    remove(options.name)
    return 0


def _status(options: argparse.Namespace) -> int:
    from mooring_lab import status

    found = status.gather(Lab.open(options.name))
    if options.output == "json":
        sys.stdout.write(status.as_json(found))
    else:
        status.show(found)
    return 1 if found.disagreements else 0


def _exec(options: argparse.Namespace) -> int:
    command = lab_cluster.words(options.command, f"exec --name NAME {options.machine} -- ip addr")
    if not command:
        raise LabError("say what to run, such as: mooring lab exec lb-1 -- ip addr")
    machine = Lab.open(options.name).machine(options.machine)
    if not machine.powered:
        raise LabError(f"{machine.name} has no power; give it back with: mooring lab heal {machine.name}")
    line = machine.command(*command)
    sys.stdout.flush()
    os.execvp(line[0], line)


def _fault(options: argparse.Namespace) -> int:
    lab = Lab.open(options.name)
    node = lab.node(options.node)
    faults: dict[Fault, Callable[[Node], None]] = {
        Fault.NODE: lambda n: n.fault_node(),
        Fault.LINK: lambda n: n.fault_link(silent=options.silent),
        Fault.ONE_WAY: lambda n: n.fault_one_way(Direction(options.direction)),
        Fault.LOSS: lambda n: n.fault_loss(options.percent, Direction(options.direction)),
        Fault.KILL: lambda n: n.fault_kill(options.process),
        Fault.STOP: lambda n: n.fault_stop(options.duration.seconds, options.process),
    }
    faults[Fault(options.fault)](node)
    if lab.has_api and options.fault == Fault.NODE:
        lab.cluster.set_ready(node.name, False)
    return 0


def _heal(options: argparse.Namespace) -> int:
    lab = Lab.open(options.name)
    lab.node(options.node).heal()
    if lab.has_api:
        lab.cluster.set_ready(options.node, True)
    return 0
