"""The dashboard: as its program writes it, and every expression one that Prometheus reads and that finds something."""

import json
import re
import runpy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from mooring_node.agent.metric_names import NodeMetric
from mooring_operator.metric_names import OperatorMetric

ROOT = Path(__file__).parents[2]
FILE = ROOT / "charts" / "mooring" / "files" / "dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ROWS = [each.value for each in (*NodeMetric, *OperatorMetric)]
VARIABLES = {each["name"] for each in DASHBOARD["templating"]["list"]}


def expressions() -> Iterator[tuple[str, str, str]]:
    """Panel, expression and legend."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def test_it_is_what_its_program_writes(tmp_path: Path) -> None:
    main = runpy.run_path(str(ROOT / "scripts" / "dashboard.py"))["main"]
    assert main([str(tmp_path / "dashboard.json")]) == 0
    assert (tmp_path / "dashboard.json").read_text() == FILE.read_text(), "run scripts/dashboard.py"


def test_prometheus_reads_every_expression(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    filled = [
        re.sub(r"\$\w+", lambda found: "5m" if "interval" in found[0] else ".*", expression)
        for _, expression, _ in expressions()
    ]
    rules = [{"record": f"panel:number{number}", "expr": each} for number, each in enumerate(filled)]
    assert len(rules) > 25
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    command = [require_tool("promtool"), "check", "rules", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_it_asks_for_what_is_there() -> None:
    known = {row.name + ("_bucket" if row.type == "histogram" else "") for row in ROWS}
    labels = {label for row in ROWS for label in row.labels} | {"cluster", "instance", "node", "pod", "le"}
    for title, expression, legend in expressions():
        names = set(re.findall(r"mooring_\w+", expression))
        assert names, title
        assert names <= known, title
        assert set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', expression)) <= labels, title
        assert {each.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for each in by.split(",")} <= labels
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= labels, title
        assert set(re.findall(r"\$(\w+)", expression)) <= VARIABLES | {"__rate_interval"}, title
    asked = " ".join(expression for _, expression, _ in expressions())
    for name in ("mooring_vrrp_state", "mooring_vrrp_lateness_seconds_bucket", "mooring_api_connected"):
        assert name in asked


def test_a_label_that_is_asked_for_is_one_of_its_metric() -> None:
    """`up{virtual_ip=~"..."}` finds nothing, and nobody is told."""
    by_name = {row.name + ("_bucket" if row.type == "histogram" else ""): set(row.labels) for row in ROWS}
    for title, expression, _ in expressions():
        for name, inside in re.findall(r"(mooring_\w+)\{([^}]*)\}", expression):
            of_target = {"cluster", "instance", "node"}
            assert set(re.findall(r'(\w+)(?:=~|=)"', inside)) <= by_name[name] | of_target, f"{title}: {name}"


def test_it_carries_no_number_of_any_grafana() -> None:
    assert "id" not in DASHBOARD
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    for panel in PANELS:
        assert "id" not in panel
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["description"]


def test_no_panel_lies_on_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            assert x < 24, panel["title"]
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} on {taken.get((x, y))}"
                taken[x, y] = panel["title"]
