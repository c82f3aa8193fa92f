"""VirtualServers in a plan, for people: the ports with their backends, and what nodes run beside their instances."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from mooring_api.node_server import BackendAddress, NodeBackend, NodeVirtualServer, PortGuard
from mooring_operator.plan.planner import Plan
from mooring_operator.plan.servers.plans import PortPlan, ServerPlan

#: A table of that title and these columns.
NewTable = Callable[..., Table]
#: So many backends of a port are written out, and so many that are left out.
BACKENDS_SHOWN, LEFT_OUT_SHOWN = 16, 8


def servers(result: Plan, of_nodes: Sequence[str], new: NewTable) -> Table | None:
    """Each VirtualServer that runs on one of these nodes, of none given all; None: there is none."""
    chosen = {k: s for k, s in result.servers.items() if not of_nodes or not set(of_nodes).isdisjoint(s.nodes)}
    if not chosen:
        return None
    table = new("VirtualServers", "VIRTUALSERVER", "PORT", "ADDRESSES", "BACKENDS", "NODES")
    for key, server in chosen.items():
        for port in server.ports:
            cells = (key, _port(port), ", ".join(port.addresses), "\n".join(_backends(port)), _nodes(server))
            table.add_row(*map(Text, cells))
        if not server.ports:
            table.add_row(Text(key), Text("nothing"))
    return table


def _port(port: PortPlan) -> str:
    return f"{port.port}/{port.protocol}" if port.mark is None else f"firewall mark {port.mark}"


def _nodes(server: ServerPlan) -> str:
    return ", ".join(server.nodes) or "nobody"


def _backends(port: PortPlan) -> Iterator[str]:
    yield from _some([_backend(backend) for backend in port.backends] or ["none"], BACKENDS_SHOWN)
    yield from _some([f"left out: {each.address} {each.why}" for each in port.left_out], LEFT_OUT_SHOWN)


def _backend(backend: NodeBackend) -> str:
    address = f"[{backend.address}]" if ":" in backend.address and backend.port else backend.address
    place = f"{address}:{backend.port}" if backend.port else address
    host = f" {backend.host}" if backend.host else ""
    return f"{place}{host} {'drains' if backend.weight == 0 else f'weight {backend.weight}'}"


def _some(lines: Sequence[str], most: int) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most} more"


def beside(result: Plan, shown: Iterable[str], new: NewTable) -> Table | None:
    """What nodes run beside their instances; None: nothing."""
    table = new("Balancing", "NODE", "WHAT", "WHERE", "HOW")
    for name in shown:
        spec = result.node_configs[name].spec
        rows = [_entry(each) for each in spec.virtual_servers]
        rows += [_hosted(each) for each in spec.backend_addresses]
        rows += [_guard(each) for each in spec.port_guards]
        if spec.connection_sync is not None:
            sync = spec.connection_sync
            rows.append(("connection sync", sync.interface or "default route", f"{sync.group} ID {sync.sync_id}"))
        for cells in rows:
            table.add_row(Text(name), *map(Text, cells))
    return table if table.row_count else None


def _entry(server: NodeVirtualServer) -> tuple[str, str, str]:
    ways = f"{server.forwarding} to {len(server.backends)}, {server.scheduler}"
    if server.other_directors:
        ways += f"; packets from {', '.join(server.other_directors)} are its own to answer"
    where = ", ".join(server.addresses) or f"firewall mark {server.firewall_mark}"
    return server.name, where, ways


def _hosted(hosted: BackendAddress) -> tuple[str, str, str]:
    quiet = f"no ARP on {', '.join(hosted.interfaces)}" if hosted.interfaces else "no ARP on its subnet's interface"
    return "backend address", f"{hosted.address} on lo", quiet + (f", unwraps {hosted.tunnel}" if hosted.tunnel else "")


def _guard(guard: PortGuard) -> tuple[str, str, str]:
    ports = ", ".join(f"{each.port}/{each.protocol}" for each in guard.ports) or "none"
    return f"port guard {guard.mode}", ", ".join(guard.addresses), f"open: {ports}"
