"""Which VirtualServer has which port of which address, and which firewall mark.

Who has one keeps it while it wants it: else an older VirtualServer that is given another port would take a live one
away. Of those who want a free one the oldest has it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mooring_api.problems import Problem
from mooring_api.virtualserver import ServerPort, VirtualServer
from mooring_operator.plan.allocations import PortKey, mark_key
from mooring_operator.plan.servers.access import Grant
from mooring_operator.plan.servers.plans import ServerFinding, ServerReason
from mooring_operator.plan.snapshot import virtual_server_name


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a VirtualServer has: of each of its ports the addresses, and of its mark too."""

    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the port's name; a port that it has on no address is not there."""
    mark: tuple[str, ...] = ()
    findings: tuple[ServerFinding, ...] = ()


def claims(
    servers: Sequence[tuple[VirtualServer, Grant]], before: Mapping[PortKey, str], unknown: Collection[str] = ()
) -> tuple[dict[str, Claimed], dict[PortKey, str]]:
    """`namespace/name`, oldest first, to what each has, and whose everything is now; `before` is whose it was.

    What is refused has nothing, and takes nothing from others. Of `unknown` nobody can say what they want, so they
    keep what they had. A mark is one in all the cluster: which nodes two VirtualServers share may change at any time.
    """
    wanted = {server.key: frozenset(_wanted(server, given)) for server, given in servers} if before else {}
    owners = {key: who for key, who in before.items() if who in unknown or key in wanted.get(who, ())}
    return {server.key: _claim(server, given, owners) for server, given in servers}, owners


def _wanted(server: VirtualServer, given: Grant) -> Iterator[PortKey]:
    mark = server.spec.firewall_mark
    if mark is not None and given.addresses:
        yield mark_key(mark)
    for port in server.spec.ports:
        yield from ((address, port.protocol, port.port) for address in given.addresses)


def _claim(server: VirtualServer, given: Grant, owners: dict[PortKey, str]) -> Claimed:
    mark = server.spec.firewall_mark
    if not given.addresses:
        return Claimed()
    if mark is not None:
        owner = owners.setdefault(mark_key(mark), server.key)
        if owner == server.key:
            return Claimed(mark=given.addresses)
        message = f"firewall mark {mark} is in use by VirtualServer {owner}, which has it already; take another one"
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
        f"{port.port}/{port.protocol} of {shown} is in use by VirtualServer {owner}, which has it already; take another"
        " port or address, or remove one of the two"
    )
    return _conflict(server, f"spec.ports[{index}].port", message)


def _conflict(server: VirtualServer, path: str, message: str) -> ServerFinding:
    return ServerFinding(ServerReason.PORT_CONFLICT, Problem(virtual_server_name(server.key), path, message))
