"""What of a NodeConfig fits: beside each other, with what ran before, and with what is balanced here. Pure.

What is bad now keeps its last good form.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mooring_api.problems import CONNECTION_SYNC, Problem, Severity
from mooring_node.balance.config import BalanceConfig, PortGuardConfig, ServerConfig
from mooring_node.vrrp.config import GroupConfig, MemberConfig
from mooring_node.vrrp.matching import Router, router_of, routers_of


def without_taken(groups: Sequence[GroupConfig], node: str) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
    """Those with no member whose VRID is another's; the rest is a problem."""
    problems = tuple(_taken(groups, node))
    bad = {problem.instance for problem in problems}
    return tuple(group for group in groups if bad.isdisjoint(member.name for member in group.members)), problems


def _taken(groups: Sequence[GroupConfig], node: str) -> Iterator[Problem]:
    """Members whose VRID is another's: it shows only here where an instance names no interface.

    Who sends a VRID has it before who accepts it, then the first.
    """
    owners: dict[Router, str] = {}
    members = [member for group in groups for member in group.members]
    for routers, field in ((_own, "virtualRouterID"), (_accepted, "alsoAccept")):
        for member in members:
            for interface, family, vrid in sorted(routers(member)):
                owner = owners.setdefault((interface, family, vrid), member.name)
                if owner != member.name:
                    message = f"{owner} has virtual router ID {vrid} for IPv{family} on {interface}; take another one"
                    yield Problem(f"NodeConfig {node}", f"spec.instances[].{field}", message, instance=member.name)


def _own(member: MemberConfig) -> frozenset[Router]:
    return frozenset({router_of(member)})


def _accepted(member: MemberConfig) -> frozenset[Router]:
    return routers_of(member) - _own(member)


def kept_groups(
    before: Sequence[GroupConfig], groups: Sequence[GroupConfig], bad: frozenset[str]
) -> tuple[GroupConfig, ...]:
    """The last good groups of instances that are now bad, unless what is good now is in their way."""
    names = {group.name for group in groups}
    addresses = {each.address for group in groups for each in group.addresses()}
    routers = frozenset[Router]().union(*(_routers(group) for group in groups))
    return tuple(
        group
        for group in before
        if any(member.name in bad for member in group.members)
        and group.name not in names
        and not addresses & {each.address for each in group.addresses()}
        and not _routers(group) & routers
    )


def _routers(group: GroupConfig) -> frozenset[Router]:
    return frozenset[Router]().union(*(routers_of(member) for member in group.members))


def with_last_good(config: BalanceConfig, before: BalanceConfig, bad: frozenset[str]) -> BalanceConfig:
    """`config` with what `before` had of the entries that are bad now, unless what is good now is in the way."""
    return BalanceConfig(
        generation=config.generation,
        servers=config.servers + _kept_servers(config.servers, before.servers, bad),
        backend_addresses=config.backend_addresses
        + tuple(
            each
            for each in before.backend_addresses
            if each.address in bad and each.address not in {other.address for other in config.backend_addresses}
        ),
        port_guards=config.port_guards + _kept_guards(config.port_guards, before.port_guards, bad),
        sync=before.sync if config.sync is None and CONNECTION_SYNC in bad else config.sync,
    )


def _kept_servers(
    now: Sequence[ServerConfig], before: Iterable[ServerConfig], bad: frozenset[str]
) -> tuple[ServerConfig, ...]:
    names = {server.name for server in now}
    taken = {claim for server in now for claim in _claims(server)}
    return tuple(
        server
        for server in before
        if server.name in bad and server.name not in names and taken.isdisjoint(_claims(server))
    )


def _claims(server: ServerConfig) -> Iterator[tuple[object, ...]]:
    """What only one virtual server of a node may have."""
    if server.mark:
        yield from ((server.mark, family) for family in server.families)
    yield from ((address, server.protocol, server.port) for address in server.addresses)


def _kept_guards(
    now: Iterable[PortGuardConfig], before: Iterable[PortGuardConfig], bad: frozenset[str]
) -> tuple[PortGuardConfig, ...]:
    guarded = {address for guard in now for address in guard.addresses}
    return tuple(guard for guard in before if guard.addresses[0] in bad and guarded.isdisjoint(guard.addresses))


def tracking_what_runs(
    groups: Sequence[GroupConfig], balance: BalanceConfig, node: str
) -> tuple[tuple[GroupConfig, ...], tuple[str, ...], tuple[Problem, ...]]:
    """Groups that track only what is balanced here, and the names of that.

    Nobody would ever speak of the rest, and an address must not go down with a virtual server that was deleted.
    """
    known = {server.name for server in balance.servers} | {server.virtual_server for server in balance.servers}
    problems = [
        Problem(
            f"NodeConfig {node}",
            f"spec.instances[].tracking[{index}]",
            f"no virtual server {tracker.server} runs on this node, so it is not tracked",
            Severity.WARNING,
            group.members[0].name,
        )
        for group in groups
        for index, tracker in enumerate(group.trackers)
        if tracker.server not in known
    ]
    kept = tuple(
        replace(group, trackers=tuple(tracker for tracker in group.trackers if tracker.server in known))
        if group.trackers
        else group
        for group in groups
    )
    tracked = {tracker.server for group in kept for tracker in group.trackers}
    return kept, tuple(sorted(tracked)), tuple(problems)
