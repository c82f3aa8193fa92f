"""Which virtual servers can wait for the holder of their addresses (`checksOn: Holder`). Pure."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_interface

from mooring_api.nodeconfig import Instance
from mooring_api.problems import Problem, Severity
from mooring_node.balance.config import BalanceConfig


def without_vain_waits(
    balance: BalanceConfig, instances: Iterable[Instance], node: str
) -> tuple[BalanceConfig, tuple[Problem, ...]]:
    """With the servers checked always that wait for an address of no instance: they would wait for ever, all up.

    Who wrote such a one into a file is told. A VirtualServer may just be here before the instance of its address.
    """
    held = {str(ip_interface(each.address).ip) for instance in instances for each in instance.addresses}
    servers, problems = [], []
    for server in balance.servers:
        untold = [each for each in server.addresses if each not in held] if server.checks_on_holder else []
        servers.append(replace(server, checks_on_holder=False) if untold else server)
        if untold and not server.virtual_server:
            message = (
                f"no instance of this NodeConfig that can be run has {', '.join(untold)}, and nothing else "
                "tells who holds it: the backends are checked whoever does, as with checksOn: AllCandidates"
            )
            path = "spec.virtualServers[].checksOn"
            problems.append(Problem(f"NodeConfig {node}", path, message, Severity.WARNING, server.name))
    return replace(balance, servers=tuple(servers)), tuple(problems)
