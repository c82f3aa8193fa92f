"""Which VirtualServer has which port of which address, and which firewall mark: the older one has it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mooring_api.balancing import Protocol
from mooring_api.problems import Problem
from mooring_api.virtualserver import ServerPort, VirtualServer
from mooring_operator.plan.servers.access import Grant
from mooring_operator.plan.servers.plans import ServerFinding, ServerReason
from mooring_operator.plan.snapshot import virtual_server_name

#: (address, protocol, port) of a port.
_Key = tuple[str, Protocol, int]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a VirtualServer has: of each of its ports the addresses, and of its mark too."""

    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the port's name; a port that it has on no address is not there."""
    mark: tuple[str, ...] = ()
    findings: tuple[ServerFinding, ...] = ()


def claims(servers: Iterable[tuple[VirtualServer, Grant]]) -> dict[str, Claimed]:
    """`namespace/name` to what each has; oldest first. What is refused has nothing, and takes nothing from others.

    A mark is one in all the cluster: which nodes two VirtualServers share may change at any time.
    """
    owners: dict[_Key, str] = {}
    marks: dict[int, str] = {}
    return {server.key: _claim(server, given, owners, marks) for server, given in servers}


def _claim(server: VirtualServer, given: Grant, owners: dict[_Key, str], marks: dict[int, str]) -> Claimed:
    mark = server.spec.firewall_mark
    if not given.addresses:
        return Claimed()
    if mark is not None:
        owner = marks.setdefault(mark, server.key)
        if owner == server.key:
            return Claimed(mark=given.addresses)
        message = f"firewall mark {mark} is in use by VirtualServer {owner}, which is older; take another one"
        return Claimed(findings=(_conflict(server, "spec.firewallMark", message),))
    won: dict[str, tuple[str, ...]] = {}
    findings: list[ServerFinding] = []
    for index, port in enumerate(server.spec.ports):
        lost: dict[str, list[str]] = {}
        mine = []
        for address in given.addresses:
            owner = owners.setdefault((address, port.protocol, port.port), server.key)
            if owner == server.key:
                mine.append(address)
            else:
                lost.setdefault(owner, []).append(address)
        if mine:
            won[port.name] = tuple(mine)
        findings += (_lost(server, index, port, owner, addresses) for owner, addresses in sorted(lost.items()))
    return Claimed(won, findings=tuple(findings))


def _lost(server: VirtualServer, index: int, port: ServerPort, owner: str, addresses: list[str]) -> ServerFinding:
    shown = ", ".join(addresses[:3]) + (f" and {len(addresses) - 3} more" if len(addresses) > 3 else "")
    message = (
        f"{port.port}/{port.protocol} of {shown} is in use by VirtualServer {owner}, which is older; take another port"
        " or address, or remove one of the two"
    )
    return _conflict(server, f"spec.ports[{index}].port", message)


def _conflict(server: VirtualServer, path: str, message: str) -> ServerFinding:
    return ServerFinding(ServerReason.PORT_CONFLICT, Problem(virtual_server_name(server.key), path, message))
