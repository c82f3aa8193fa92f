"""What is balanced, as metrics: the kernel's own counters, and what the checks have come to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mooring_node.agent.exposition import Family, Histogram
from mooring_node.agent.families import counter, gauge, histogram
from mooring_node.agent.metric_names import NodeMetric
from mooring_node.balance.answer import Load

#: Services and backends of which there are metrics; beyond, a scrape would take longer than anybody waits.
MOST_LOADS = 32_768

_IN_OUT = ("in", "out")


class _LoadMetrics(NamedTuple):
    """Counters since the kernel made the entry, and rates of a second as the kernel estimates them."""

    connections: NodeMetric
    packets: NodeMetric
    bytes: NodeMetric
    connection_rate: NodeMetric
    packet_rate: NodeMetric
    byte_rate: NodeMetric


_OF_SERVICES = _LoadMetrics(
    NodeMetric.SERVICE_CONNECTIONS,
    NodeMetric.SERVICE_PACKETS,
    NodeMetric.SERVICE_BYTES,
    NodeMetric.SERVICE_CONNECTION_RATE,
    NodeMetric.SERVICE_PACKET_RATE,
    NodeMetric.SERVICE_BYTE_RATE,
)
_OF_BACKENDS = _LoadMetrics(
    NodeMetric.BACKEND_CONNECTIONS,
    NodeMetric.BACKEND_PACKETS,
    NodeMetric.BACKEND_BYTES,
    NodeMetric.BACKEND_CONNECTION_RATE,
    NodeMetric.BACKEND_PACKET_RATE,
    NodeMetric.BACKEND_BYTE_RATE,
)


def families(answer: Mapping[str, Any]) -> Iterator[Family | Histogram]:
    """Nothing where nothing is balanced; without the checks process's answer, what it told unasked."""
    balance = (answer.get("agent") or {}).get("balance") or {}
    if not balance.get("wanted"):
        return
    checks = answer.get("checks") or {}
    yield gauge(NodeMetric.CHECKS_UP, 1 if checks else 0)
    yield gauge(NodeMetric.BALANCE_GENERATION, balance["runs"] or 0)
    yield gauge(NodeMetric.BALANCE_PROBLEMS, len(balance["problems"]) + balance["moreProblems"])
    yield from _servers(answer.get("servers", ()))
    loads = list(answer.get("loads", ()))[:MOST_LOADS]
    yield from _loads(_OF_SERVICES, 2, [load for load in loads if not load.backend])
    backends = [load for load in loads if load.backend]
    yield from _loads(_OF_BACKENDS, 3, backends)
    yield from _now(backends)
    if checks:
        yield from _checks(checks)


def _servers(reports: Iterable[Mapping[str, Any]]) -> Iterator[Family]:
    quorum, sorry, backends = gauge(NodeMetric.QUORUM), gauge(NodeMetric.SORRY), gauge(NodeMetric.BACKENDS)
    for report in reports:
        labels = [report["name"], report["family"]]
        quorum.add(labels, int(report["quorum"]))
        sorry.add(labels, int(report.get("sorry", False)))
        for state in ("up", "down", "draining"):
            backends.add([*labels, state], report.get(state, 0))
    yield from (quorum, sorry, backends)


def _loads(metrics: _LoadMetrics, count: int, loads: Sequence[Load]) -> Iterator[Family]:
    """`count` is how many labels say whose load it is.

    They are read with the table: reading 10,000 backends takes the kernel too long for every scrape.
    """
    connections, packets, size = (counter(each) for each in metrics[:3])
    connection_rate, packet_rate, byte_rate = (gauge(each) for each in metrics[3:])
    for load in loads:
        labels = [load.server, load.service, load.backend][:count]
        connections.add(labels, load.connections)
        connection_rate.add(labels, load.connection_rate)
        for family, values in (
            (packets, (load.packets_in, load.packets_out)),
            (size, (load.bytes_in, load.bytes_out)),
            (packet_rate, (load.packet_rate_in, load.packet_rate_out)),
            (byte_rate, (load.byte_rate_in, load.byte_rate_out)),
        ):
            for direction, value in zip(_IN_OUT, values, strict=True):
                family.add([*labels, direction], value)
    yield from (connections, packets, size, connection_rate, packet_rate, byte_rate)


def _now(backends: Iterable[Load]) -> Iterator[Family]:
    weight, there = gauge(NodeMetric.WEIGHT), gauge(NodeMetric.OPEN_CONNECTIONS)
    for load in backends:
        labels = [load.server, load.service, load.backend]
        weight.add(labels, load.weight)
        for state, value in (("active", load.active), ("inactive", load.inactive), ("persistent", load.persistent)):
            there.add([*labels, state], value)
    yield from (weight, there)


def _checks(checks: Mapping[str, Any]) -> Iterator[Family | Histogram]:
    yield gauge(NodeMetric.CHECK_TARGETS, checks.get("targets", 0))
    probes = checks.get("probes") or {}
    bounds = probes.get("boundsSeconds", ())
    duration = histogram(NodeMetric.CHECK_DURATION)
    for kind, counted in probes.get("durations", {}).items():
        duration.add([kind], bounds, counted["counts"], counted["totalSeconds"])
    yield duration
    failures = counter(NodeMetric.CHECK_FAILURES)
    for each in probes.get("failures", ()):
        failures.add([each["kind"], each["reason"]], each["count"])
    yield failures
    if "lateness" in probes:
        lateness, counted = histogram(NodeMetric.CHECK_LATENESS), probes["lateness"]
        lateness.add((), bounds, counted["counts"], counted["totalSeconds"])
        yield lateness
    yield counter(NodeMetric.CHECKS_WITHHELD, probes.get("withheld", 0))
    yield from _kernel(checks.get("ipvs") or {})
    yield from _port_guard(checks.get("portGuard", ()))


def _kernel(ipvs: Mapping[str, Any]) -> Iterator[Family]:
    yield counter(NodeMetric.IPVS_WRITES, ipvs.get("writes", 0))
    yield counter(NodeMetric.IPVS_DRIFT, ipvs.get("drift", 0))
    refused = gauge(NodeMetric.IPVS_REFUSED)
    for trouble, count in ipvs.get("refused", {}).items():
        refused.add([trouble], count)
    yield refused


def _port_guard(counted: Iterable[Mapping[str, Any]]) -> Iterator[Family]:
    packets, size = counter(NodeMetric.GUARD_PACKETS), counter(NodeMetric.GUARD_BYTES)
    for each in counted:
        labels = [each["address"], each["mode"]]
        packets.add(labels, each["packets"])
        size.add(labels, each["bytes"])
    yield from (packets, size)
