"""What is told of virtual servers, where there is only so much room: what is wrong comes before what is well. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Backends of a server are all listed where they are no more than this, else those alone that are not up.
FEW_BACKENDS = 16
MOST_LISTED = 64

#: A VirtualServerReport as wire values.
ServerReport: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Reports within a size, in the order in which they were given."""

    reports: tuple[ServerReport, ...]
    left_out: int = 0
    """Servers of which nothing is told."""


def is_well(report: ServerReport) -> bool:
    """Whether nobody needs to look at it."""
    return bool(report["quorum"]) and not report.get("down") and not report.get("sorry")


def bounded(reports: Sequence[ServerReport], most_bytes: int) -> Told:
    """As much as fits: the counts of each server first, then who is not up, then the backends of small servers.

    Of servers, and of backends, those that are not well have the room first.
    """
    order = sorted(range(len(reports)), key=lambda place: is_well(reports[place]))
    room = most_bytes - len("[]")
    told: dict[int, dict[str, Any]] = {}
    for place in order:
        bare = {key: value for key, value in reports[place].items() if key != "backends"}
        room -= _size(bare) + len(',"backends":[],')
        if room < 0:
            break
        told[place] = bare
    for place in told:
        room = _add(told[place], _not_up(reports[place]), room)
    for place in told:
        backends = reports[place].get("backends", ())
        if len(backends) <= FEW_BACKENDS:
            room = _add(told[place], backends, room)
    return Told(tuple(told[place] for place in sorted(told)), len(reports) - len(told))


def worst_first(reports: Iterable[ServerReport]) -> list[ServerReport]:
    """Without a quorum, then with backends that are down, then those that are well; each in their order."""
    return sorted(reports, key=lambda report: (bool(report["quorum"]), is_well(report)))


def _not_up(report: ServerReport) -> list[Mapping[str, Any]]:
    """Those that are down before those that drain."""
    found = [each for each in report.get("backends", ()) if each["state"] != "Up"]
    return sorted(found, key=lambda each: bool(each["state"] != "Down"))


def _add(report: dict[str, Any], backends: Iterable[Mapping[str, Any]], room: int) -> int:
    """List these, as many as may be, while there is room; what room is left."""
    listed = list(report.get("backends", ()))
    known = {(each["address"], each["port"]) for each in listed}
    for each in backends:
        if len(listed) == MOST_LISTED:
            break
        if (each["address"], each["port"]) in known:
            continue
        room -= _size(each) + 1
        if room < 0:
            room = 0
            break
        listed.append(each)
    if listed:
        report["backends"] = listed
    return room


def _size(value: Mapping[str, Any]) -> int:
    return len(json.dumps(value, separators=(",", ":")))
