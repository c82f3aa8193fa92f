"""What stands in a NodeConfig beside its instances, read leniently."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from mooring_api.node_server import BackendAddress, ConnectionSync, NodeVirtualServer, PortGuard
from mooring_api.wire import Wire
from mooring_operator.plan.servers.plans import NOTHING, NodeServices

ModelT = TypeVar("ModelT", bound=Wire)
#: A virtual server as it stands, and as it was read; None: it could not be.
Read = tuple[Any, NodeVirtualServer | None]


@dataclass(frozen=True, slots=True)
class Beside:
    """The services that stand. `unreadable` names virtual servers that could not be read and are not among them.

    `garbled_of`: the VirtualServers of these; "" is of any other part that could not be read.
    """

    services: NodeServices = NOTHING
    garbled_of: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    read: tuple[Read, ...] = field(default=(), compare=False, repr=False)

    @property
    def garbled(self) -> bool:
        """Whether a part could not be read."""
        return bool(self.garbled_of)


ALONE = Beside()


def beside(spec: Mapping[str, Any], before: Beside | None) -> Beside:
    """Read a spec's fields beside `instances`; never raises. Entries that stand as they did `before` are not read anew.

    Fields of a newer version are ignored at every depth.
    """
    known = {_name(raw): (raw, made) for raw, made in before.read} if before else {}
    servers = tuple(_server(raw, known) for raw in _list(spec.get("virtualServers")))
    hosted = tuple(_all(BackendAddress, spec.get("backendAddresses")))
    guards = tuple(_all(PortGuard, spec.get("portGuards")))
    sync = _one(ConnectionSync, spec["connectionSync"]) if spec.get("connectionSync") is not None else None
    unread = [raw for raw, made in servers if made is None]
    owners = {_text(raw, "virtualServer") for raw in unread}
    if None in hosted or None in guards or (sync is None and spec.get("connectionSync") is not None):
        owners.add("")
    found = NodeServices(
        tuple(made for _, made in servers if made is not None),
        tuple(each for each in hosted if each is not None),
        tuple(each for each in guards if each is not None),
        sync,
    )
    return Beside(found or NOTHING, frozenset(owners), frozenset(map(_name, unread)), servers)


def _server(
    raw: Any, known: Mapping[str, tuple[Any, NodeVirtualServer | None]]
) -> tuple[Any, NodeVirtualServer | None]:
    before = known.get(_name(raw))
    return before if before is not None and before[0] == raw else (raw, _one(NodeVirtualServer, raw))


def _name(raw: Any) -> str:
    return str(raw.get("name")) if isinstance(raw, Mapping) else ""


def _text(raw: Any, field: str) -> str:
    return str(raw.get(field) or "") if isinstance(raw, Mapping) else ""


def _all(model: type[ModelT], given: Any) -> Iterator[ModelT | None]:
    yield from (_one(model, each) for each in _list(given))


def _one(model: type[ModelT], given: Any) -> ModelT | None:
    try:
        return model.model_validate(given, extra="ignore", by_alias=True, by_name=False)
    except ValidationError:
        return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
