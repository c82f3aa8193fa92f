"""Who holds what, asked twice: the daemons say what they believe, the kernels what is."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from mooring_lab.lab import Lab
from mooring_lab.node import KEEPALIVED
from mooring_lab.store import name_option


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node. `states` are its groups' states by name, None when its daemon does not answer."""

    name: str
    address: str
    powered: bool
    carrier: bool
    daemon_pid: int | None
    keepalived_pid: int | None
    states: dict[str, str] | None
    held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabStatus:
    """The whole lab; `disagreements` and `missing` (what does not run, and how to start it) are sentences."""

    name: str
    nodes: tuple[NodeStatus, ...]
    disagreements: tuple[str, ...]
    missing: tuple[str, ...] = ()


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Sorted as numbers, IPv4 first."""
    return tuple(sorted(addresses, key=lambda a: (":" in a, int(ip_address(a)))))


def ranges(addresses: Iterable[str]) -> str:
    """`10.0.0.100-105, 10.0.0.110`: neighbours joined, for people."""
    runs: list[list[str]] = []
    for address in in_order(addresses):
        if runs and int(ip_address(runs[-1][-1])) + 1 == int(ip_address(address)):
            runs[-1].append(address)
        else:
            runs.append([address])
    return ", ".join(_run(run) for run in runs)


def _run(run: list[str]) -> str:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return first
    separator = ":" if ":" in last else "."
    return f"{first}-{last.rpartition(separator)[2]}"


def gather(lab: Lab) -> LabStatus:
    """Ask every daemon and every kernel."""
    nodes = []
    disagreements: list[str] = []
    for node in lab.nodes:
        daemon, keepalived = node.daemon, node.running(KEEPALIVED)
        answer = node.daemon_status() if daemon else None
        held = node.held()
        states = states_of(answer) if answer is not None else None
        if daemon and states is None:
            disagreements.append(f"{node.name}: its daemon (pid {daemon.pid}) does not answer")
        if answer is not None:
            disagreements += compare(node.name, said_held(answer), held)
        nodes.append(
            NodeStatus(
                node.name,
                node.address,
                node.powered,
                node.carrier(),
                daemon.pid if daemon else None,
                keepalived.pid if keepalived else None,
                states,
                in_order(held),
            )
        )
    disagreements += [
        f"{address} is held by {' and '.join(holders)}"
        for address, holders in lab.holders().items()
        if len(holders) > 1
    ]
    return LabStatus(lab.name, tuple(nodes), tuple(disagreements), tuple(_missing(lab)))


def _missing(lab: Lab) -> Iterator[str]:
    if not lab.has_api:
        return
    option = name_option(lab.name)
    if not lab.cluster.api_listens():
        yield f"the API server does not answer; start it again: mooring lab api{option} start"
    if lab.cluster.ask_operator("/healthz")[0] != 200:
        yield f"the operator does not answer; start it again: mooring lab operator{option} start"


def states_of(answer: dict[str, Any]) -> dict[str, str]:
    """Group name to state, from the daemon's answer."""
    return {str(group["name"]): str(group["state"]) for group in answer["groups"]}


def said_held(answer: dict[str, Any]) -> frozenset[str]:
    """The addresses that the daemon believes it holds, without prefix."""
    return frozenset(held.partition("/")[0] for group in answer["groups"] for held in group["heldAddresses"])


def compare(node: str, said: Iterable[str], held: Iterable[str]) -> list[str]:
    """Where what a daemon says and what its kernel has do not agree."""
    said, has = set(said), set(held)
    sentences = []
    if missing := said - has:
        sentences.append(f"{node}: its daemon says that it holds {ranges(missing)}, its kernel does not")
    if surplus := has - said:
        sentences.append(f"{node}: its kernel has {ranges(surplus)}, its daemon does not say so")
    return sentences


def as_json(status: LabStatus) -> str:
    return json.dumps(asdict(status), indent=2) + "\n"


def console() -> Console:
    """For people: colours on a terminal, plain text elsewhere, where nobody knows a width."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def show(status: LabStatus) -> None:
    """Print it as a table."""
    out = console()
    out.print(table(status))
    for sentence in status.disagreements:
        out.print(f"[bold red]disagreement:[/] {sentence}")
    for sentence in status.missing:
        out.print(f"[bold yellow]missing:[/] {sentence}")


def table(status: LabStatus) -> Table:
    made = Table("NODE", "ADDRESS", "LINK", "RUNS", "ITS DAEMON SAYS", "ITS KERNEL HOLDS", box=box.SIMPLE_HEAD)
    for node in status.nodes:
        if not node.powered:
            made.add_row(node.name, node.address, "no power", "-", "-", "-")
            continue
        states = node.states if node.states is not None else {}
        said = ", ".join(f"{name} {state}" for name, state in sorted(states.items()))
        held = f"{ranges(node.held)} ({len(node.held)})" if node.held else "nothing"
        made.add_row(node.name, node.address, "up" if node.carrier else "down", _runs(node), said or "-", held)
    return made


def _runs(node: NodeStatus) -> str:
    running = [f"mooring-node {node.daemon_pid}"] if node.daemon_pid else []
    running += [f"keepalived {node.keepalived_pid}"] if node.keepalived_pid else []
    return ", ".join(running) or "nothing"
