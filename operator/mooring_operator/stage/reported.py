"""A daemon's report, read by an operator of another release: what it does not know costs only itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from mooring_api.nodeconfig import NodeConfigStatus

#: Without these nobody could tell what a daemon runs: where one of them as a whole is no such thing, nothing is read.
_NEEDED = frozenset({"observedGeneration", "problems"})
_INSTANCES = "instances"


def read_status(given: object) -> tuple[NodeConfigStatus | None, frozenset[str]]:
    """What can be read of a status (None: nothing), and the instances whose state could not be ("": of some).

    Unknown fields are ignored at every depth; an entry of a list that cannot be read is left out, and so is a field.
    """
    if not isinstance(given, Mapping) or not given:
        return None, frozenset()
    try:
        return _read(given), frozenset()
    except ValidationError as error:
        wrong = [item["loc"] for item in error.errors(include_url=False)]
    if not wrong or any(place[0] in _NEEDED and len(place) == 1 for place in wrong):
        return None, frozenset()
    kept, lost = _without(given, wrong)
    try:
        return _read(kept), lost
    except ValidationError:
        return None, frozenset()


def _read(given: Mapping[str, Any]) -> NodeConfigStatus:
    return NodeConfigStatus.model_validate(given, extra="ignore", by_alias=True, by_name=False)


def _without(given: Mapping[str, Any], wrong: Sequence[tuple[int | str, ...]]) -> tuple[dict[str, Any], frozenset[str]]:
    kept: dict[str, Any] = dict(given)
    bad: dict[str, set[int]] = {}
    for field, *below in wrong:
        if below and isinstance(below[0], int) and isinstance(kept.get(str(field)), list):
            bad.setdefault(str(field), set()).add(below[0])
        else:
            kept.pop(str(field), None)
    lost = frozenset(str(_name(each)) for i, each in enumerate(_listed(given)) if i in bad.get(_INSTANCES, ()))
    for field, places in bad.items():
        if field in kept:
            kept[field] = [each for place, each in enumerate(kept[field]) if place not in places]
    whole = _INSTANCES in kept or _INSTANCES not in given
    return kept, lost if whole else lost | {""}


def _listed(given: Mapping[str, Any]) -> Sequence[Any]:
    found = given.get(_INSTANCES)
    return found if isinstance(found, list) else ()


def _name(entry: object) -> object:
    return entry.get("name") if isinstance(entry, Mapping) else ""
