"""What each level of the contract adds to NodeConfig's spec, and what it means for who is below that level.

Each is declared once, in NOVELTIES: it may be left out, or it is critical, and then its entry bears `requiredLevel` and
who is below refuses that entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from mooring_api.levels import FIRST_LEVEL
from mooring_api.wire import Wire, wire_name

WireT = TypeVar("WireT", bound=Wire)


@dataclass(frozen=True, slots=True)
class Novelty:
    """A field of NodeConfig's spec, or some values of it, that came with a level.

    `field` is its name in Python. `critical`: an entry that has it must not be run without it, because the members of a
    group would disagree about an election, or because of what somebody relies on. Otherwise it is left out for a
    daemon that does not know it, as long as it does not.
    """

    level: int
    model: type[Wire]
    field: str
    critical: bool
    values: frozenset[str] = frozenset()
    """Only these values are new; empty: the field is."""

    def is_used(self, value: object, default: object) -> bool:
        return str(value) in self.values if self.values else value != default


Novelties = tuple[Novelty, ...]
#: Everything that is later than level 1, which is release 0.1.0. A test holds it against the recorded releases.
NOVELTIES: Novelties = ()


@dataclass(frozen=True, slots=True)
class Use:
    """A novelty in an entry, and where."""

    path: str
    novelty: Novelty


def uses(entry: Wire, novelties: Novelties = NOVELTIES) -> tuple[Use, ...]:
    """What of an entry is later than level 1; nothing is looked at where nothing is."""
    return tuple(_uses(entry, "", novelties)) if novelties else ()


def _uses(entry: Wire, prefix: str, novelties: Novelties) -> Iterator[Use]:
    for name, info in type(entry).model_fields.items():
        value, path = getattr(entry, name), f"{prefix}{wire_name(name)}"
        default = info.get_default(call_default_factory=True, validated_data={})
        for novelty in novelties:
            if novelty.model is type(entry) and novelty.field == name and novelty.is_used(value, default):
                yield Use(path, novelty)
        for below, place in _entries_in(value, path):
            yield from _uses(below, f"{place}.", novelties)


def _entries_in(value: object, path: str) -> Iterator[tuple[Wire, str]]:
    if isinstance(value, Wire):
        yield value, path
    elif isinstance(value, tuple):
        yield from ((each, f"{path}[{i}]") for i, each in enumerate(value) if isinstance(each, Wire))


def required_level(entry: Wire, novelties: Novelties = NOVELTIES) -> int:
    """The level that whoever runs the entry must understand."""
    return max((use.novelty.level for use in uses(entry, novelties) if use.novelty.critical), default=FIRST_LEVEL)


def without_later(entry: WireT, level: int, novelties: Novelties = NOVELTIES) -> WireT:
    """The entry for a reader of that level: what it does not know and can do without is at its default."""
    later = tuple(each for each in novelties if each.level > level and not each.critical)
    return _without(entry, later) if later and uses(entry, later) else entry


def _without(entry: WireT, later: Novelties) -> WireT:
    update: dict[str, Any] = {}
    for name, info in type(entry).model_fields.items():
        value, default = getattr(entry, name), info.get_default(call_default_factory=True, validated_data={})
        mine = (each for each in later if each.model is type(entry) and each.field == name)
        if any(each.is_used(value, default) for each in mine):
            update[name] = default
        elif isinstance(value, Wire):
            update[name] = _without(value, later)
        elif isinstance(value, tuple):
            update[name] = tuple(_without(each, later) if isinstance(each, Wire) else each for each in value)
    return entry.model_copy(update=update)
