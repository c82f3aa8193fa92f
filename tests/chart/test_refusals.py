"""A value that can't be meant is refused, and the error names it."""

import re

import pytest
from tests.chart.rendering import Renderer, Values

from mooring_lab.charts import CRDS
from mooring_lab.charts.helm import VERSIONS, HelmError

BAD: list[tuple[Values, str]] = [
    ({"nodes": {}}, "additional properties 'nodes' not allowed"),
    ({"operator": {"replica": 3}}, "at '/operator': additional properties 'replica' not allowed"),
    ({"operator": {"replicas": "two"}}, "at '/operator/replicas': got string, want integer"),
    ({"operator": {"replicas": -1}}, "at '/operator/replicas': minimum: got -1, want 0"),
    ({"operator": {"image": {"digest": "latest"}}}, "at '/operator/image/digest': 'latest' does not match pattern"),
    ({"operator": {"image": {"tag": "a b"}}}, "at '/operator/image/tag': 'a b' does not match pattern"),
    ({"operator": {"image": {"repository": ""}}}, "at '/operator/image/repository': '' does not match pattern"),
    ({"node": {"image": {"repository": "https://r/mooring"}}}, "at '/node/image/repository'"),
    ({"image": {"registry": "https://registry.example.com"}}, "at '/image/registry'"),
    ({"image": {"registry": "registry.example.com/Team"}}, "at '/image/registry'"),
    ({"alerts": {"runbookURL": "https://wiki.example.com/runbooks"}}, "at '/alerts/runbookURL'"),
    (
        {"operator": {"leaderElection": {"leaseDuration": 15}}},
        "at '/operator/leaderElection/leaseDuration': got number",
    ),
    ({"operator": {"log": {"level": "loud"}}}, "at '/operator/log/level': value must be one of"),
    ({"operator": {"resources": {"limit": {}}}}, "at '/operator/resources': additional properties 'limit' not allowed"),
    ({"operator": {"podDisruptionBudget": {"maxUnavailable": "half"}}}, "at '/operator/podDisruptionBudget/maxUnavail"),
    ({"operator": {"metrics": {"port": 0}}}, "at '/operator/metrics/port': minimum: got 0, want 1"),
    ({"operator": None}, "missing property 'operator'"),
    ({"node": {"metrics": None}}, "at '/node': missing property 'metrics'"),
    ({"node": {"resources": {"limits": {"cpu": "1"}}}}, "at '/node/resources': additional properties 'limits' not all"),
    ({"node": {"realTimePriority": 100}}, "at '/node/realTimePriority': maximum: got 100, want 99"),
    ({"node": {"stateDir": "var/lib/mooring"}}, "at '/node/stateDir': 'var/lib/mooring' does not match pattern"),
    ({"node": {"stateDir": "/"}}, "at '/node/stateDir': '/' does not match pattern"),
    ({"node": {"terminationGracePeriodSeconds": 5}}, "at '/node/terminationGracePeriodSeconds': minimum: got 5"),
    ({"node": {"updateStrategy": {"maxUnavailable": 0}}}, "at '/node/updateStrategy/maxUnavailable'"),
    ({"node": {"updateStrategy": {"type": "Recreate"}}}, "at '/node/updateStrategy/type': value must be one of"),
    ({"node": {"processTracking": True}}, "at '/node': additional properties 'processTracking' not allowed"),
    ({"node": {"extraCapabilities": ["SYS_ADMIN"]}}, "at '/node/extraCapabilities/0': value must be one of"),
    ({"node": {"scripts": {"a/b": ""}}}, "'a/b' does not match pattern"),
    ({"node": {"scripts": {"check": 1}}}, "at '/node/scripts/check': got number, want string"),
    ({"node": {"tolerations": {"operator": "Exists"}}}, "at '/node/tolerations': got object, want array"),
    ({"node": {"metrics": {"host": "node.example.com"}}}, "at '/node/metrics/host'"),
    ({"node": {"serviceAccount": {"name": "Holder"}}}, "at '/node/serviceAccount/name': 'Holder' does not match"),
    ({"node": {"preflight": True}}, "at '/node/preflight': got boolean, want object"),
    ({"verify": {"serviceAccount": None}}, "at '/verify': missing property 'serviceAccount'"),
    ({"commonLabels": {"team": 7}}, "at '/commonLabels/team': got number, want string"),
    ({"image": {"pullPolicy": "always"}}, "at '/image/pullPolicy': value must be one of"),
    ({"image": {"pullSecrets": ["registry"]}}, "at '/image/pullSecrets/0': got string, want object"),
    ({"networkPolicy": {"apiServerPorts": []}}, "at '/networkPolicy/apiServerPorts': minItems"),
    ({"networkPolicy": {"apiServerCIDRs": ["192.0.2.1"]}}, "at '/networkPolicy/apiServerCIDRs/0'"),
    ({"podMonitor": {"interval": "15"}}, "at '/podMonitor/interval': '15' does not match pattern"),
    ({"alerts": {"enabled": "yes"}}, "at '/alerts/enabled': got string, want boolean"),
    ({"fullnameOverride": "Mooring"}, "at '/fullnameOverride': 'Mooring' does not match pattern"),
    ({"fullnameOverride": "a" * 41}, "at '/fullnameOverride': maxLength: got 41, want 40"),
    (
        {"operator": {"leaderElection": {"leaseDuration": "9500ms"}}},
        "operator.leaderElection: leaseDuration 9500ms, renewDeadline 10s and retryPeriod 2s must be each longer than",
    ),
    (
        {"operator": {"leaderElection": {"leaseDuration": "2m", "renewDeadline": "1m", "retryPeriod": "59s1000ms"}}},
        "operator.leaderElection: leaseDuration 2m, renewDeadline 1m and retryPeriod 59s1000ms must be each longer",
    ),
    (
        {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}},
        "podMonitor.enabled and serviceMonitor.enabled are both true: ",
    ),
    (
        {"node": {"scripts": {"check": ""}, "scriptsConfigMap": "ours"}},
        "node.scripts and node.scriptsConfigMap are both set: ",
    ),
    (
        {"node": {"metrics": {"enabled": False}}, "serviceMonitor": {"enabled": True}},
        "node.metrics.enabled is false: there is nothing to scrape",
    ),
    (
        {who: {"serviceAccount": {"create": False, "name": "mooring"}} for who in ("operator", "node")},
        "operator.serviceAccount.name and node.serviceAccount.name are both mooring: ",
    ),
    (
        {who: {"serviceAccount": {"name": "network"}} for who in ("operator", "node")},
        "operator.serviceAccount.name and node.serviceAccount.name are both network: ",
    ),
    (
        {"node": {"serviceAccount": {"name": "mooring-operator"}}},
        "operator.serviceAccount.name and node.serviceAccount.name are both mooring-operator: ",
    ),
    (
        {"verify": {"serviceAccount": {"create": False, "name": "mooring-node"}}},
        "node.serviceAccount.name and verify.serviceAccount.name are both mooring-node: ",
    ),
]
BAD_CRDS: list[tuple[Values, str]] = [
    ({"namespace": {"name": "Mooring"}}, "at '/namespace/name': 'Mooring' does not match pattern"),
    ({"namespace": {"creat": True}}, "at '/namespace': additional properties 'creat' not allowed"),
    ({"namespace": None}, "missing property 'namespace'"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("values", "says"), BAD, ids=[says[:60] for _, says in BAD])
def test_what_is_wrong_is_named(values: Values, says: str, version: str, render_by: dict[str, Renderer]) -> None:
    with pytest.raises(HelmError, match=re.escape(says)):
        render_by[version](values)


def test_durations_are_compared_and_not_their_texts(render: Renderer) -> None:
    times = {"leaseDuration": "1m30s", "renewDeadline": "60s", "retryPeriod": "59999ms"}
    assert render({"operator": {"leaderElection": times}}).all("Deployment")


@pytest.mark.parametrize(("values", "says"), BAD_CRDS, ids=[says[:60] for _, says in BAD_CRDS])
def test_so_it_is_with_the_crds(values: Values, says: str, render: Renderer) -> None:
    with pytest.raises(HelmError, match=re.escape(says)):
        render(values, chart=CRDS)
