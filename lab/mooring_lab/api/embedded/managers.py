"""metadata.managedFields: what a write makes of the managers' sets, and which applies conflict."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mooring_lab.api.embedded import fields
from mooring_lab.api.embedded.errors import Object, StatusError
from mooring_lab.api.embedded.fields import Path
from mooring_lab.api.embedded.schema import Schema

BEFORE_FIRST_APPLY = "before-first-apply"
_SERVERS = "name namespace creationTimestamp selfLink uid generation managedFields resourceVersion".split()
_NOBODYS: set[Path] = {(), ("f:apiVersion",), ("f:kind",), ("f:metadata",)}
_NOBODYS |= {("f:metadata", f"f:{name}") for name in _SERVERS}
Identity = tuple[str, str, str, str]
Sets = dict[Identity, tuple["Manager", frozenset[Path]]]


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes: the name, the way (Apply or Update), and what is written."""

    name: str
    operation: str
    version: str
    subresource: str
    time: str

    @property
    def identity(self) -> Identity:
        """What makes two entries one; an applier's version does not."""
        version = "" if self.operation == "Apply" else self.version
        return self.operation, self.name, version, self.subresource


def read(entries: Iterable[Object]) -> Sets:
    """The sets of managedFields; an empty entry, by which tracking is ended, gives none."""
    found: Sets = {}
    for entry in filter(None, entries):
        words = (entry.get(key, "") for key in ("manager", "operation", "apiVersion", "subresource", "time"))
        manager = Manager(*words)
        found[manager.identity] = manager, frozenset(fields.from_fields(entry.get("fieldsV1") or {}))
    return found


def written(sets: Sets) -> list[Object]:
    """As managedFields: appliers first, then by time."""
    ordered = sorted(sets.values(), key=lambda one: (one[0].operation, one[0].time, *one[0].identity))
    return [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.version,
            "time": manager.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.to_fields(paths),
            **({"subresource": manager.subresource} if manager.subresource else {}),
        }
        for manager, paths in ordered
    ]


def _others(sets: Sets, gone: set[Path], manager: Manager) -> Sets:
    """The others' sets without some paths; empty ones end."""
    return {
        identity: (other, paths - gone)
        for identity, (other, paths) in sets.items()
        if identity != manager.identity and paths - gone
    }


def updated(schema: Schema, live: Any, new: Object, sets: Sets, manager: Manager) -> Sets:
    """The sets after an update: whoever changes a field owns it, what is gone is nobody's."""
    difference = fields.compare(schema, live, new)
    taken = (difference.added | difference.modified) - _NOBODYS
    before, mine = sets.get(manager.identity, (manager, frozenset()))
    result = _others(sets, taken | difference.removed, manager)
    mine = (mine | taken) - difference.removed
    if mine:
        result[manager.identity] = (manager if taken else before), mine
    return result


def applied(
    schema: Schema, live: Object, config: Object, sets: Sets, manager: Manager, *, force: bool
) -> tuple[Object, Sets]:
    """The live object with an applied one laid over it and what the applier gave up taken away; 409 at conflicts."""
    before, last = sets.get(manager.identity, (manager, frozenset()))
    whole = frozenset(fields.owned(schema, config))
    mine = whole - _NOBODYS
    others = [(other, paths) for identity, (other, paths) in sets.items() if identity != manager.identity]
    held = fields.with_parents(schema, whole.union(*(paths for _, paths in others)))
    merged = fields.merge(schema, live, config)
    new = fields.without(schema, merged, fields.with_parents(schema, last) - held)
    difference = fields.compare(schema, live, new)
    taken = (difference.added | difference.modified) - _NOBODYS
    if not force:
        _refuse_conflicts([(other, paths & taken) for other, paths in others])
    result = _others(sets, taken | difference.removed, manager)
    if mine:
        result[manager.identity] = (before if mine == last and not any(difference) else manager), mine
    return new, result


def _refuse_conflicts(conflicts: list[tuple[Manager, frozenset[Path]]]) -> None:
    found = []
    for manager, paths in sorted(conflicts, key=lambda one: one[0].identity[1:]):
        text = f'conflict with "{manager.name}"'
        text += f' with subresource "{manager.subresource}"' if manager.subresource else ""
        text += f" using {manager.version}" if manager.operation == "Update" else ""
        found += [(text, fields.shown(path)) for path in sorted(paths)]
    if not found:
        return
    said = f"1 conflict: {found[0][0]}: {found[0][1]}"
    if len(found) > 1:
        groups = groupby(found, key=lambda one: one[0].replace("conflict with", "conflicts with"))
        lines = [line for text, some in groups for line in (f"{text}:", *(f"- {path}" for _, path in some))]
        said = f"{len(found)} conflicts: " + "\n".join(lines)
    causes = [{"reason": "FieldManagerConflict", "message": text, "field": path} for text, path in found]
    raise StatusError(409, "Conflict", f"Apply failed with {said}", {"causes": causes})
