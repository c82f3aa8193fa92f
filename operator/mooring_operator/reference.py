"""Writes the reference of what the operator says: `python -m mooring_operator.reference [FOLDER]`."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mooring_api import pages
from mooring_api.metric import HEAD, rows
from mooring_operator.metric_names import OperatorMetric
from mooring_operator.settings import Settings, table
from mooring_operator.tell.event_budget import NAMESPACE, WINDOW_S
from mooring_operator.tell.held import REPORT_S
from mooring_operator.tell.past import SILENCE_S
from mooring_operator.tell.servers.lateness import GRACE_S
from mooring_operator.words.kinds import ConditionType, EventType
from mooring_operator.words.reasons import EVENTS, EventReason, Reason
from mooring_operator.words.server_reasons import SERVER_EVENTS, ServerEventReason, ServerReason

_ABOUT = {
    ConditionType.ACCEPTED: "Whether the object is as it must be. False: what the message names is not used, and the"
    " rest is planned.",
    ConditionType.PROGRAMMED: "Whether the nodes run what is planned. What is not confirmed after"
    f" {SILENCE_S:g} s turns from Unknown to False. `kubectl get vip` shows its reason in the column PLAN.",
    ConditionType.HELD: "Whether each group of addresses has exactly one holder. A lack of one is Unknown for as"
    f" long as an election takes (`activeDownFactor` + 1 advertisement intervals, and {REPORT_S:g} s for the reports),"
    " then False.",
}
_ABOUT_SERVERS = {
    ConditionType.ACCEPTED: "Whether the object is as it must be, and may use what it names. False: what the message"
    " names is not used.",
    ConditionType.PROGRAMMED: "Whether the nodes of the VirtualIP run it. A node that was told of other backends has"
    f" {GRACE_S:g} s for it without a word; what is not confirmed {SILENCE_S:g} s later turns from Unknown to False.",
    ConditionType.READY: "Whether connections are answered by healthy backends, in the words of the node that holds"
    " the address.",
}


def conditions() -> str:
    """The page of all conditions, reasons and events, Markdown."""
    lines = [
        "# Conditions and events",
        "",
        "<!-- Generated from mooring_operator/words by `python -m mooring_operator.reference`; do not edit. -->",
        "",
        "What the operator says of a VirtualIP (`kubectl describe vip`, `kubectl get vip -o yaml`) and of a"
        " VirtualServer (`kubectl describe mvs`). One rule holds for every condition: **Unknown** is under way and ends"
        " by itself, or nobody can tell; **False** wants a person. `lastTransitionTime` is when the status last"
        " changed; a reason or a message may change without it.",
        "",
        *_of_kind("VirtualIP", _ABOUT, Reason),
        "",
        "### Events of a VirtualIP",
        "",
        f"They are in the namespace `{NAMESPACE}`, as it has none of its own; `kubectl describe vip` shows them. The"
        f" same one within {WINDOW_S / 60:g} minutes is counted and not written anew. What a reason of a condition"
        " means stands above.",
        "",
        *pages.table(("reason", "type", "when"), _events(EVENTS)),
        "",
        *_of_kind("VirtualServer", _ABOUT_SERVERS, ServerReason),
        "",
        "### Events of a VirtualServer",
        "",
        "They are in its own namespace, and are told on changes, never on each check. Who takes over an address is"
        " told of the VirtualIP.",
        "",
        *pages.table(("reason", "type", "when"), _events(SERVER_EVENTS)),
    ]
    return "\n".join(lines) + "\n"


def _of_kind(kind: str, about: Mapping[ConditionType, str], reasons: Iterable[Reason | ServerReason]) -> Iterator[str]:
    listed = tuple(reasons)
    yield f"## {kind}"
    for condition, words in about.items():
        rows = ((f"`{r}`", str(r.status), r.meaning, r.remedy) for r in listed if r.condition is condition)
        yield from ("", f"### {condition} of a {kind}", "", words, "")
        yield from pages.table(("reason", "status", "what it means", "what to do"), rows)


def _events(
    types: Mapping[Reason | EventReason, EventType] | Mapping[ServerReason | ServerEventReason, EventType],
) -> Iterator[tuple[str, str, str]]:
    for reason, type_ in types.items():
        if isinstance(reason, EventReason | ServerEventReason):
            when = reason.meaning
        elif reason is Reason.HELD:
            when = "a group has one holder again, after an event that said otherwise"
        else:
            when = f"{reason.condition} becomes {reason.status} for this reason"
        yield f"`{reason}`", str(type_), when


def operator() -> str:
    """The page of the operator's settings and metrics, Markdown."""
    lines = [
        "# The operator's settings and metrics",
        "",
        "<!-- Generated from mooring_operator/settings.py and metric_names.py by"
        " `python -m mooring_operator.reference`; do not edit. -->",
        "",
        "## Settings",
        "",
        "Of `mooring-operator run`; a flag goes before its environment variable.",
        "",
        *pages.table(("flag", "variable", "default", "what it is"), _settings()),
        "",
        "## Metrics",
        "",
        f"At `http://POD:{Settings().metrics_address.port}/metrics`, for Prometheus. What `stable` and `beta` promise:"
        " [metrics](../metrics.md).",
        "",
        *pages.table(HEAD, rows(each.value for each in OperatorMetric)),
    ]
    return "\n".join(lines) + "\n"


def _settings() -> Iterator[tuple[str, str, str, str]]:
    for flag, variable, default, meaning in table():
        yield f"`{flag}`", f"`{variable}`", f"`{default}`" if default else "", meaning


PAGES: Mapping[str, Callable[[], str]] = {"conditions": conditions, "operator": operator}


def main(arguments: Sequence[str]) -> int:
    """Write all pages into the folder that is named, by default docs/reference."""
    return pages.write(PAGES, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
