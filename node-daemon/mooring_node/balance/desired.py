"""From pools to the table that the kernel is to have. Pure; what has not changed stays the same object."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig
from mooring_node.balance.states import Pool
from mooring_node.ipvs.table import Balanced, Destination, DestinationKey, Service, ServiceFlag, ServiceKey, Table


def desired(pools: Iterable[Pool], marks: Mapping[tuple[str, int], int], before: Table | None = None) -> Table:
    """The whole table. `marks` are those of services that several directors share, by name and family."""
    whole = changed({}, pools, marks)
    return {key: _same(balanced, (before or {}).get(key)) for key, balanced in whole.items()}


def changed(table: Table, pools: Iterable[Pool], marks: Mapping[tuple[str, int], int]) -> Table:
    """The table after changes of backends in these pools; no server has come, gone or got other addresses."""
    after = dict(table)
    for pool in pools:
        balanced = Balanced(service(pool.config, pool.family), destinations(pool))
        for key in keys(pool.config, pool.family, marks):
            after[key] = _same(balanced, after.get(key))
    return after


def following(held: Table, before: Table, after: Table) -> Table:
    """What the kernel holds, with what has become of its destinations between two wanted tables: weights and losses.

    For the time in which nothing new may be set. What has not changed stays the same object.
    """
    found = dict(held)
    for key in held.keys() & before.keys() & after.keys():
        had, has = before[key].destinations, after[key].destinations
        if had is not has:
            left = {
                each: replace(one, weight=has[each].weight) if each in had and had[each] != has[each] else one
                for each, one in held[key].destinations.items()
                if each in has or each not in had
            }
            found[key] = _same(Balanced(held[key].service, left), held[key])
    return held if all(found[key] is held[key] for key in held) else found


def _same(new: Balanced, old: Balanced | None) -> Balanced:
    return old if old is not None and old == new else new


def keys(config: ServerConfig, family: int, marks: Mapping[tuple[str, int], int]) -> tuple[ServiceKey, ...]:
    """The services of a server's family: one for each address, or one for a mark."""
    mark = config.mark or marks.get((config.name, family), 0)
    if mark:
        return (ServiceKey(family, mark=mark),)
    return tuple(
        ServiceKey(family, config.protocol, address, config.port)
        for address in config.addresses
        if (6 if ":" in address else 4) == family
    )


def service(config: ServerConfig, family: int) -> Service:
    """How it balances."""
    whole = 32 if family == 4 else 128
    if not config.persistence_timeout_s:
        return Service(config.scheduler, config.flags, netmask_bits=whole)
    bits = config.persistence_bits_ipv4 if family == 4 else config.persistence_bits_ipv6
    flags = config.flags | ServiceFlag.PERSISTENT
    return Service(config.scheduler, flags, config.persistence_timeout_s, bits, config.persistence_engine)


def destinations(pool: Pool) -> dict[DestinationKey, Destination]:
    """Who gets connections, and who keeps those that it has (weight 0); see pools.py for the rules."""
    found: dict[DestinationKey, Destination] = {}
    sorry = pool.sorry
    for key, each in pool.backends.items():
        if each.leaves_ns is not None or each.drains:
            found[key] = _destination(each.config, 0)
        elif each.up and sorry is None:
            found[key] = _destination(each.config, each.weight)
        elif each.config.inhibit:
            found[key] = _destination(each.config, 0)
    if sorry is not None:
        found[DestinationKey(sorry.address, sorry.port)] = _destination(sorry, 1)
    elif (resting := pool.resting) is not None:
        # It may be a backend too, which counts.
        found.setdefault(DestinationKey(resting.address, resting.port), _destination(resting, 0))
    return found


def _destination(one: BackendConfig | SorryConfig, weight: int) -> Destination:
    upper, lower = (one.upper, one.lower) if isinstance(one, BackendConfig) else (0, 0)
    way = one.way
    return Destination(weight, way.method, upper, lower, way.tunnel, way.tunnel_port, way.tunnel_flags)
