"""Writes the reference of what the daemon says from its own words: `python -m mooring_node.reference [FOLDER]`."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from mooring_api import pages
from mooring_api.metric import HEAD, rows
from mooring_node.agent.metric_names import NodeMetric
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.faults import COOLING_NS, FaultReason
from mooring_node.vrrp.group import RECHECK_NS
from mooring_node.vrrp.refusals import LOG_EVERY_NS, Refusal


def faults() -> str:
    """The page of the reasons for the state Fault, Markdown."""
    rows = ((f"`{each}`", each.remedy, _lasts(COOLING_NS.get(each))) for each in FaultReason)
    return _page(
        "Faults",
        "mooring_node/vrrp/faults.py",
        "Why a group is in the state `Fault`: it does not hold its addresses and does not take part in the election."
        " `mooring-node status`, the log and the transitions name the reason. A group leaves `Fault` by itself, one"
        f" advertisement interval after the last reason is gone; it looks every {RECHECK_NS // SECOND_NS} s, and"
        " at once when an interface changes.",
        ("reason", "what it is; what to do", "lasts"),
        rows,
    )


def _lasts(hold_ns: int | None) -> str:
    return "until it is mended" if hold_ns is None else f"{hold_ns // SECOND_NS} s, then it is tried again"


def refusals() -> str:
    """The page of the reasons to discard an advert, Markdown."""
    return _page(
        "Refused adverts",
        "mooring_node/vrrp/refusals.py",
        "Why an advert was discarded. Refusals are counted by reason and sender (`mooring-node status`; summed over the"
        " senders in the metric `mooring_vrrp_adverts_refused_total`) and logged at most once every"
        f" {LOG_EVERY_NS // SECOND_NS} s for each reason and sender. A node that refuses the adverts of the Active"
        " router does not hear it and takes the role too.",
        ("reason", "what it means", "what to do"),
        ((f"`{each}`", each.meaning, each.remedy) for each in Refusal),
    )


def metrics() -> str:
    """The page of the metrics, Markdown."""
    return _page(
        "Metrics",
        "mooring_node/agent/metric_names.py",
        "What each daemon serves at `http://127.0.0.1:9650/metrics` (`mooring-node run --metrics-address`). A group is"
        " what shares one state: an instance, or the instances of one sync group. The operator's are"
        " [beside its settings](operator.md#metrics). What `stable` and `beta` promise: [metrics](../metrics.md).",
        HEAD,
        rows(each.value for each in NodeMetric),
    )


def _page(title: str, source: str, text: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        f"# {title}",
        "",
        f"<!-- Generated from {source} by `python -m mooring_node.reference`; do not edit. -->",
        "",
        text,
        "",
        *pages.table(head, rows),
    ]
    return "\n".join(lines) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {"faults": faults, "refusals": refusals, "metrics": metrics}


def main(arguments: Sequence[str]) -> int:
    """Write all pages into the folder that is named, by default docs/reference."""
    return pages.write(PAGES, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
