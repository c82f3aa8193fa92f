"""The daemon's metrics: read from the processes when they are scraped, kept nowhere."""

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mooring_node.agent import balance_metrics
from mooring_node.vrrp.lateness import BOUNDS_NS

STATES = {"Initialize": 0, "Backup": 1, "Active": 2, "Fault": 3}
SCHEDULING = {"normal": 0, "nice": 1, "real-time": 2}
SECOND_NS = 1_000_000_000


class NodeCollector(Collector):
    """Turns one answer of the daemon into metric families; an unanswered question is `mooring_vrrp_up 0`."""

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        state = self._read()
        process, agent = state.get("vrrp") or {}, state.get("agent") or {}
        groups = state.get("groups", [])
        yield InfoMetricFamily("mooring_node", "The daemon", value={"version": str(agent.get("version", ""))})
        if not agent.get("checksOnly"):
            yield GaugeMetricFamily("mooring_vrrp_up", "1 while the VRRP process answers", value=1 if process else 0)
        yield from _groups(groups)
        yield from _members([member for group in groups for member in group["members"]])
        yield from _refusals(groups, process)
        if process:
            yield _lateness(process["lateness"])
            yield GaugeMetricFamily(
                "mooring_vrrp_scheduling",
                "0 normal, 1 nice (real-time was refused), 2 real-time",
                value=SCHEDULING.get(process.get("scheduling", ""), 0),
            )
            yield GaugeMetricFamily(
                "mooring_foreign_routers",
                "VRRP routers heard whose VRID is nobody's here",
                value=len(process["foreignRouters"]),
            )
            yield GaugeMetricFamily("mooring_maintenance", "1 in maintenance", value=int(process["maintenance"]))
        yield from balance_metrics.families(state)
        yield from _configuration(agent)
        yield from _api(agent.get("api") or {})


def _groups(groups: list[dict[str, Any]]) -> Iterator[Metric]:
    names = ["group", "virtual_ip"]
    state = GaugeMetricFamily("mooring_vrrp_state", "0 Initialize, 1 Backup, 2 Active, 3 Fault", labels=names)
    priority = GaugeMetricFamily("mooring_vrrp_priority", "The priority that is advertised", labels=names)
    transitions = CounterMetricFamily("mooring_vrrp_transitions", "Changes of state", labels=names)
    held = GaugeMetricFamily("mooring_addresses_held", "Addresses that this node holds", labels=names)
    tracked = GaugeMetricFamily(
        "mooring_vrrp_tracked", "1 while a virtual server that the group tracks is good", labels=[*names, "server"]
    )
    for group in groups:
        labels = [group["name"], group["virtualIP"] or ""]
        state.add_metric(labels, STATES[group["state"]])
        priority.add_metric(labels, group["priority"])
        transitions.add_metric(labels, group["transitions"])
        held.add_metric(labels, len(group["heldAddresses"]))
        for each in group.get("tracked", ()):
            tracked.add_metric([*labels, each["server"]], int(each["good"]))
    yield from (state, priority, transitions, held, tracked)


_MEMBER_COUNTERS = (
    ("mooring_vrrp_adverts_sent", "advertsSent", "Adverts said as Active"),
    ("mooring_vrrp_releases_sent", "releasesSent", "Adverts of priority 0, said when leaving"),
    ("mooring_vrrp_adverts_received", "advertsReceived", "Adverts accepted"),
    ("mooring_vrrp_send_errors", "sendErrors", "Packets that the kernel refused to send"),
    ("mooring_announcements_sent", "announcements", "Gratuitous ARP and unsolicited NA frames"),
)


def _members(members: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, key, text in _MEMBER_COUNTERS:
        family = CounterMetricFamily(name, text, labels=["instance"])
        for member in members:
            family.add_metric([member["name"]], member[key])
        yield family


def _refusals(groups: list[dict[str, Any]], process: dict[str, Any]) -> Iterator[Metric]:
    """Summed over peers; `mooring-node status` tells them apart (an enemy must not choose our labels)."""
    family = CounterMetricFamily(
        "mooring_vrrp_adverts_refused", "Adverts discarded, by reason", labels=["instance", "reason"]
    )
    sources = [(member["name"], member["refused"]) for group in groups for member in group["members"]]
    for name, refused in [*sources, ("", process.get("refused", []))]:
        sums: dict[str, int] = {}
        for each in refused:
            sums[each["reason"]] = sums.get(each["reason"], 0) + each["count"]
        for reason, count in sums.items():
            family.add_metric([name, reason], count)
    yield family


def _lateness(lateness: dict[str, Any]) -> HistogramMetricFamily:
    buckets, total = [], 0
    for bound, count in zip((*BOUNDS_NS, None), lateness["counts"], strict=True):
        total += count
        buckets.append(("+Inf" if bound is None else str(bound / SECOND_NS), total))
    family = HistogramMetricFamily(
        "mooring_vrrp_lateness_seconds", "How long after its time the VRRP process's loop woke"
    )
    family.add_metric([], buckets, lateness["totalNs"] / SECOND_NS)
    return family


def _configuration(agent: dict[str, Any]) -> Iterator[Metric]:
    if not agent:
        return
    configuration = agent["configuration"]
    yield GaugeMetricFamily(
        "mooring_configuration_generation", "Counts accepted configurations", value=configuration["generation"]
    )
    yield GaugeMetricFamily(
        "mooring_configuration_age_seconds",
        "Since the configuration that runs was accepted",
        value=configuration["ageSeconds"],
    )
    yield GaugeMetricFamily(
        "mooring_configuration_problems",
        "What is wrong with the newest configuration",
        value=len(configuration["problems"]) + configuration.get("moreProblems", 0),
    )
    yield CounterMetricFamily(
        "mooring_address_conflicts", "Claims of held addresses by another MAC", value=agent["conflictsTotal"]
    )


def _api(api: dict[str, Any]) -> Iterator[Metric]:
    """Only where the NodeConfig is in the API."""
    if not api:
        return
    connected = GaugeMetricFamily("mooring_api_connected", "1 while a watch is open", labels=["watch"])
    for label, key in (("nodeconfig", "nodeConfig"), ("secrets", "secrets")):
        connected.add_metric([label], int(api[key]["connected"]))
    yield connected
    yield CounterMetricFamily(
        "mooring_api_watch_restarts", "Watches that were begun again, for whatever reason", value=api["watchRestarts"]
    )
    writes = CounterMetricFamily("mooring_status_writes", "Writes of the NodeConfig's status", labels=["result"])
    for result, count in api["statusWrites"].items():
        writes.add_metric([result], count)
    yield writes
    present = api["generation"] is not None
    yield GaugeMetricFamily(
        "mooring_nodeconfig_present", "1 while there is a NodeConfig of this node", value=int(present)
    )
    yield GaugeMetricFamily(
        "mooring_nodeconfig_generation", "Generation of the NodeConfig that was read", value=api["generation"] or 0
    )
    yield GaugeMetricFamily(
        "mooring_nodeconfig_observed_generation",
        "Generation of the NodeConfig that the VRRP process runs; 0: none is confirmed",
        value=api["observedGeneration"] or 0,
    )
    lacking = [each for each in api["credentials"] if not each["versions"]]
    yield GaugeMetricFamily("mooring_credentials_missing", "Secrets that give this node no key", value=len(lacking))


def serve(address: str, port: int, read: Callable[[], dict[str, Any]]) -> Callable[[], None]:
    """Serve /metrics; call what is returned to end it. OSError when the address is taken or not here."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(read))
    server, thread = start_http_server(port, addr=address, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
