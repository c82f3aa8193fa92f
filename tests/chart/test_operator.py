"""The operator's Deployment and what goes with it."""

import pytest
from tests.chart.matrix import DIGEST, SETS
from tests.chart.rendering import Document, Renderer

from mooring_api.version import VERSION
from mooring_operator.main import parser


def arguments(render: Renderer, **values: object) -> list[str]:
    found: list[str] = render({"operator": values}).container("Deployment")["args"]
    return found


def selected(selector: Document, labels: Document) -> bool:
    return selector.items() <= labels.items()


def test_two_replicas_of_which_one_leads(render: Renderer) -> None:
    rendered = render()
    assert rendered.one("Deployment")["spec"]["replicas"] == 2
    container = rendered.container("Deployment")
    assert "--lease-name=mooring-operator" in container["args"]
    (role,) = (r for r in rendered.all("Role") if r["metadata"]["name"] == "mooring-operator")
    assert ["mooring-operator"] in [rule.get("resourceNames") for rule in role["rules"]]
    identity = next(e for e in container["env"] if e["name"] == "MOORING_IDENTITY")
    assert identity["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize("name", SETS)
def test_all_of_a_release_mean_the_same_lease_and_namespace(name: str, render: Renderer) -> None:
    rendered = render(SETS[name], namespace="elsewhere")
    lease = rendered.one("Deployment")["metadata"]["name"]
    (verify,) = rendered.one("Pod")["spec"]["containers"]
    for args in (rendered.container("Deployment")["args"], verify["args"]):
        assert {f"--lease-name={lease}", "--namespace=elsewhere"} <= {*args}
    assert "--namespace=elsewhere" in rendered.container("DaemonSet")["args"]
    named = [
        rule["resourceNames"] for role in rendered.all("Role") for rule in role["rules"] if "resourceNames" in rule
    ]
    assert all(names == [lease] for names in named)


@pytest.mark.parametrize("name", SETS)
def test_the_operator_understands_its_arguments(name: str, render: Renderer) -> None:
    container = render(SETS[name]).container("Deployment")
    assert "command" not in container, "the image's entry point is the program"
    parser().parse_args([word.replace("$(MOORING_POD_IP)", "2001:db8::1") for word in container["args"]])


def test_settings_are_arguments(render: Renderer) -> None:
    args = arguments(
        render,
        leaderElection={"leaseDuration": "6s", "renewDeadline": "4s", "retryPeriod": "1s"},
        log={"format": "text", "level": "debug"},
        metrics={"port": 19651},
        extraArgs=["--resync=10m"],
    )
    assert args[-1] == "--resync=10m"
    for word in (
        "--lease-duration=6s",
        "--renew-deadline=4s",
        "--retry-period=1s",
        "--log-format=text",
        "--log-level=debug",
    ):
        assert word in args
    assert "--metrics-address=[$(MOORING_POD_IP)]:19651" in args


def test_it_is_spread_and_yet_runs_on_one_node(render: Renderer) -> None:
    spec = render().pod("Deployment")["spec"]
    by_key = {each["topologyKey"]: each for each in spec["topologySpreadConstraints"]}
    assert by_key["kubernetes.io/hostname"]["whenUnsatisfiable"] == "DoNotSchedule"
    assert by_key["topology.kubernetes.io/zone"]["whenUnsatisfiable"] == "ScheduleAnyway"
    for each in by_key.values():
        # Else a node that its pods can't use counts as an empty one, and the second replica waits for ever.
        assert each["nodeTaintsPolicy"] == "Honor"
        assert each["matchLabelKeys"] == ["pod-template-hash"], "a rollout counts the new replicas alone"
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in spec["affinity"]["podAntiAffinity"]


def test_a_drain_takes_one_at_a_time(render: Renderer) -> None:
    budget = render().one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert render({"operator": {"replicas": 1}}).all("PodDisruptionBudget") == [], "it would forbid every drain"


def test_a_rollout_on_the_nodes_network_finds_its_port_free(render: Renderer) -> None:
    def rolling(**operator: object) -> object:
        return render({"operator": operator}).one("Deployment")["spec"]["strategy"]["rollingUpdate"]

    assert rolling() == {"maxSurge": 1, "maxUnavailable": 0}
    assert rolling(hostNetwork=True) == {"maxSurge": 0, "maxUnavailable": 1}
    spec = render({"operator": {"hostNetwork": True}}).pod("Deployment")["spec"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


def test_it_may_do_nothing_on_its_node(render: Renderer) -> None:
    spec = render().pod("Deployment")["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert [each.keys() - {"name"} for each in spec["volumes"]] == [{"projected"}], "its token, and nothing of the node"
    assert spec["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}
    }  # fmt: skip
    assert render().container("Deployment")["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip


def test_it_asks_for_cpu_and_memory_and_has_no_limits(render: Renderer) -> None:
    assert render().container("Deployment")["resources"] == {"requests": {"cpu": "50m", "memory": "96Mi"}}
    resources = render(SETS["everything"]).container("Deployment")["resources"]
    assert resources == {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_health_and_readiness_are_its_own_pages(render: Renderer) -> None:
    container = render().container("Deployment")
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
    (port,) = container["ports"]
    assert (port["name"], port["containerPort"]) == ("metrics", 9651)


def test_a_digest_goes_before_a_tag(render: Renderer) -> None:
    def image(**operator: object) -> object:
        return render({"operator": {"image": operator}}).container("Deployment")["image"]

    assert image() == f"registry.example.com/mooring-operator:v{VERSION}"
    assert image(tag="main") == "registry.example.com/mooring-operator:main"
    assert image(tag="main", digest=DIGEST) == f"registry.example.com/mooring-operator@{DIGEST}"
    mirrored = render(SETS["everything"])
    assert mirrored.container("Deployment")["image"] == f"registry.example.com:5000/mirror/mooring-operator@{DIGEST}"
    plain = render({"image": {"registry": ""}, "operator": {"image": {"repository": "localhost/operator"}}})
    assert plain.container("Deployment")["image"] == f"localhost/operator:v{VERSION}"
    for kind in ("Deployment", "DaemonSet"):
        assert mirrored.pod(kind)["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_own_placement_takes_the_place_of_the_charts(render: Renderer) -> None:
    wanted = SETS["everything"]["operator"]
    spec = render(SETS["everything"]).pod("Deployment")["spec"]
    for field in ("affinity", "tolerations", "topologySpreadConstraints"):
        assert spec[field] == wanted[field]
    assert "nodeSelector" not in render(SETS["nothing that can be left out"]).pod("Deployment")["spec"]


def test_the_network_policy_holds_the_operator_and_its_verifier(render: Renderer) -> None:
    rendered = render()
    policy = rendered.one("NetworkPolicy")["spec"]
    (components,) = policy["podSelector"]["matchExpressions"]
    for pod in (rendered.pod("Deployment"), rendered.one("Pod")):
        labels = pod["metadata"]["labels"]
        assert selected(policy["podSelector"]["matchLabels"], labels)
        assert labels[components["key"]] in components["values"]
    assert rendered.pod("DaemonSet")["metadata"]["labels"][components["key"]] not in components["values"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": 9651}]}]
    ports = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 6443, 8443, 16443]
    assert render(SETS["nothing that can be left out"]).all("NetworkPolicy") == []


def test_the_network_policy_can_be_narrowed(render: Renderer) -> None:
    policy = render(SETS["everything"]).one("NetworkPolicy")["spec"]
    assert policy["ingress"][0]["from"] == SETS["everything"]["networkPolicy"]["metricsFrom"]
    assert policy["egress"][1] == {
        "ports": [{"protocol": "TCP", "port": 6443}],
        "to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"ipBlock": {"cidr": "2001:db8::/64"}}],
    }
