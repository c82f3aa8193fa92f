"""Writes the reference of what the daemon says from its own words: `python -m mooring_node.reference [FOLDER]`."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from mooring_node.agent.metrics import NodeCollector
from mooring_node.balance.answer import Load
from mooring_node.checks.verdict import Reason
from mooring_node.ipvs.findings import Trouble
from mooring_node.vrrp.faults import COOLING_NS, FaultReason
from mooring_node.vrrp.group import RECHECK_NS
from mooring_node.vrrp.lateness import BOUNDS_NS
from mooring_node.vrrp.refusals import LOG_EVERY_NS, Refusal

SECOND_NS = 1_000_000_000
#: What Prometheus' text format adds to a family's name, by its type.
_SUFFIXES = {"counter": "_total", "info": "_info"}
#: An answer of the daemon with everything in it once, so that every metric family and label shows.
EVERYTHING: Mapping[str, Any] = {
    "vrrp": {
        "lateness": {"counts": [0] * (len(BOUNDS_NS) + 1), "totalNs": 0},
        "scheduling": "real-time",
        "foreignRouters": [],
        "maintenance": False,
        "refused": [],
    },
    "agent": {
        "version": "",
        "configuration": {"generation": 1, "ageSeconds": 0, "problems": []},
        "conflictsTotal": 0,
        "balance": {"wanted": True, "runs": 1, "problems": [], "moreProblems": 0},
        "api": {
            "generation": 1,
            "observedGeneration": 1,
            "nodeConfig": {"connected": True},
            "secrets": {"connected": True},
            "watchRestarts": 0,
            "statusWrites": {"written": 0, "conflict": 0, "failed": 0},
            "credentials": [],
        },
    },
    "checks": {
        "targets": 1,
        "probes": {
            "boundsSeconds": [],
            "durations": {"tcp": {"counts": [0], "totalSeconds": 0}},
            "failures": [{"kind": "tcp", "reason": Reason.TIMEOUT, "count": 1}],
            "withheld": 0,
            "lateness": {"counts": [0], "totalSeconds": 0},
        },
        "ipvs": {"writes": 0, "refused": {Trouble.MISSING_MODULE.value: 1}, "drift": 0},
        "portGuard": [{"address": "10.0.0.100", "mode": "refused", "packets": 0, "bytes": 0}],
    },
    "servers": [{"name": "shop/web:https", "family": "IPv4", "quorum": True}],
    "loads": [
        Load("shop/web:https", "10.0.0.100:443/TCP", ""),
        Load("shop/web:https", "10.0.0.100:443/TCP", "10.9.0.1:8443"),
    ],
    "groups": [
        {
            "name": "web",
            "virtualIP": "web",
            "state": "Active",
            "priority": 100,
            "transitions": 1,
            "heldAddresses": [],
            "tracked": [{"server": "shop/web", "good": True}],
            "members": [
                {
                    "name": "web",
                    "advertsSent": 0,
                    "releasesSent": 0,
                    "advertsReceived": 0,
                    "sendErrors": 0,
                    "announcements": 0,
                    "refused": [{"reason": Refusal.UNKNOWN_PEER, "source": "", "count": 1}],
                }
            ],
        }
    ],
}


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
        "mooring_node/agent/metrics.py",
        "What each daemon serves at `http://127.0.0.1:9650/metrics` (`mooring-node run --metrics-address`). A group is"
        " what shares one state: an instance, or the instances of one sync group.",
        ("metric", "type", "labels", "meaning"),
        (_metric(family) for family in NodeCollector(lambda: dict(EVERYTHING)).collect()),
    )


def _metric(family: Metric) -> tuple[str, str, str, str]:
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    name = f"`{family.name}{_SUFFIXES.get(family.type, '')}`"
    return name, family.type, ", ".join(f"`{label}`" for label in sorted(labels)), family.documentation


def _page(title: str, source: str, text: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        f"# {title}",
        "",
        f"<!-- Generated from {source} by `python -m mooring_node.reference`; do not edit. -->",
        "",
        text,
        "",
        _row(head),
        _row(["---"] * len(head)),
        *(_row([cell.replace("|", "\\|") for cell in row]) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


PAGES: Mapping[str, Callable[[], str]] = {"faults": faults, "refusals": refusals, "metrics": metrics}


def main(arguments: Sequence[str]) -> int:
    """Write all pages into the folder that is named, by default docs/reference."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parents[2] / "docs" / "reference"
    for name, text in PAGES.items():
        (folder / f"{name}.md").write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
