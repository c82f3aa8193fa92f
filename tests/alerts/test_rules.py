"""The alerts, judged by promtool: each fires when it must, and is silent in its near-miss."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alerts.expand import FILES, Case, cases_below, cases_in, expand

from mooring_node.agent.metric_names import NodeMetric
from mooring_operator.metric_names import OperatorMetric

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "mooring" / "files" / "alerts.yaml"
PREFIX = "https://github.com/mooring-dev/mooring/blob/main/docs/runbooks/"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]


def judge(promtool: str, folder: Path, cases: list[Case], rules: Path = RULES) -> str:
    """What promtool says where it finds something wrong; empty: nothing."""
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump(expand(cases, rules)), encoding="utf-8")
    run = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_case_is_told_as_it_must_be(file: Path, require_tool: Callable[[str], str], tmp_path: Path) -> None:
    said = judge(require_tool("promtool"), tmp_path, cases_in(file))
    assert not said, said


def _told() -> list[tuple[str, bool]]:
    """Alert and whether it fires, of each moment of each case that stands below the alert's heading."""
    found = []
    for file in FILES:
        for case in cases_in(file):
            for alerts in case["at"].values():
                found += [(alert.partition("{")[0], True) for alert in alerts]
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_fires_in_a_case_and_has_a_near_miss(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert (name, True) in _told()
    own = cases_below(name)
    assert own, f"the cases have a heading for {name}"
    assert [case for case in own if not any(case["at"].values())], f"a case in which {name} is silent"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_whole(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    annotations = alert["annotations"]
    assert annotations["runbook_url"] == f"{PREFIX}{alert['alert']}.md"
    assert len(annotations["description"]) > len(annotations["summary"]) > 20
    by = re.search(r"by \(([^)]*)\)", alert["expr"])
    names = set(re.findall(r"\$labels\.(\w+)", annotations["summary"] + annotations["description"]))
    if by and alert["expr"].lstrip().startswith(("sum by", "max by", "min by")):
        assert names <= {each.strip() for each in by[1].split(",")} | {"node", "instance"}, "labels that are left"


def test_only_metrics_that_are_there_are_asked_for() -> None:
    rows = [each.value for each in (*NodeMetric, *OperatorMetric)]
    known = {row.name + end for row in rows for end in (("_bucket",) if row.type == "histogram" else ("",))}
    labels = {label for row in rows for label in row.labels} | {"cluster", "job", "instance", "node", "le"}
    for alert in ALERTS:
        expression = alert["expr"]
        assert set(re.findall(r"mooring_\w+", expression)) <= known, alert["alert"]
        chosen = re.findall(r"(?:by|on|without|ignoring) \(([^)]*)\)", expression)
        assert {label.strip() for each in chosen for label in each.split(",") if each} <= labels, alert["alert"]
        assert set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', expression)) <= labels, alert["alert"]


BREAKS = [
    ("mooring_vrrp_active_heard) == 0\n", "mooring_vrrp_active_heard) == 2\n", "nobody hears one"),
    ("unless on (cluster, virtual_ip, group)\n", "and on (cluster, virtual_ip, group)\n", "cut off from the API"),
    ("and on (cluster, virtual_ip, group) mooring_vrrp_state != 3\n", "", "the operator knows the holder"),
    ("mooring_vrrp_state != 3", "mooring_vrrp_state == 3", "dead daemon's last word"),
    (">= 1\n              and on (cluster) (up == 0", ">= 1\n              or on (cluster) (up == 0", "word is old"),
    ("_foreign_total[3m]", "_foreign_total[9m]", "list different ones"),
    ('condition="Held"} == 0', 'condition="Held"} < 1', "Node is not Ready"),
    ("unless on (cluster, virtual_ip, group) mooring_vrrp_state == 2", "", "operator is cut off"),
    ("_active_heard == 1\n            unless", "_active_heard == 2\n            unless", "heard as a holder"),
    ("== 2 and on (cluster, job, instance) up == 1", "== 2", "Prometheus was away"),
    ("max by (cluster, virtual_ip, group, instance) (", "(", "two jobs"),
    ("family) (mooring_server_quorum) == 0", "family) (1 - mooring_server_quorum) == 1", "one node cannot reach"),
    ("by (cluster, virtual_ip, group", "by (virtual_ip, group", "two clusters have"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "seen_by"), BREAKS, ids=[each[2] for each in BREAKS])
def test_a_broken_expression_is_seen(
    old: str, new: str, seen_by: str, require_tool: Callable[[str], str], tmp_path: Path
) -> None:
    text = RULES.read_text(encoding="utf-8")
    assert old in text
    rules = tmp_path / "alerts.yaml"
    rules.write_text(text.replace(old, new), encoding="utf-8")
    cases = [case for file in FILES for case in cases_in(file) if seen_by in case["case"]]
    promtool = require_tool("promtool")
    assert judge(promtool, tmp_path, cases) == ""
    assert "FAILED" in judge(promtool, tmp_path, cases, rules)


def test_alerts_read_well(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    """The texts whole, also those that ask Prometheus for the nodes' names."""
    file = tmp_path / "texts.yaml"
    text = (Path(__file__).parent / "texts.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("RULES", str(RULES)), encoding="utf-8")
    run = subprocess.run(
        [require_tool("promtool"), "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
