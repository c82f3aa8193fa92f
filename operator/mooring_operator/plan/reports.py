"""What a plan needs of a daemon's report, read entry by entry: what can't be read costs itself alone. Pure.

A daemon may be newer than the operator, or something else may have written there. An entry of another form must not
make a node that speaks look like one that never did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mooring_api.nodeconfig import ForeignRouter, InterfaceReport
from mooring_api.problems import Problem
from mooring_api.wire import problems_of

ModelT = TypeVar("ModelT", bound=BaseModel)
#: What of an interface nothing is planned from, with what is put where it can't be read.
_UNUSED: Mapping[str, Any] = {"carrier": False, "mtu": 0}
_NO_LIST = "is no list, so nothing of it is used; see the daemon's release, and who else writes the status"


@dataclass(frozen=True, slots=True)
class Report:
    """`interfaces` is None where there are none to be read; `unread`: something of them is there and can't be."""

    interfaces: tuple[InterfaceReport, ...] | None = None
    unread: bool = False
    foreign_routers: tuple[ForeignRouter, ...] = ()
    problems: tuple[Problem, ...] = ()
    """One for each entry of which something is left out."""


def reported(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a NodeConfig's status a plan is made from; a status that is none at all stands alone."""
    status = document.get("status") or {}
    return (status.get("interfaces"), status.get("foreignRouters")) if isinstance(status, Mapping) else (status,)


def report_of(part: tuple[Any, ...], name: str) -> Report:
    """Read what `reported` found on the NodeConfig of that name; never raises for what stands there."""
    if len(part) == 1:
        return Report(unread=True, problems=(Problem(name, "status", "is no report, so nothing of it is used"),))
    problems: list[Problem] = []
    interfaces = _entries(InterfaceReport, part[0], f"{name}", "status.interfaces", problems)
    unread = bool(problems)
    routers = _entries(ForeignRouter, part[1], name, "status.foreignRouters", problems)
    return Report(interfaces, unread, routers or (), tuple(problems))


def _entries(
    model: type[ModelT], given: Any, name: str, path: str, problems: list[Problem]
) -> tuple[ModelT, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        problems.append(Problem(name, path, _NO_LIST))
        return None
    found = []
    for place, entry in enumerate(given):
        try:
            found.append(_lenient(model, entry))
        except ValidationError as error:
            problems.append(problems_of(error, name, f"{path}[{place}]")[0])
            if (rest := _rest(model, entry, error)) is not None:
                found.append(rest)
    return tuple(found)


def _lenient(model: type[ModelT], given: Any) -> ModelT:
    """Fields of a newer version are ignored at every depth."""
    return model.model_validate(given, extra="ignore", by_alias=True, by_name=False)


def _rest(model: type[ModelT], entry: Any, error: ValidationError) -> ModelT | None:
    """The entry without those of its addresses that can't be read, and without what nothing is planned from."""
    if model is not InterfaceReport or not isinstance(entry, Mapping):
        return None
    rest: dict[str, Any] = {**entry}
    places = [item["loc"] for item in error.errors(include_url=False)]
    rest.update({str(place[0]): _UNUSED[str(place[0])] for place in places if place and place[0] in _UNUSED})
    bad = {place[1] for place in places if len(place) > 1 and place[0] == "addresses"}
    addresses = rest.get("addresses")
    rest["addresses"] = [a for i, a in enumerate(addresses) if i not in bad] if isinstance(addresses, list) else []
    try:
        return _lenient(model, rest)
    except ValidationError:
        return None
