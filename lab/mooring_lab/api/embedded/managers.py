"""metadata.managedFields: what a write makes of the managers' sets, and which applies conflict."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from mooring_lab.api.embedded.errors import Object, Refusal
from mooring_lab.api.embedded.fields import (
    Path,
    compare,
    from_fields,
    merge,
    owned,
    shown,
    to_fields,
    with_parents,
    without,
)
from mooring_lab.api.embedded.schema import Schema

BEFORE_FIRST_APPLY = "before-first-apply"
_SERVERS = {
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    )
}
_NOBODYS: set[Path] = {(), ("f:apiVersion",), ("f:kind",), ("f:metadata",)}


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes: the name, the way (Apply or Update), and what is written."""

    name: str
    operation: str
    version: str
    subresource: str
    time: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two entries one; an applier's version does not."""
        version = "" if self.operation == "Apply" else self.version
        return self.operation, self.name, version, self.subresource


@dataclass(frozen=True, slots=True)
class Managed:
    """The managers' sets."""

    sets: dict[tuple[str, str, str, str], tuple[Manager, frozenset[Path]]] = field(default_factory=dict)

    @classmethod
    def read(cls, entries: Iterable[Object]) -> "Managed":
        """From managedFields."""
        found = {}
        for entry in entries:
            manager = Manager(
                entry.get("manager", ""),
                entry.get("operation", "Update"),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
                entry.get("time", ""),
            )
            found[manager.identity] = manager, frozenset(from_fields(entry.get("fieldsV1") or {}))
        return cls(found)

    def written(self) -> list[Object]:
        """As managedFields: appliers first, then by time."""
        ordered = sorted(self.sets.values(), key=lambda one: (one[0].operation, one[0].time, one[0].name))
        return [
            {
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": manager.version,
                "time": manager.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": to_fields(paths),
                **({"subresource": manager.subresource} if manager.subresource else {}),
            }
            for manager, paths in ordered
        ]

    def after(self, gone: set[Path], but: Manager) -> dict[tuple[str, str, str, str], tuple[Manager, frozenset[Path]]]:
        """The others' sets without some paths; empty ones end."""
        return {
            identity: (manager, paths - gone)
            for identity, (manager, paths) in self.sets.items()
            if identity != but.identity and paths - gone
        }


def _counted(path: Path) -> bool:
    return path not in _NOBODYS and path[:2] not in _SERVERS


def updated(schema: Schema, live: Any, new: Object, managed: Managed, manager: Manager) -> Managed:
    """The sets after an update: whoever changes a field owns it, what is gone is nobody's."""
    difference = compare(schema, live, new)
    taken = {path for path in difference.added | difference.modified if _counted(path)}
    gone = difference.removed
    sets = managed.after(taken | gone, manager)
    before, mine = managed.sets.get(manager.identity, (manager, frozenset()))
    mine = (mine | taken) - gone
    if mine:
        sets[manager.identity] = (manager if taken else before), mine
    return Managed(sets)


def applied(
    schema: Schema,
    live: Object,
    config: Object,
    managed: Managed,
    manager: Manager,
    force: bool,
) -> tuple[Object, Managed]:
    """The live object with an applied one laid over it and what the applier gave up taken away; 409 at conflicts."""
    merged = merge(schema, live, config)
    before, last = managed.sets.get(manager.identity, (manager, frozenset()))
    mine = frozenset(path for path in owned(schema, config) if _counted(path))
    others = [(one, paths) for identity, (one, paths) in managed.sets.items() if identity != manager.identity]
    held = with_parents(schema, mine.union(*(paths for _, paths in others)))
    new = without(schema, merged, with_parents(schema, last) - held)
    difference = compare(schema, live, new)
    taken = {path for path in difference.added | difference.modified if _counted(path)}
    if not force:
        _refuse_conflicts([(one, paths & taken) for one, paths in others])
    sets = managed.after(taken | difference.removed, manager)
    if mine:
        same = mine == last and not any(difference)
        sets[manager.identity] = (before if same else manager), mine
    return new, Managed(sets)


def _refuse_conflicts(conflicts: list[tuple[Manager, frozenset[Path]]]) -> None:
    found = []
    for manager, paths in sorted(conflicts, key=lambda one: one[0].identity[1:]):
        text = f'conflict with "{manager.name}"'
        text += f' with subresource "{manager.subresource}"' if manager.subresource else ""
        text += f" using {manager.version}" if manager.operation == "Update" else ""
        found += [(text, shown(path)) for path in sorted(paths)]
    if not found:
        return
    causes = [{"reason": "FieldManagerConflict", "message": text, "field": path} for text, path in found]
    number = f"{len(found)} conflict{'s' if len(found) > 1 else ''}"
    if len({text for text, _ in found}) == 1 and len(found) == 1:
        said = f"{found[0][0]}: {found[0][1]}"
    else:
        groups = groupby(found, key=lambda one: one[0])
        said = "\n".join(text + ":\n" + "\n".join(f"- {path}" for _, path in some) for text, some in groups)
        said = said.replace("conflict with", "conflicts with")
    raise Refusal(409, "Conflict", f"Apply failed with {number}: {said}", {"causes": causes})
