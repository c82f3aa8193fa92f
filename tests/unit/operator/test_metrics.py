"""The operator's metrics: the table and the export are the same, and objects are told as their statuses are."""

from collections.abc import Callable

import pytest
from prometheus_client import generate_latest
from tests.scraped import TARGET_LABELS, lint, promised, series

from mooring_api.virtualip import Condition, ConditionStatus, VirtualIPStatus
from mooring_api.virtualserver_status import VirtualServerStatus
from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.metric_names import OperatorMetric
from mooring_operator.metrics import Metrics, Readings
from mooring_operator.reconcile import Result
from mooring_operator.tell.readings import GroupReading


def condition(type_: str, status: ConditionStatus) -> Condition:
    return Condition(type=type_, status=status, reason="Because", message="")


RESULT = Result(
    (),
    (),
    groups={"web": (GroupReading("web-0", "IPv4", 1), GroupReading("web-0", "IPv6", 0))},
    virtual_ips={"web": VirtualIPStatus(conditions=(condition("Held", ConditionStatus.FALSE),))},
    virtual_servers={"shop/web": VirtualServerStatus(conditions=(condition("Ready", ConditionStatus.UNKNOWN),))},
)


def everything() -> Metrics:
    """All metrics, with one series each."""
    found = Metrics()
    found.read_from(Readings(lambda: True, lambda: 3, lambda: {"Node": 2}))
    found.wrote(Write(Verb.APPLY, "NodeConfig", "n1", ""), "ok")
    for each in (found.lists, found.corrections, found.relists, found.events):
        each.labels("Node")
    found.posted.labels("ok")
    found.turned(RESULT)
    return found


def page() -> str:
    return generate_latest(everything().registry).decode()


def test_the_table_and_the_export_are_the_same() -> None:
    assert series(page()) == promised(each.value for each in OperatorMetric)


def test_prometheus_has_nothing_against_the_names(require_tool: Callable[[str], str]) -> None:
    assert lint(require_tool("promtool"), page()) == ""


@pytest.mark.parametrize("metric", OperatorMetric, ids=lambda each: each.value.name)
def test_a_row_is_whole(metric: OperatorMetric) -> None:
    row = metric.value
    assert row.name.startswith("mooring_operator_")
    assert row.unit
    assert not row.meaning[0].islower()
    assert not TARGET_LABELS & set(row.labels), "Prometheus would rename it"


def test_objects_are_told_by_name() -> None:
    value = everything().registry.get_sample_value
    held = {"virtual_ip": "web", "group": "web-0"}
    assert value("mooring_operator_group_holders", held | {"family": "IPv4"}) == 1
    assert value("mooring_operator_group_holders", held | {"family": "IPv6"}) == 0
    name = "mooring_operator_condition"
    assert value(name, {"kind": "VirtualIP", "object": "web", "condition": "Held"}) == 0
    assert value(name, {"kind": "VirtualServer", "object": "shop/web", "condition": "Ready"}) == -1


def test_who_has_made_no_turn_says_nothing_of_objects() -> None:
    """So a replica that stands by does not contradict the one that leads."""
    standby = Metrics()
    standby.read_from(Readings(lambda: False, lambda: 0, dict))
    text = generate_latest(standby.registry).decode()
    assert "mooring_operator_leader 0.0" in text
    assert "mooring_operator_condition{" not in text
    assert "mooring_operator_group_holders{" not in text


def test_what_is_gone_is_not_told_any_more() -> None:
    metrics = everything()
    metrics.turned(Result((), ()))
    assert "mooring_operator_condition{" not in generate_latest(metrics.registry).decode()
