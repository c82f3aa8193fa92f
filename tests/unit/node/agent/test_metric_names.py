"""The table of the daemon's metrics and what is exported are the same, and the names keep Prometheus' rules."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client.core import GaugeMetricFamily
from tests.scraped import TARGET_LABELS, lint, promised, series, text_of_families, written_again

from mooring_api.metric import Stability
from mooring_node.agent.metric_names import NodeMetric
from mooring_node.agent.metrics import families, render
from mooring_node.balance.answer import Load
from mooring_node.checks.verdict import Reason
from mooring_node.ipvs.findings import Trouble
from mooring_node.ipvs.reconcile import AUDIT_NS
from mooring_node.vrrp.lateness import BOUNDS_NS
from mooring_node.vrrp.refusals import Refusal

#: An answer of the daemon with everything in it once, so that each family and each label shows.
EVERYTHING: Mapping[str, Any] = {
    "vrrp": {
        "lateness": {"counts": [0] * (len(BOUNDS_NS) + 1), "totalNs": 0},
        "scheduling": "real-time",
        "realTimeWanted": True,
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
            "node": "lb-1",
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
            "activeHeard": True,
            "tracked": [{"server": "shop/web", "good": True}],
            "members": [
                {
                    "name": "web",
                    "advertsSent": 0,
                    "releasesSent": 0,
                    "advertsReceived": 0,
                    "advertsForeign": 0,
                    "sendErrors": 0,
                    "announcements": 0,
                    "refused": [{"reason": Refusal.UNKNOWN_PEER, "source": "", "count": 1}],
                }
            ],
        }
    ],
}


def page() -> str:
    return render(dict(EVERYTHING)).decode()


def test_the_table_and_the_export_are_the_same() -> None:
    assert series(page()) == promised(each.value for each in NodeMetric)


def test_the_page_is_what_prometheus_own_library_makes_of_it() -> None:
    assert page() == written_again(page())


def test_an_answer_with_less_in_it_exports_nothing_else() -> None:
    names = {each.value for each in NodeMetric}
    for missing in ("vrrp", "checks", "groups", "servers", "loads"):
        answer = copy.deepcopy(dict(EVERYTHING))
        del answer[missing]
        assert {family.row for family in families(answer)} <= names


def test_prometheus_has_nothing_against_the_names(require_tool: Callable[[str], str]) -> None:
    promtool = require_tool("promtool")
    assert lint(promtool, page()) == ""
    bad = GaugeMetricFamily("mooring_delay_milliseconds", "not a base unit", value=1)
    assert "milliseconds" in lint(promtool, text_of_families([bad])), "the tool sees a bad name"


@pytest.mark.parametrize("metric", NodeMetric, ids=lambda each: each.value.name)
def test_a_row_is_whole(metric: NodeMetric) -> None:
    row = metric.value
    assert row.name.startswith("mooring_")
    assert row.unit
    assert not row.meaning[0].islower()
    assert not row.meaning.endswith(".")
    assert not TARGET_LABELS & set(row.labels), "Prometheus would rename it"
    assert row.stability in Stability
    if row.name.removesuffix("_total").endswith(("_seconds", "_bytes")):
        assert row.name.removesuffix("_total").rpartition("_")[2] == row.unit
    assert "source" not in row.labels, "a stranger would choose how many series there are"


def test_the_pace_of_the_kernels_counters_is_told_right() -> None:
    told = [each.value.meaning for each in NodeMetric if "read each" in each.value.meaning]
    assert len(told) == 12
    assert all(f"read each {AUDIT_NS // 1_000_000_000} s" in meaning for meaning in told)
