"""The daemon's metrics: read from the processes when they are scraped, kept nowhere."""

from collections.abc import Iterator
from typing import Any

from mooring_node.agent import balance_metrics
from mooring_node.agent.exposition import Family, Histogram, page
from mooring_node.agent.families import counter, gauge, histogram, info
from mooring_node.agent.metric_names import NodeMetric
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.lateness import BOUNDS_NS

STATES = {"Initialize": 0, "Backup": 1, "Active": 2, "Fault": 3}
SCHEDULING = {"normal": 0, "nice": 1, "real-time": 2}
NORMAL_AS_WANTED = 3

State = dict[str, Any]
"""What the processes and the agent say, as `mooring-node status` reads it."""


def families(state: State) -> Iterator[Family | Histogram]:
    """One answer of the daemon; an unanswered question is `mooring_vrrp_up 0`."""
    process, agent = state.get("vrrp") or {}, state.get("agent") or {}
    groups = state.get("groups", [])
    yield info(NodeMetric.INFO, str(agent.get("version", "")), str((agent.get("api") or {}).get("node", "")))
    if not agent.get("checksOnly"):
        yield gauge(NodeMetric.VRRP_UP, 1 if process else 0)
    yield from _groups(groups)
    yield from _members(groups)
    yield _refusals(groups, process)
    if process:
        yield _lateness(process["lateness"])
        yield gauge(NodeMetric.SCHEDULING, _scheduling(process))
        yield gauge(NodeMetric.FOREIGN, len(process["foreignRouters"]))
        yield gauge(NodeMetric.MAINTENANCE, int(process["maintenance"]))
    yield from balance_metrics.families(state)
    yield from _configuration(agent)
    yield from _api(agent.get("api") or {})


def _scheduling(process: State) -> int:
    """What is worse than real time, where that was wanted, is below it."""
    if not process.get("realTimeWanted", True):
        return NORMAL_AS_WANTED
    return SCHEDULING.get(process.get("scheduling", ""), 0)


def _groups(groups: list[dict[str, Any]]) -> Iterator[Family]:
    state, heard = gauge(NodeMetric.STATE), gauge(NodeMetric.ACTIVE_HEARD)
    priority, transitions = gauge(NodeMetric.PRIORITY), counter(NodeMetric.TRANSITIONS)
    held, tracked = gauge(NodeMetric.HELD), gauge(NodeMetric.TRACKED)
    for group in groups:
        labels = _labels(group)
        state.add(labels, STATES[group["state"]])
        heard.add(labels, int(group["activeHeard"]))
        priority.add(labels, group["priority"])
        transitions.add(labels, group["transitions"])
        held.add(labels, len(group["heldAddresses"]))
        for each in group.get("tracked", ()):
            tracked.add([*labels, each["server"]], int(each["good"]))
    yield from (state, heard, priority, transitions, held, tracked)


def _labels(group: dict[str, Any]) -> list[str]:
    return [group["virtualIP"] or "", group["name"]]


_MEMBER_COUNTERS = (
    (NodeMetric.ADVERTS_SENT, "advertsSent"),
    (NodeMetric.RELEASES_SENT, "releasesSent"),
    (NodeMetric.ADVERTS_RECEIVED, "advertsReceived"),
    (NodeMetric.ADVERTS_FOREIGN, "advertsForeign"),
    (NodeMetric.SEND_ERRORS, "sendErrors"),
    (NodeMetric.ANNOUNCEMENTS, "announcements"),
)


def _members(groups: list[dict[str, Any]]) -> Iterator[Family]:
    for metric, key in _MEMBER_COUNTERS:
        family = counter(metric)
        for group in groups:
            for member in group["members"]:
                family.add([*_labels(group), member["name"]], member[key])
        yield family


def _refusals(groups: list[dict[str, Any]], process: dict[str, Any]) -> Family:
    """Summed over peers; `mooring-node status` tells them apart (an enemy must not choose our labels)."""
    family = counter(NodeMetric.ADVERTS_REFUSED)
    of_members = [([*_labels(group), each["name"]], each["refused"]) for group in groups for each in group["members"]]
    for labels, refused in [*of_members, (["", "", ""], process.get("refused", []))]:
        sums: dict[str, int] = {}
        for each in refused:
            sums[each["reason"]] = sums.get(each["reason"], 0) + each["count"]
        for reason, count in sums.items():
            family.add([*labels, reason], count)
    return family


def _lateness(lateness: dict[str, Any]) -> Histogram:
    family = histogram(NodeMetric.LATENESS)
    bounds = [bound / SECOND_NS for bound in BOUNDS_NS]
    family.add((), bounds, lateness["counts"], lateness["totalNs"] / SECOND_NS)
    return family


def _configuration(agent: dict[str, Any]) -> Iterator[Family]:
    if not agent:
        return
    configuration = agent["configuration"]
    problems = len(configuration["problems"]) + configuration.get("moreProblems", 0)
    yield gauge(NodeMetric.CONFIGURATION_GENERATION, configuration["generation"])
    yield gauge(NodeMetric.CONFIGURATION_AGE, configuration["ageSeconds"])
    yield gauge(NodeMetric.CONFIGURATION_PROBLEMS, problems)
    yield counter(NodeMetric.CONFLICTS, agent["conflictsTotal"])


def _api(api: dict[str, Any]) -> Iterator[Family]:
    """Only where the NodeConfig is in the API."""
    if not api:
        return
    connected = gauge(NodeMetric.API_CONNECTED)
    for label, key in (("nodeconfig", "nodeConfig"), ("secrets", "secrets")):
        connected.add([label], int(api[key]["connected"]))
    yield connected
    yield counter(NodeMetric.WATCH_RESTARTS, api["watchRestarts"])
    writes = counter(NodeMetric.STATUS_WRITES)
    for result, count in api["statusWrites"].items():
        writes.add([result], count)
    yield writes
    yield gauge(NodeMetric.NODECONFIG_PRESENT, int(api["generation"] is not None))
    yield gauge(NodeMetric.NODECONFIG_GENERATION, api["generation"] or 0)
    yield gauge(NodeMetric.NODECONFIG_OBSERVED, api["observedGeneration"] or 0)
    lacking = [each for each in api["credentials"] if not each["versions"]]
    yield gauge(NodeMetric.CREDENTIALS_MISSING, len(lacking))


def render(state: State) -> bytes:
    """One answer of the daemon in Prometheus' text format."""
    return page(families(state))
