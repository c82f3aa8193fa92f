"""What is balanced, as metrics: the kernel's own counters, and what the checks have come to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from mooring_node.balance.answer import Load
from mooring_node.ipvs.reconcile import AUDIT_NS

#: Services and backends of which there are metrics; beyond, a scrape would take longer than anybody waits.
MOST_LOADS = 32_768

_SERVICE = ["server", "service"]
_BACKEND = [*_SERVICE, "backend"]
_IN_OUT = ("in", "out")
_READ = f"read each {AUDIT_NS // 1_000_000_000} s"


def families(answer: Mapping[str, Any]) -> Iterator[Metric]:
    """Nothing where nothing is balanced; without the checks process's answer, what it told unasked."""
    balance = (answer.get("agent") or {}).get("balance") or {}
    if not balance.get("wanted"):
        return
    checks = answer.get("checks") or {}
    yield GaugeMetricFamily("mooring_checks_up", "1 while the checks process answers", value=1 if checks else 0)
    yield GaugeMetricFamily(
        "mooring_balance_generation",
        "What is balanced: counts accepted configurations; 0: none is taken up",
        value=balance["runs"] or 0,
    )
    yield GaugeMetricFamily(
        "mooring_balance_problems",
        "What keeps something from being balanced as it is configured",
        value=len(balance["problems"]) + balance["moreProblems"],
    )
    yield from _servers(answer.get("servers", ()))
    loads = list(answer.get("loads", ()))[:MOST_LOADS]
    yield from _loads("service", f"of a service, {_READ}", _SERVICE, [load for load in loads if not load.backend])
    backends = [load for load in loads if load.backend]
    yield from _loads("backend", f"of a backend, {_READ}", _BACKEND, backends)
    yield from _now(backends)
    if checks:
        yield from _checks(checks)


