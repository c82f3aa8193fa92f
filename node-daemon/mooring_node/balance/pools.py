"""The backends of one server and family, and what becomes of them: an event in, the next state and happenings out.

Pure; times are nanoseconds of CLOCK_BOOTTIME. The rules:

- A backend is up while every check of it says good. A check that has not spoken yet changes nothing: a backend that
  comes is up, or down where the server starts its backends as down, and one whose check was replaced stays as it was.
- Its weight is the configured one, or the smallest that its checks say; a configured 0 is 0.
- A backend whose configured weight becomes 0 while it is in drains: it keeps its connections whatever its checks say,
  and whether or not there is a quorum, until it is no longer listed. A server that terminates closes its listener
  first, and what it serves then must not end by a check that is refused. One that was down before stays out; of one
  that is new here nobody knows, so it may have connections.
- The quorum is gained when the weight of all that are up reaches `quorum_up + quorum_hysteresis`, and lost when it
  falls below `quorum_up - quorum_hysteresis`. A pool begins without; that is not told as a loss.
- Without a quorum the sorry server answers, if there is one: healthy backends are then out as failed ones are.
  Without a sorry server nothing but the event comes of a lost quorum: those that are up go on.
- With a quorum the sorry server is out: removed, or with weight 0 where `inhibit` says so, as a backend.
- Who is out is removed, or has weight 0 where `inhibit` says so.
- A backend that leaves the list keeps its connections for `drain_ns`, with weight 0 and unchecked, also when it drained
  before; one that has none left (it was removed as down) goes at once. One that comes back meanwhile is as it was
  when it left. A server that is taken out of the configuration goes at once with all its backends: its port may be
  somebody else's now.
- No more than MOST_DRAINING that left drain at once, or fewer where the node has no room: those that are the first to
  go anyway go before their time, and are counted. Otherwise a Service whose pods are replaced again and again would
  have any number of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from mooring_node.balance.config import BackendConfig, ServerConfig
from mooring_node.balance.listing import listed
from mooring_node.balance.states import (
    Backend,
    Configured,
    Crowded,
    Ended,
    Event,
    Found,
    Happening,
    Passed,
    Pool,
    PoolEvent,
)
from mooring_node.checks.config import CheckConfig, Target
from mooring_node.ipvs.table import DestinationKey

#: As many as may be listed (mooring_api's MAX_BACKENDS).
MOST_DRAINING = 1024

Result: TypeAlias = tuple[Pool, tuple[Happening, ...]]


def step(pool: Pool, event: PoolEvent, now_ns: int) -> Result:
    """What comes of an event."""
    match event:
        case Configured():
            return _configured(pool, event, now_ns)
        case Found():
            return _found(pool, event, now_ns)
        case Passed():
            left = {
                key: each for key, each in pool.backends.items() if each.leaves_ns is None or each.leaves_ns > now_ns
            }
            return (pool if len(left) == len(pool.backends) else replace(pool, backends=left)), ()
        case Crowded(most):
            return _with_room(pool, most), ()
        case Ended():
            return pool, _ended(pool)
    assert_never(event)


def _configured(pool: Pool, event: Configured, now_ns: int) -> Result:
    config = event.config
    wanted = listed(config, pool.family)
    places = {check: place for place, (_, check) in enumerate(pool.config.checks)}
    backends: dict[DestinationKey, Backend] = {}
    happenings: list[Happening] = []
    for key, each in wanted.items():
        before = pool.backends.get(key)
        after = _listed(each, key, before, places, event, now_ns)
        backends[key] = after
        if before is not None and before.out is not after.out:
            happenings.append(_backend_event(replace(pool, config=config), key, after))
    for key, left in pool.backends.items():
        if key not in wanted:
            going = _leaving(left, config, now_ns)
            if going is not None:
                backends[key] = going
    return _weighed(_with_room(replace(pool, config=config, backends=backends), MOST_DRAINING), happenings)


def _listed(
    config: BackendConfig,
    key: DestinationKey,
    before: Backend | None,
    places: Mapping[CheckConfig, int],
    event: Configured,
    now_ns: int,
) -> Backend:
    """A backend of the new list; what a check that it keeps has said is kept with it."""
    findings = []
    for _, check in event.config.checks:
        found = event.known.get(Target(check, key.address, key.port))
        if found is None and before is not None and before.findings and check in places:
            found = before.findings[places[check]]
        findings.append(found)
    if before is None:
        up = not event.config.starts_down
        new = Backend(config, up, tuple(findings), now_ns, "" if up else "not checked yet", drains=True)
        return _judged(new, event.config, now_ns)
    since_ns = now_ns if before.leaves_ns is not None else before.since_ns
    had_connections = not before.out or before.leaves_ns is not None
    kept = Backend(config, before.up, tuple(findings), since_ns, before.reason, drains=had_connections)
    return _judged(kept, event.config, now_ns)


def _leaving(left: Backend, config: ServerConfig, now_ns: int) -> Backend | None:
    """A backend that is no longer listed; None: it has nothing to drain, or no time."""
    if not config.drain_ns or (left.out and left.leaves_ns is None and not left.config.inhibit):
        return None
    until_ns = now_ns + config.drain_ns
    if left.leaves_ns is not None:
        return left if left.leaves_ns <= until_ns else replace(left, leaves_ns=until_ns)
    return replace(left, findings=(), since_ns=now_ns, leaves_ns=until_ns)


def _with_room(pool: Pool, most: int) -> Pool:
    """With at most so many that left."""
    left = pool.leaving
    if len(left) <= most:
        return pool
    first = set(sorted(left, key=lambda key: (left[key].leaves_ns or 0, left[key].since_ns))[: len(left) - most])
    stays = {key: each for key, each in pool.backends.items() if key not in first}
    return replace(pool, backends=stays, shed=pool.shed + len(first))


def _found(pool: Pool, event: Found, now_ns: int) -> Result:
    before = pool.backends.get(event.backend)
    if before is None or before.leaves_ns is not None:
        return pool, ()
    findings = tuple(
        event.finding if check == event.check else found
        for (_, check), found in zip(pool.config.checks, before.findings, strict=True)
    )
    after = _judged(replace(before, findings=findings), pool.config, now_ns)
    if after == before:
        return pool, ()
    happenings = [_backend_event(pool, event.backend, after)] if after.out is not before.out else []
    return _weighed(replace(pool, backends={**pool.backends, event.backend: after}), happenings)


def _judged(backend: Backend, config: ServerConfig, now_ns: int) -> Backend:
    """Up or down by all of its findings; while its weight is 0 it drains on, once it has been in."""
    bad = [
        f"{name}: {found.reason}"
        for (name, _), found in zip(config.checks, backend.findings, strict=True)
        if found is not None and not found.good
    ]
    if bad:
        up, reason = False, "; ".join(bad)
    elif None in backend.findings:
        up, reason = backend.up, backend.reason
    else:
        up, reason = True, ""
    after = replace(backend, up=up, reason=reason, drains=not backend.config.weight and (backend.drains or up))
    if after == backend:
        return backend
    return after if after.out is backend.out else replace(after, since_ns=now_ns)


def _weighed(pool: Pool, happenings: list[Happening]) -> Result:
    """With its weight and what follows for the quorum."""
    weight = sum(each.weight for each in pool.backends.values() if each.up and each.leaves_ns is None)
    needed = pool.config.quorum_up + (-pool.config.quorum_hysteresis if pool.quorum else pool.config.quorum_hysteresis)
    after = replace(pool, weight=weight, quorum=weight >= needed)
    if after.quorum is not pool.quorum:
        happenings.append(_quorum_event(after))
    return after, tuple(happenings)


def _ended(pool: Pool) -> tuple[Happening, ...]:
    """For the programs that are told of an end: all that is up goes down."""
    if not pool.config.notify_at_end:
        return ()
    reason = "the daemon ends"
    ups = [key for key, each in pool.backends.items() if not each.out and each.leaves_ns is None]
    told = [Happening(Event.BACKEND_DOWN, pool.config.name, pool.family, key, reason) for key in ups]
    if pool.quorum:
        told.append(Happening(Event.QUORUM_DOWN, pool.config.name, pool.family, None, reason))
    return tuple(told)


def _backend_event(pool: Pool, key: DestinationKey, backend: Backend) -> Happening:
    event = Event.BACKEND_DOWN if backend.out else Event.BACKEND_UP
    return Happening(event, pool.config.name, pool.family, key, backend.reason)


def _quorum_event(pool: Pool) -> Happening:
    event = Event.QUORUM_UP if pool.quorum else Event.QUORUM_DOWN
    weight, nominal = pool.weight, pool.config.quorum_up
    return Happening(event, pool.config.name, pool.family, None, f"weight {weight}, quorum {nominal}")
