"""Every metric of the operator: the table that docs/reference/operator.md shows, and that nothing is exported beside.

Labels that are called as a target of Prometheus is (`instance`, `node`, `namespace`, `pod`) would be renamed.
"""

from enum import Enum

from mooring_api.metric import MetricName, MetricType

_GAUGE, _COUNTER, _HISTOGRAM = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM
_KIND = ("kind",)


class OperatorMetric(Enum):
    """In the order of the page."""

    INFO = MetricName("mooring_operator_info", MetricType.INFO, "1", "The operator", ("version",))
    LEADER = MetricName("mooring_operator_leader", _GAUGE, "0 or 1", "1 while this process leads and may write")
    GROUP_HOLDERS = MetricName(
        "mooring_operator_group_holders",
        _GAUGE,
        "nodes",
        "Nodes that hold a group by what they last reported and whose Node is Ready; told by the leader",
        ("virtual_ip", "group", "family"),
    )
    CONDITION = MetricName(
        "mooring_operator_condition",
        _GAUGE,
        "state",
        "A condition of a VirtualIP or VirtualServer: 1 True, 0 False, -1 Unknown (under way); told by the leader",
        ("kind", "object", "condition"),
    )
    PROBLEMS = MetricName(
        "mooring_operator_plan_problems", _GAUGE, "problems", "What is wrong with the objects, by the plan"
    )
    QUEUE = MetricName("mooring_operator_queue", _GAUGE, "objects", "Objects that are not yet as they should be")
    OBJECTS = MetricName("mooring_operator_objects", _GAUGE, "objects", "Objects that are known", _KIND)
    RECONCILE = MetricName(
        "mooring_operator_reconcile_seconds",
        _HISTOGRAM,
        "seconds",
        "One turn: from what is known to what is to be written",
    )
    WRITES = MetricName(
        "mooring_operator_writes_total",
        _COUNTER,
        "requests",
        "Requests that write, by how they ended",
        ("kind", "verb", "result"),
    )
    LISTS = MetricName("mooring_operator_lists_total", _COUNTER, "lists", "Our own complete lists", _KIND)
    CORRECTIONS = MetricName(
        "mooring_operator_list_corrections_total",
        _COUNTER,
        "objects",
        "Objects that a list brought, or took away, before the watch did",
        _KIND,
    )
    WATCH_RESTARTS = MetricName(
        "mooring_operator_watch_restarts_total",
        _COUNTER,
        "watches",
        "Times that kopf began to watch a kind anew, from a list of its own",
        _KIND,
    )
    EVENTS_RECEIVED = MetricName(
        "mooring_operator_events_received_total", _COUNTER, "events", "What the watches told", _KIND
    )
    EVENTS_WRITTEN = MetricName(
        "mooring_operator_events_written_total",
        _COUNTER,
        "events",
        "Kubernetes events, by what became of them: ok, failed, dropped",
        ("result",),
    )