def _servers(reports: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    names = ["server", "family"]
    quorum = GaugeMetricFamily("mooring_server_quorum", "1 while there is a quorum of backends", labels=names)
    sorry = GaugeMetricFamily("mooring_server_sorry", "1 while the sorry server answers", labels=names)
    backends = GaugeMetricFamily("mooring_server_backends", "Backends by state", labels=[*names, "state"])
    for report in reports:
        labels = [report["name"], report["family"]]
        quorum.add_metric(labels, int(report["quorum"]))
        sorry.add_metric(labels, int(report.get("sorry", False)))
        for state in ("up", "down", "draining"):
            backends.add_metric([*labels, state], report.get(state, 0))
    yield from (quorum, sorry, backends)


def _loads(kind: str, of: str, names: Sequence[str], loads: Sequence[Load]) -> Iterator[Metric]:
    """Counters since the kernel made it, and rates of a second as the kernel estimates them.

    They are read with the table: reading 10,000 backends takes the kernel too long for every scrape.
    """
    begin = f"mooring_ipvs_{kind}"
    directed = [*names, "direction"]
    connections = CounterMetricFamily(f"{begin}_connections", f"Connections {of}", labels=names)
    packets = CounterMetricFamily(f"{begin}_packets", f"Packets {of}", labels=directed)
    size = CounterMetricFamily(f"{begin}_bytes", f"Bytes {of}", labels=directed)
    connection_rate = GaugeMetricFamily(f"{begin}_connection_rate", f"Connections in a second {of}", labels=names)
    packet_rate = GaugeMetricFamily(f"{begin}_packet_rate", f"Packets in a second {of}", labels=directed)
    byte_rate = GaugeMetricFamily(f"{begin}_byte_rate", f"Bytes in a second {of}", labels=directed)
    for load in loads:
        labels = [load.server, load.service, load.backend][: len(names)]
        connections.add_metric(labels, load.connections)
        connection_rate.add_metric(labels, load.connection_rate)
        for family, values in (
            (packets, (load.packets_in, load.packets_out)),
            (size, (load.bytes_in, load.bytes_out)),
            (packet_rate, (load.packet_rate_in, load.packet_rate_out)),
            (byte_rate, (load.byte_rate_in, load.byte_rate_out)),
        ):
            for direction, value in zip(_IN_OUT, values, strict=True):
                family.add_metric([*labels, direction], value)
    yield from (connections, packets, size, connection_rate, packet_rate, byte_rate)


def _now(backends: Iterable[Load]) -> Iterator[Metric]:
    weight = GaugeMetricFamily("mooring_ipvs_backend_weight", "Weight in the kernel's table", labels=_BACKEND)
    there = GaugeMetricFamily(
        "mooring_ipvs_backend_open_connections",
        "Connections now: active (established), inactive, and templates of persistence",
        labels=[*_BACKEND, "state"],
    )
    for load in backends:
        labels = [load.server, load.service, load.backend]
        weight.add_metric(labels, load.weight)
        for state, value in (("active", load.active), ("inactive", load.inactive), ("persistent", load.persistent)):
            there.add_metric([*labels, state], value)
    yield from (weight, there)


def _checks(checks: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "mooring_check_targets",
        "What is checked: a check of a backend counts once, whoever asks for it",
        value=checks.get("targets", 0),
    )
    probes = checks.get("probes") or {}
    bounds = probes.get("boundsSeconds", ())
    duration = HistogramMetricFamily("mooring_check_duration_seconds", "How long tries took", labels=["kind"])
    for kind, histogram in probes.get("durations", {}).items():
        _add(duration, [kind], bounds, histogram)
    yield duration
    failures = CounterMetricFamily("mooring_check_failures", "Tries that failed", labels=["kind", "reason"])
    for each in probes.get("failures", ()):
        failures.add_metric([each["kind"], each["reason"]], each["count"])
    yield failures
    if "lateness" in probes:
        lateness = HistogramMetricFamily("mooring_check_lateness_seconds", "How long after its time a try began")
        _add(lateness, [], bounds, probes["lateness"])
        yield lateness
    yield CounterMetricFamily(
        "mooring_check_results_withheld",
        "Tries that say nothing of a backend: this node itself failed",
        value=probes.get("withheld", 0),
    )
    yield from _kernel(checks.get("ipvs") or {})
    yield from _port_guard(checks.get("portGuard", ()))


def _add(
    family: HistogramMetricFamily, labels: Sequence[str], bounds: Iterable[float], histogram: Mapping[str, Any]
) -> None:
    buckets, total = [], 0
    for bound, count in zip((*bounds, None), histogram["counts"], strict=True):
        total += count
        buckets.append(("+Inf" if bound is None else str(float(bound)), total))
    family.add_metric(labels, buckets, histogram["totalSeconds"])


def _kernel(ipvs: Mapping[str, Any]) -> Iterator[Metric]:
    yield CounterMetricFamily("mooring_ipvs_writes", "Messages to the kernel's table", value=ipvs.get("writes", 0))
    yield CounterMetricFamily(
        "mooring_ipvs_drift",
        "Entries of ours that somebody else had changed, and that were put right",
        value=ipvs.get("drift", 0),
    )
    refused = GaugeMetricFamily(
        "mooring_ipvs_refused", "What the kernel's table lacks at present, by trouble", labels=["trouble"]
    )
    for trouble, count in ipvs.get("refused", {}).items():
        refused.add_metric([trouble], count)
    yield refused


def _port_guard(counted: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    names = ["address", "mode"]
    packets = CounterMetricFamily(
        "mooring_port_guard_packets", "Packets to ports on which no virtual server answers", labels=names
    )
    size = CounterMetricFamily("mooring_port_guard_bytes", "The same in bytes", labels=names)
    for each in counted:
        labels = [each["address"], each["mode"]]
        packets.add_metric(labels, each["packets"])
        size.add_metric(labels, each["bytes"])
    yield from (packets, size)
