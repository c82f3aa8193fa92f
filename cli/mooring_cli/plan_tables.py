"""A plan as tables for people: the groups and who may hold them, what is balanced, then what each node runs."""

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mooring_api.nodeconfig import Instance
from mooring_api.virtualip import GroupStatus
from mooring_cli import plan_servers
from mooring_operator.plan.allocations import bare
from mooring_operator.plan.explain import why_here
from mooring_operator.plan.planner import Plan
from mooring_operator.plan.snapshot import Snapshot

#: The width where nobody says how wide the paper is (a pipe, a file).
PIPE_WIDTH = 160
#: So many addresses are written out; of more the first and the last.
ADDRESSES_SHOWN = 4


def print_tables(snapshot: Snapshot, result: Plan, shown: Sequence[str], one_node: bool) -> None:
    """Print the plan for the nodes `shown`; for one node alone also why it is not in the other groups."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    of_nodes = shown if one_node else ()
    tables = (
        _groups(result, of_nodes),
        plan_servers.servers(result, of_nodes, _table),
        _nodes(result, shown),
        plan_servers.beside(result, shown, _table),
    )
    for table in tables:
        if table is not None:
            console.print(table)
    if one_node:
        console.print(_why(snapshot, result, shown[0]))
        return
    silent = [node.name for node in snapshot.nodes if node.interfaces is None]
    if silent:
        console.print(Text(f"not reported, so nothing is planned there: {', '.join(silent)}"))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "VRID" else "left")
    return table


def _groups(result: Plan, of_nodes: Sequence[str]) -> Table:
    table = _table("Groups", "GROUP", "VRID", "ADDRESSES", "ORDER")
    for status in result.statuses.values():
        for group in status.groups:
            if of_nodes and not any(placed.node in of_nodes for placed in group.order):
                continue
            table.add_row(
                Text(group.name),
                str(group.virtual_router_id),
                Text(_addresses(group.addresses)),
                Text(_order(result, group) or "nobody"),
            )
    return table


def _order(result: Plan, group: GroupStatus) -> str:
    reasons = result.reasons.get(group.name) or result.reasons.get(group.name.rpartition("-")[0], {})
    members = [f"{p.node} {p.priority} ({reasons.get(p.node, '')})" for p in group.order]
    placed = {p.node for p in group.order}
    others = [f"{node}: {why}" for node, why in sorted(reasons.items()) if node not in placed]
    return "\n".join((*members, *others))


def _nodes(result: Plan, shown: Iterable[str]) -> Table:
    table = _table("Nodes", "NODE", "INSTANCE", "VRID", "PRIORITY", "INTERFACE", "SOURCE", "PEERS", "ADDRESSES")
    for name in shown:
        instances = result.node_configs[name].spec.instances
        for instance in instances:
            table.add_row(Text(name), *_instance(instance))
        if not instances:
            table.add_row(Text(name), Text("nothing"))
    return table


def _instance(instance: Instance) -> tuple[Text, ...]:
    transport = instance.transport
    peers = "alone" if transport.alone else ", ".join(transport.peers) or str(transport.type)
    cells = (
        instance.name,
        str(instance.virtual_router_id),
        str(instance.priority),
        instance.interface or "",
        transport.source or "",
        peers,
        _addresses([bare(address) for address in instance.addresses]),
    )
    return tuple(Text(cell) for cell in cells)


def _addresses(addresses: Sequence[str]) -> str:
    if len(addresses) <= ADDRESSES_SHOWN:
        return ", ".join(addresses)
    return f"{addresses[0]} ... {addresses[-1]} ({len(addresses)})"


def _why(snapshot: Snapshot, result: Plan, name: str) -> Table:
    table = _table(f"Why, for {name}", "VIRTUALIP", "GROUP", "WHY")
    node = next(node for node in snapshot.nodes if node.name == name)
    for virtual_ip in snapshot.virtual_ips:
        for group, why in why_here(result, virtual_ip, node).items():
            table.add_row(Text(virtual_ip.metadata.name), Text(group or "all"), Text(why))
    return table
