#!/usr/bin/env python3
"""Writes the Grafana dashboard, charts/mooring/files/dashboard.json: `scripts/dashboard.py [FILE]`.

By a program, because a dashboard that is edited by hand in Grafana carries that Grafana's numbers with it, and
because forty panels that look alike are one panel, forty times. Standard library alone.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "charts" / "mooring" / "files" / "dashboard.json"
Panel = dict[str, Any]

#: What every expression selects by; a label that nobody set matches `.*`.
NODES = 'cluster=~"$cluster",instance=~"$instance"'
GROUPS = f'{NODES},virtual_ip=~"$virtual_ip"'
SERVERS = f'{NODES},server=~"$server"'
OPERATOR = 'cluster=~"$cluster"'
#: A node is called by the chart's label, else by the address that is scraped.
NODE = "{{node}} {{instance}}"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
STATES = {0: ("Initialize", "text"), 1: ("Backup", "blue"), 2: ("Active", "green"), 3: ("Fault", "red")}
YES_NO = {0: ("no", "red"), 1: ("yes", "green")}
HEIGHT = 8


def target(expression: str, legend: str = "", **fields: Any) -> dict[str, Any]:
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend, **fields}


def mapped(values: dict[int, tuple[str, str]]) -> list[dict[str, Any]]:
    options = {str(value): {"text": text, "color": colour, "index": value} for value, (text, colour) in values.items()}
    return [{"type": "value", "options": options}]


def panel(kind: str, title: str, about: str, targets: Sequence[dict[str, Any]], width: int, **fields: Any) -> Panel:
    for letter, each in zip("ABCDEFGH", targets, strict=False):
        each["refId"] = letter
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": list(targets),
        "gridPos": {"w": width, "h": HEIGHT},
        "fieldConfig": {"defaults": {}, "overrides": []},
        **fields,
    }


def lines(
    title: str, about: str, *targets: dict[str, Any], unit: str = "short", width: int = 12, stack: bool = False
) -> Panel:
    custom: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 20 if stack else 5, "showPoints": "never"}
    if stack:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    config = {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []}
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, about, targets, width, fieldConfig=config, options=options)


def timeline(title: str, about: str, expression: str, legend: str, values: dict[int, tuple[str, str]]) -> Panel:
    config = {"defaults": {"mappings": mapped(values), "custom": {"fillOpacity": 80, "lineWidth": 0}}, "overrides": []}
    options = {"mergeValues": True, "showValue": "never", "rowHeight": 0.9, "legend": {"displayMode": "hidden"}}
    return panel("state-timeline", title, about, [target(expression, legend)], 24, fieldConfig=config, options=options)


def heatmap(title: str, about: str, buckets: str) -> Panel:
    options = {
        "calculate": False,
        "yAxis": {"unit": "s", "axisPlacement": "left"},
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "tooltip": {"mode": "single"},
        "cellGap": 1,
    }
    return panel("heatmap", title, about, [target(buckets, "{{le}}", format="heatmap")], 12, options=options)


def stat(title: str, about: str, expression: str, bad: int | None = 1) -> Panel:
    """`bad`: from this number on it is red; None: it is only told."""
    steps: list[dict[str, Any]] = [{"color": "green" if bad else "text", "value": None}]
    if bad:
        steps.append({"color": "red", "value": bad})
    config = {"defaults": {"thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []}
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if bad else "value"}
    made = panel("stat", title, about, [target(expression)], 4, fieldConfig=config, options=options)
    made["gridPos"]["h"] = 4
    return made


def rate(metric: str, selected: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{selected}}}[$__rate_interval]))"


def overview() -> Iterator[Panel]:
    of_groups = "by (cluster, virtual_ip, group)"
    yield stat(
        "Groups without a holder",
        "Nobody is Active, and nobody hears who is",
        f"count(max {of_groups} (mooring_vrrp_active_heard{{{GROUPS}}}) == 0) or vector(0)",
    )
    yield stat(
        "Groups with two holders",
        "For the time between the scrapes of two nodes a hand-over looks so",
        f"count(sum {of_groups} (mooring_vrrp_state{{{GROUPS}}} == bool 2) > 1) or vector(0)",
    )
    yield stat("In Fault", "Groups of nodes", f"count(mooring_vrrp_state{{{GROUPS}}} == 3) or vector(0)")
    yield stat("Daemons", "That are scraped", f"count(mooring_node_info{{{NODES}}})", bad=None)
    yield stat("In maintenance", "Nodes", f"sum(mooring_maintenance{{{NODES}}})")
    yield stat(
        "Servers without quorum",
        "No node finds enough backends",
        f"count(max by (cluster, server, family) (mooring_server_quorum{{{SERVERS}}}) == 0) or vector(0)",
    )


def addresses() -> Iterator[Panel]:
    yield timeline(
        "Holders",
        "Green: the node is Active in the group",
        f"max by (group, node, instance) (mooring_vrrp_state{{{GROUPS}}})",
        "{{group}} " + NODE,
        STATES,
    )
    yield lines(
        "Transitions",
        "Changes of state within 5 minutes",
        target(
            f"sum by (virtual_ip, group) (increase(mooring_vrrp_transitions_total{{{GROUPS}}}[5m])) > 0",
            "{{virtual_ip}} {{group}}",
        ),
    )
    yield lines(
        "Addresses held",
        "Whose share is how large",
        target(f"sum by (node, instance) (mooring_addresses_held{{{GROUPS}}})", NODE),
        stack=True,
    )


def wire() -> Iterator[Panel]:
    yield heatmap(
        "Lateness of the VRRP process",
        "How long after its time the loop woke; adverts of 1 s allow for less than a second",
        f"sum by (le) (increase(mooring_vrrp_lateness_seconds_bucket{{{NODES}}}[$__rate_interval]))",
    )
    yield lines(
        "Lateness, 99th percentile",
        "By node",
        target(
            "histogram_quantile(0.99, sum by (le, node, instance)"
            f" (rate(mooring_vrrp_lateness_seconds_bucket{{{NODES}}}[$__rate_interval])))",
            NODE,
        ),
        unit="s",
    )
    refused = "mooring_vrrp_adverts_refused_total"
    yield lines(
        "Refused adverts",
        "By reason; UnknownVirtualRouter is of strangers",
        target(rate(refused, NODES, "reason, vrrp_instance, node, instance"), "{{reason}} {{vrrp_instance}} " + NODE),
        unit="pps",
    )
    yield lines(
        "Adverts",
        "Sent as Active, and packets that the kernel refused",
        target(rate("mooring_vrrp_adverts_sent_total", GROUPS, "node, instance"), "sent " + NODE),
        target(rate("mooring_vrrp_send_errors_total", GROUPS, "node, instance"), "refused by the kernel " + NODE),
        unit="pps",
    )


def balancing() -> Iterator[Panel]:
    worst = f'max by (server, family) (mooring_server_backends{{{SERVERS},state="down"}})'
    best = f'max by (server, family) (mooring_server_backends{{{SERVERS},state="up"}})'
    yield lines("Backends up", "By the node that finds most", target(best, "{{server}} {{family}}"))
    yield lines("Backends down", "By the node that finds most", target(worst, "{{server}} {{family}}"))
    yield lines(
        "Connections",
        "New ones, of all nodes; the kernel's counters are read each 30 s",
        target(rate("mooring_ipvs_service_connections_total", SERVERS, "server"), "{{server}}"),
        unit="cps",
    )
    yield lines(
        "Bytes",
        "Of all nodes",
        target(rate("mooring_ipvs_service_bytes_total", SERVERS, "server, direction"), "{{server}} {{direction}}"),
        unit="Bps",
    )
    yield heatmap(
        "Check durations",
        "How long tries took",
        f"sum by (le) (increase(mooring_check_duration_seconds_bucket{{{NODES}}}[$__rate_interval]))",
    )
    yield lines(
        "Checks that failed",
        "By kind and reason",
        target(rate("mooring_check_failures_total", NODES, "kind, reason"), "{{kind}} {{reason}}"),
        unit="ops",
    )


def configuration() -> Iterator[Panel]:
    yield timeline(
        "API server heard",
        "Nothing on the wire depends on it",
        f"min by (node, instance) (mooring_api_connected{{{NODES}}})",
        NODE,
        YES_NO,
    )
    yield lines(
        "Generations that are not run yet",
        "Read and not observed; other than 0 for a moment only",
        target(
            f"mooring_nodeconfig_generation{{{NODES}}} - mooring_nodeconfig_observed_generation{{{NODES}}}",
            NODE,
        ),
    )
    yield lines(
        "Problems",
        "Of the configuration, of what is balanced, and of the kernel's table",
        target(f"mooring_configuration_problems{{{NODES}}} > 0", "configuration " + NODE),
        target(f"mooring_balance_problems{{{NODES}}} > 0", "balancing " + NODE),
        target(f"mooring_ipvs_refused{{{NODES}}} > 0", "{{trouble}} " + NODE),
    )


def operator() -> Iterator[Panel]:
    yield timeline("Leader", "Green leads", f"mooring_operator_leader{{{OPERATOR}}}", "{{pod}} {{instance}}", YES_NO)
    quantile = (
        "histogram_quantile({}, sum by (le) (rate(mooring_operator_reconcile_seconds_bucket{{{}}}[$__rate_interval])))"
    )
    yield lines(
        "A turn",
        "From what is known to what is to be written",
        *(target(quantile.format(share, OPERATOR), f"quantile {share}") for share in (0.5, 0.99)),
        unit="s",
    )
    yield lines(
        "Writes",
        "By how they ended",
        target(rate("mooring_operator_writes_total", OPERATOR, "kind, result"), "{{kind}} {{result}}"),
        unit="ops",
    )
    yield lines(
        "What waits",
        "Objects that are not as they should be, and problems of the plan",
        target(f"max(mooring_operator_queue{{{OPERATOR}}})", "unwritten"),
        target(f"max(mooring_operator_plan_problems{{{OPERATOR}}})", "problems"),
        target(f"count(mooring_operator_condition{{{OPERATOR}}} == 0) or vector(0)", "conditions that are False"),
    )
    yield lines(
        "Kubernetes events",
        "Dropped are those beyond what an object, and all of them, may tell",
        target(rate("mooring_operator_events_written_total", OPERATOR, "result"), "{{result}}"),
        unit="ops",
    )


SECTIONS = (
    ("Now", overview),
    ("Addresses", addresses),
    ("On the wire", wire),
    ("Balancing", balancing),
    ("Configuration", configuration),
    ("Operator", operator),
)


def placed() -> Iterator[Panel]:
    """All panels, each section below the other, in rows of 24."""
    y = 0
    for title, section in SECTIONS:
        yield {
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            "panels": [],
        }
        y, x, tallest = y + 1, 0, 0
        for each in section():
            place = each["gridPos"]
            if x + place["w"] > 24:
                y, x, tallest = y + tallest, 0, 0
            place |= {"x": x, "y": y}
            x, tallest = x + place["w"], max(tallest, place["h"])
            yield each
        y += tallest


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard() -> dict[str, Any]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}
    return {
        "title": "Mooring",
        "uid": "mooring",
        "tags": ["mooring", "vrrp"],
        "description": "Who holds which addresses, since when, and what is in the way",
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                source,
                variable("cluster", "Cluster", "label_values(mooring_node_info, cluster)"),
                variable("virtual_ip", "VirtualIP", "label_values(mooring_vrrp_state, virtual_ip)"),
                variable("instance", "Node", "label_values(mooring_node_info, instance)"),
                variable("server", "Server", "label_values(mooring_server_quorum, server)"),
            ]
        },
        "annotations": {"list": []},
        "panels": list(placed()),
    }


def main(arguments: Sequence[str]) -> int:
    path = Path(arguments[0]) if arguments else TARGET
    path.write_text(json.dumps(dashboard(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
