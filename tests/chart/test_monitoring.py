"""What watches: services, monitors, alerts, the dashboard."""

import json

import pytest
import yaml
from tests.chart.matrix import SETS
from tests.chart.rendering import Renderer

from mooring_lab.charts import MOORING

RUNBOOKS = "https://github.com/mooring-dev/mooring/blob/main/docs/runbooks/"


def test_all_of_it_that_needs_another_operator_is_off(render: Renderer) -> None:
    groups = {document["apiVersion"].partition("/")[0] for document in render().documents}
    assert "monitoring.coreos.com" not in groups
    assert render().all("ConfigMap") == []


def test_services_give_each_pod_by_itself_ready_or_not(render: Renderer) -> None:
    for service, port in zip(render().all("Service"), (9650, 9651), strict=True):
        assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
        assert [each["port"] for each in service["spec"]["ports"]] == [port]


@pytest.mark.parametrize(
    ("kind", "value", "endpoints"),
    [("PodMonitor", "podMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "serviceMonitor", "endpoints")],
)
def test_monitors_scrape_operator_and_daemons(kind: str, value: str, endpoints: str, render: Renderer) -> None:
    wanted = SETS["everything"]["podMonitor"]
    monitors = render({value: wanted}).all(kind)
    assert [each["metadata"]["name"] for each in monitors] == ["mooring-operator", "mooring-node"]
    for monitor in monitors:
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        (endpoint,) = monitor["spec"][endpoints]
        assert (endpoint["port"], endpoint["interval"], endpoint["scrapeTimeout"]) == ("metrics", "5s", "4s")
        assert "honorLabels" not in endpoint, "no label of ours is called as a target's"
        node, *more = endpoint["relabelings"]
        assert (node["targetLabel"], node["sourceLabels"]) == ("node", ["__meta_kubernetes_pod_node_name"])
        assert more == wanted["relabelings"]
        assert endpoint["metricRelabelings"] == wanted["metricRelabelings"]
    (plain,) = render({value: {"enabled": True}}).all(kind)[0]["spec"][endpoints]
    assert plain.keys() == {"port", "interval", "relabelings"}


def test_the_rule_is_the_file_with_runbooks_of_ones_own(render: Renderer) -> None:
    file = yaml.safe_load((MOORING / "files" / "alerts.yaml").read_text())
    assert render({"alerts": {"enabled": True}}).one("PrometheusRule")["spec"] == file
    ours = render(SETS["everything"]).one("PrometheusRule")
    assert ours["metadata"]["labels"]["release"] == "prometheus"
    assert RUNBOOKS not in json.dumps(ours)
    elsewhere = json.dumps(render(SETS["everything"], namespace="elsewhere").one("PrometheusRule"))
    assert ("-n elsewhere get pods" in elsewhere, "mooring-system" in elsewhere) == (True, False)
    urls = [rule["annotations"]["runbook_url"] for group in ours["spec"]["groups"] for rule in group["rules"]]
    assert len(urls) > 5
    assert all(url.startswith("https://runbooks.example.com/Mooring") for url in urls)


def test_the_dashboard_is_the_file(render: Renderer) -> None:
    file = json.loads((MOORING / "files" / "dashboard.json").read_text())
    found = render(SETS["everything"]).one("ConfigMap", "mooring-dashboard")
    assert json.loads(found["data"]["mooring.json"]) == file
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"]["grafana_folder"] == "Network"
