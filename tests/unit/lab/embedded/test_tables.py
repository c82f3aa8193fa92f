"""Cells of tables: paths, ages, and what kubectl prints of nodes and pods."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mooring_lab.api.embedded import kinds
from mooring_lab.api.embedded.tables import age, duration, find, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUE = {
    "a": {"b.c": 1, "d": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, 7], "e": None},
    "list": ["p", "q"],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b\\.c", [1]),
        ("a['b.c']", [1]),
        (".list[*]", ["p", "q"]),
        (".list[1]", ["q"]),
        (".list[5]", []),
        (".a.d[*].v", [1, 2]),
        ('.a.d[?(@.n=="y")].v', [2]),
        (".a.d[?(@.n == 'x')].v", [1]),
        ('.a.d[?(@.n=="z")].v', []),
        ("[?(@.n=='x')]", []),
        (".a.e", [None]),
        (".a.e.f", []),
        (".nothing.at.all", []),
        (".list.x", []),
    ],
)
def test_find(path: str, found: list[Any]) -> None:
    assert list(find(VALUE, path)) == found


@pytest.mark.parametrize(
    ("seconds", "text"),
    [  # apimachinery's HumanDuration
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (10860, "3h1m"),
        (28799, "7h59m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (176400, "2d1h"),
        (691199, "7d23h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252288000, "8y"),
        (400000000, "12y"),
    ],
)
def test_duration(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_age() -> None:
    assert age("2025-12-31T23:59:00Z", NOW) == "60s"
    assert age("2025-12-31T23:59:00.123456Z", NOW) == "59s"
    assert (age(None, NOW), age("never", NOW)) == ("<unknown>", "<invalid>")


def _row(plural: str, body: dict[str, Any], group: str = "") -> dict[str, Any]:
    kind = next(kind for kind in kinds.builtin() if (kind.plural, kind.group) == (plural, group))
    printed = table(kind, [body], NOW, "meta.k8s.io/v1", "", head=True)
    return {
        column["name"]: cell
        for column, cell in zip(printed["columnDefinitions"], printed["rows"][0]["cells"], strict=True)
    }


def test_nodes() -> None:
    labels = {"node-role.kubernetes.io/b": "", "node-role.kubernetes.io/a": "", "kubernetes.io/role": "c"}
    body = {"metadata": {"name": "n", "labels": labels}, "spec": {"unschedulable": True}}
    ready = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "addresses": [{"type": "ExternalIP", "address": "x"}],
    }
    row = _row("nodes", {**body, "status": ready})
    assert (row["Status"], row["Roles"], row["External-IP"]) == ("NotReady,SchedulingDisabled", "a,b,c", "x")
    assert _row("nodes", {"metadata": {"name": "n"}})["Roles"] == "<none>"


@pytest.mark.parametrize(
    ("status", "meta", "ready", "said"),
    [
        ({}, {}, "0/2", "Unknown"),
        ({"phase": "Pending"}, {}, "0/2", "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, {}, "0/2", "Evicted"),
        ({"phase": "Running", "containerStatuses": [{"ready": True, "state": {"running": {}}}]}, {}, "1/2", "Running"),
        (
            {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            {},
            "0/2",
            "CrashLoopBackOff",
        ),
        (
            {"phase": "Running", "containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]},
            {},
            "0/2",
            "Error",
        ),
        ({"phase": "Running"}, {"deletionTimestamp": "x"}, "0/2", "Terminating"),
    ],
)
def test_pods(status: Any, meta: Any, ready: str, said: str) -> None:
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    row = _row("pods", {"metadata": {"name": "p", **meta}, "spec": spec, "status": status})
    assert (row["Ready"], row["Status"], row["Node"]) == (ready, said, "<none>")


def test_every_built_in_kind_prints_an_object_that_has_only_a_name() -> None:
    """A bookmark of a watch is such an object."""
    for kind in kinds.builtin():
        if kind.columns:
            printed = table(kind, [{"metadata": {"name": "x"}}], NOW, "meta.k8s.io/v1", "None", head=False)
            assert len(printed["rows"][0]["cells"]) == len(kind.columns)
