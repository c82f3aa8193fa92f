"""What is written, in a few words for the log and for events."""

from collections.abc import Iterable, Sequence

from mooring_api.nodeconfig import Instance
from mooring_operator.cluster.slim import Ownership
from mooring_operator.tell.news import News
from mooring_operator.tell.reasons import EVENTS, EventReason
from mooring_operator.tell.wording import listed


def differences(before: Iterable[Instance], after: Iterable[Instance]) -> str:
    """What changes from one list of instances to another: `+web-0 -old-0 api-0 (priority, peers)`."""
    old = {instance.name: instance for instance in before}
    new = {instance.name: instance for instance in after}
    parts = [f"+{name}" for name in new if name not in old]
    parts += [f"-{name}" for name in old if name not in new]
    for name, instance in new.items():
        if name in old and old[name] != instance:
            parts.append(f"{name} ({', '.join(_changed(old[name], instance))})")
    return " ".join(parts) or ("no instances" if not new else "its annotations")


def _changed(old: Instance, new: Instance) -> list[str]:
    return [name for name in Instance.model_fields if getattr(old, name) != getattr(new, name)]


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
