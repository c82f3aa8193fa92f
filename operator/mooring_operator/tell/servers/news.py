"""What became otherwise from one status of a VirtualServer to the next, as events for people.

A hundred backends that go down together are one event, and one that flaps is the same event again.
"""

from collections.abc import Iterator, Mapping, Sequence

from mooring_api.virtualserver_status import BackendState, BackendStatus, ServerPortStatus, VirtualServerStatus
from mooring_operator.tell.news import EVENT_LENGTH, News
from mooring_operator.tell.servers.quorum import called
from mooring_operator.words.kinds import ConditionType
from mooring_operator.words.phrases import clipped, listed
from mooring_operator.words.server_reasons import SERVER_EVENTS, SERVER_REASONS, ServerEventReason, ServerReason

_LOST = (ServerReason.NO_BACKENDS, ServerReason.NO_QUORUM, ServerReason.SORRY_SERVER)
_ANSWERS = (ServerReason.READY, ServerReason.DEGRADED)


def news_of(before: VirtualServerStatus | None, after: VirtualServerStatus) -> tuple[News, ...]:
    """What to tell once `after` has been written in place of `before`, the status that stood in the API."""
    return (*_of_conditions(before, after), *_of_backends(before, after))


def _of_conditions(before: VirtualServerStatus | None, after: VirtualServerStatus) -> Iterator[News]:
    past = {c.type: SERVER_REASONS.get((c.type, c.reason)) for c in before.conditions} if before else {}
    for condition in after.conditions:
        reason, was = SERVER_REASONS[condition.type, condition.reason], past.get(condition.type)
        if reason is was:
            continue
        if condition.type != ConditionType.READY:
            yield from [_news(reason, condition.message)] if reason in SERVER_EVENTS else ()
        elif reason in _LOST and was not in _LOST:
            yield _news(ServerEventReason.QUORUM_LOST, condition.message)
        elif reason in _ANSWERS and was in _LOST:
            yield _news(ServerEventReason.QUORUM_GAINED, condition.message)


def _of_backends(before: VirtualServerStatus | None, after: VirtualServerStatus) -> Iterator[News]:
    past = {port.name: port for port in before.ports} if before else {}
    down, up = [], []
    for port in after.ports:
        was = past.get(port.name)
        if was is None or was.node is None or port.node is None:
            continue
        if fallen := _fallen(was, port):
            down.append(f"{_of(port)}: {_named(fallen)}")
        if risen := _risen(was, port):
            up.append(f"{_of(port)}: {_named([each.model_copy(update={'reason': None}) for each in risen])}")
    if down:
        yield _news(ServerEventReason.BACKEND_DOWN, listed(down, "; "))
    if up:
        yield _news(ServerEventReason.BACKEND_UP, listed(up, "; "))


def _fallen(was: ServerPortStatus, port: ServerPortStatus) -> list[BackendStatus]:
    """Those that are down and were not; what was not listed was up, for the others come first."""
    past = _states(was)
    return [b for b in port.backends if b.state is BackendState.DOWN and past.get(_key(b)) is not BackendState.DOWN]


def _risen(was: ServerPortStatus, port: ServerPortStatus) -> list[BackendStatus]:
    """Those that were down and are up; what is no longer listed is up where not all are, else it is gone."""
    now = _states(port)
    cut = len(port.backends) < port.up + port.down + port.draining
    missing = BackendState.UP if cut else None
    return [b for b in was.backends if b.state is BackendState.DOWN and now.get(_key(b), missing) is BackendState.UP]


def _key(backend: BackendStatus) -> tuple[str, int]:
    return backend.address, backend.port


def _states(port: ServerPortStatus) -> Mapping[tuple[str, int], BackendState]:
    return {_key(backend): backend.state for backend in port.backends}


def _of(port: ServerPortStatus) -> str:
    return f"{port.name} ({port.up} of {port.up + port.down} backends are up)"


def _named(backends: Sequence[BackendStatus]) -> str:
    return listed(called(backend) for backend in backends)


def _news(reason: ServerReason | ServerEventReason, message: str) -> News:
    return News(SERVER_EVENTS[reason], reason, clipped(message, EVENT_LENGTH))
