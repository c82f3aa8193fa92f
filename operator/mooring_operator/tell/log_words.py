"""What is written, in a few words for the log and for events."""

from collections.abc import Iterable, Iterator, Sequence

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import Instance, NodeConfigSpec
from mooring_operator.cluster.slim import Ownership
from mooring_operator.plan.servers.plans import NOTHING, NodeServices, services_in
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.news import News
from mooring_operator.words.phrases import listed
from mooring_operator.words.reasons import EVENTS, EventReason

#: A change of a Service may touch every virtual server of a node.
_MOST_SERVERS = 8
Named = Instance | NodeVirtualServer


def differences(before: Standing | None, after: NodeConfigSpec) -> str:
    """What changes from what stands to a spec: `+web-0 -old-0 api-0 (priority, transport)`, virtual servers too."""
    parts = [*_of(before.instances if before else (), after.instances)]
    old, new = before.services if before else NOTHING, services_in(after)
    servers = [*_of(old.virtual_servers, new.virtual_servers)]
    more = [f"and {len(servers) - _MOST_SERVERS} more virtual servers"] if len(servers) > _MOST_SERVERS else []
    parts += [*servers[:_MOST_SERVERS], *more, *_beside(old, new)]
    return " ".join(parts) or ("its annotations" if after.instances else "no instances")


def _of(before: Iterable[Named], after: Iterable[Named]) -> Iterator[str]:
    old: dict[str, Named] = {each.name: each for each in before}
    new: dict[str, Named] = {each.name: each for each in after}
    yield from (f"+{name}" for name in new if name not in old)
    yield from (f"-{name}" for name in old if name not in new)
    for name, each in new.items():
        if name in old and old[name] != each:
            yield f"{name} ({', '.join(_changed(old[name], each))})"


def _changed(old: Named, new: Named) -> list[str]:
    return [name for name in type(new).model_fields if getattr(old, name) != getattr(new, name)]


def _beside(old: NodeServices, new: NodeServices) -> Iterator[str]:
    for name, words in (
        ("backend_addresses", "addresses of backends"),
        ("port_guards", "port guards"),
        ("connection_sync", "connection sync"),
    ):
        if getattr(old, name) != getattr(new, name):
            yield f"({words})"


def overruled(foreign: Sequence[Ownership]) -> tuple[News, ...]:
    """The event on a NodeConfig whose spec somebody else has written, when we write over it."""
    if not foreign:
        return ()
    managers = listed(sorted({each.manager for each in foreign}))
    fields = listed(sorted({each.field for each in foreign}))
    message = (
        f"{managers} wrote {fields}, which is the operator's alone; it is written over."
        " To keep what runs, annotate the VirtualIP with mooring.dev/paused=true"
    )
    return (News(EVENTS[EventReason.OVERRULED], EventReason.OVERRULED, message, managers),)
