"""What the charts render to, for each set of values, is taken by the real API server, and says what to type next."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.chart import openapi
from tests.chart.matrix import CRD_SETS, SETS
from tests.chart.rendering import Rendered, Renderer, Values

from mooring_kube.client import Client
from mooring_lab.api import tools
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.charts import CRDS, MOORING, ROOT
from mooring_lab.charts.helm import VERSIONS, Helm
from mooring_lab.wait import wait_until

NAMESPACE = "chart-values"
SOON_S = 30.0
#: How each Helm takes over what kubectl has made. Helm 4 applies on the server's side, where kubectl stays the owner of
#: its fields, and each upgrade that changes one would be a conflict.
TAKING = {"3": ("--take-ownership",), "4": ("--take-ownership", "--server-side=false")}
SETS_OF_BOTH = [pytest.param(MOORING, values, id=name) for name, values in SETS.items()]
SETS_OF_BOTH += [pytest.param(CRDS, values, id=f"CRDs, {name}") for name, values in CRD_SETS.items()]
Check = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(Helm(tmp_path_factory.mktemp("helm")), tmp_path_factory.mktemp("values"))


@pytest.fixture(scope="module")
def monitoring(kubectl: Kubectl) -> Iterator[None]:
    """The definitions of the Prometheus operator, and a namespace with all accounts that a pod may name."""
    crds = str(tools.find("monitoring-crds.yaml"))
    for words in (("create", "-f", crds), ("create", "namespace", NAMESPACE)):
        done = kubectl(*words)
        assert done.returncode == 0, done.stderr
    try:
        kinds = ("PodMonitor", "PrometheusRule", "ServiceMonitor", "VirtualIP")
        wait_until(lambda: all(f'"kind":"{kind}"' in _openapi(kubectl) for kind in kinds), SOON_S, "their schemas")
        yield
    finally:
        kubectl("delete", "-f", crds)
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _openapi(kubectl: Kubectl) -> str:
    return kubectl("get", "--raw", "/openapi/v2").stdout


@pytest.fixture(scope="module")
def kubeconform(
    monitoring: None,  # noqa: ARG001 - its kinds are in the schemas
    client: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Check:
    """Compares documents with the schemas of this API server."""
    schemas = tmp_path_factory.mktemp("schemas")
    assert openapi.write(client.request("GET", "/openapi/v2"), schemas) > 100
    command = [str(tools.find("kubeconform")), "-strict", "-summary", "-schema-location"]

    def check(documents: str) -> "subprocess.CompletedProcess[str]":
        location = f"{schemas}/{openapi.LOCATION}"
        return subprocess.run(
            [*command, location, "-"], input=documents, capture_output=True, text=True, timeout=60, check=False
        )

    return check


def rendered(render: Renderer, chart: Path, values: Values) -> Rendered:
    return render(values, chart=chart, namespace=NAMESPACE)


@pytest.mark.parametrize(("chart", "values"), SETS_OF_BOTH)
def test_the_schemas_know_all_of_it(chart: Path, values: Values, render: Renderer, kubeconform: Check) -> None:
    found = rendered(render, chart, values)
    done = kubeconform(found.text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Valid: {len(found.documents)}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("minReadySeconds: 10", "minReadySecond: 10"),
        ("terminationGracePeriodSeconds: 190", "terminationGracePeriodSeconds: long"),
        ("scrapeTimeout: 4s", "scrapeTimeOut: 4s"),
        ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"),
    ],
)
def test_the_schemas_know_a_mistake(right: str, wrong: str, render: Renderer, kubeconform: Check) -> None:
    text = rendered(render, MOORING, SETS["everything"]).text
    assert right in text
    assert kubeconform(text.replace(right, wrong)).returncode != 0


@pytest.mark.usefixtures("monitoring")
@pytest.mark.parametrize(("chart", "values"), SETS_OF_BOTH)
def test_the_api_server_takes_all_of_it(chart: Path, values: Values, render: Renderer, kubectl: Kubectl) -> None:
    found = rendered(render, chart, values)
    for pod in found.all("Pod"):
        # A pod's account is looked for when it is made, and a dry run makes none.
        kubectl("create", "serviceaccount", pod["spec"]["serviceAccountName"], "-n", NAMESPACE)
    done = kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", "-",
                   stdin=found.text)  # fmt: skip
    assert done.returncode == 0, done.stderr
    # The CRDs of this API server were applied by another way, which is remarked.
    said = [line for line in done.stderr.splitlines() if not line.startswith("Warning: failed to migrate")]
    assert said == [], "not even a warning"
    assert len(done.stdout.splitlines()) == len(found.documents)


@pytest.mark.usefixtures("monitoring")
def test_the_api_server_knows_a_mistake(render: Renderer, kubectl: Kubectl) -> None:
    text = rendered(render, MOORING, {}).text.replace("minReadySeconds: 10", "minReadySecond: 10")
    done = kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert 'unknown field "spec.minReadySecond"' in done.stderr + done.stdout or "field not declared" in done.stderr


@pytest.mark.parametrize("version", ["", "1.32"])
def test_it_installs_without_helm(version: str, real_api: RealApi, tmp_path: Path) -> None:
    kubectl = Kubectl(real_api.kubeconfig, tmp_path, version)
    files = [word for folder in ("crds", "deploy", "deploy/workloads") for word in ("-f", str(ROOT / folder))]
    done = kubectl("apply", "--dry-run=server", "--validate=strict", *files)
    assert done.returncode == 0, done.stderr
    for name in ("deployment.apps/mooring-operator", "daemonset.apps/mooring-node", "namespace/mooring-system"):
        assert f"{name} " in done.stdout


def test_helm_takes_over_what_was_installed_without_it_and_leaves_the_definitions(
    own_api: RealApi, tmp_path: Path
) -> None:
    """As docs/install.md says: `--take-ownership`, and an uninstallation that takes no VirtualIP along."""
    kubectl = Kubectl(own_api.kubeconfig, tmp_path)

    def must(done: "subprocess.CompletedProcess[str]") -> str:
        assert done.returncode == 0, done.stderr
        return done.stdout

    newest = Helm(tmp_path / "newest", kubeconfig=own_api.kubeconfig)
    for version in VERSIONS:
        helm = Helm(tmp_path / version, version, own_api.kubeconfig)
        for folder in ("crds", "deploy", "deploy/workloads"):
            must(kubectl("apply", "-f", str(ROOT / folder)))
        must(kubectl("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=30s"))
        must(kubectl("apply", "-f", str(ROOT / "examples" / "dual-master" / "virtualip.yaml")))
        assert helm("install", "mooring-crds", str(CRDS)).returncode != 0, "then the flags were not needed"
        helm("uninstall", "mooring-crds")  # what Helm 4 keeps of one that failed
        taking = TAKING[version]
        must(helm("install", "mooring-crds", str(CRDS), *taking))
        release = ("mooring", str(MOORING), "--namespace", "mooring-system")
        must(helm("install", *release, *taking))
        # Whoever installed it: from Helm 3 people go on to Helm 4.
        must(newest("upgrade", *release, "--set", "operator.replicas=3"))
        replicas = ("get", "deployment", "mooring-operator", "-n", "mooring-system", "-o", "jsonpath={.spec.replicas}")
        assert must(kubectl(*replicas)) == "3"
        must(newest("rollback", "mooring", "1", "--namespace", "mooring-system"))
        assert must(kubectl(*replicas)) == "2"

        must(helm("uninstall", "mooring", "--namespace", "mooring-system"))
        must(helm("uninstall", "mooring-crds"))
        assert len(must(kubectl("get", "virtualips", "-o", "name")).split()) > 0
        assert must(kubectl("get", "namespace", "mooring-system", "-o", "jsonpath={.status.phase}")) == "Active"
        gone = kubectl("get", "daemonset,deployment,networkpolicy,pdb", "-n", "mooring-system", "-o", "name")
        assert must(gone) == ""
        ours = must(kubectl("get", "clusterrole,validatingadmissionpolicy", "-o", "name")).splitlines()
        assert [name for name in ours if "mooring" in name] == []


def notes(helm: Helm, chart: Path, *words: str) -> str:
    done = helm(
        "install", "mooring", str(chart), "--namespace", NAMESPACE, "--dry-run=client", "--take-ownership", *words
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.usefixtures("monitoring")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_notes_say_what_to_type_next_and_what_is_off(version: str, real_api: RealApi, tmp_path: Path) -> None:
    helm = Helm(tmp_path, version, real_api.kubeconfig)
    assert "No image is published yet" in notes(helm, MOORING)
    said = notes(helm, MOORING, "--set", "image.registry=registry.example.org")
    assert f"helm test mooring -n {NAMESPACE}" in said
    assert f"kubectl -n {NAMESPACE} rollout status deployment/mooring-operator daemonset/mooring-node" in said
    assert "WARNING" not in said
    assert "nothing scrapes the metrics" in said
    risky = {
        "admissionPolicy.enabled=false": "Whoever gets hold of one node's token",
        "rbac.create=false": "Grant mooring-operator and mooring-node the rights",
        "verify.serviceAccount.create=false": "For helm test the service account mooring-verify must be in",
        "node.preflight.enabled=true": "logs -l app.kubernetes.io/component=node -c preflight --prefix",
        "operator.serviceAccount.create=false": "The service account mooring-operator must be in",
        "node.serviceAccount.create=false": "The service account mooring-node must be in",
        "operator.replicas=1": "While its node is down nothing new is planned",
        "operator.replicas=0": "no VirtualIP is planned",
        "node.realTimePriority=0": "adverts may be late",
        "node.updateStrategy.maxUnavailable=20%": "all nodes of a group may be away at once",
        "node.sysNet=false": "a setting below /proc/sys/net",
    }
    zero = notes(helm, MOORING, "--set", ",".join(setting for setting in risky if setting != "operator.replicas=1"))
    for setting, warning in risky.items():
        all_said = notes(helm, MOORING, "--set", setting) if setting == "operator.replicas=1" else zero
        assert warning in all_said, setting
    watched = notes(helm, MOORING, "--set", "podMonitor.enabled=true,alerts.enabled=true")
    assert "NOTE:" not in watched


@pytest.mark.parametrize("version", VERSIONS)
def test_the_notes_of_the_crds_lead_to_mooring(version: str, real_api: RealApi, tmp_path: Path) -> None:
    helm = Helm(tmp_path, version, real_api.kubeconfig)
    assert "helm install mooring charts/mooring -n mooring-system" in notes(helm, CRDS)
    own = notes(helm, CRDS, "--set", "namespace.create=false,namespace.name=network")
    assert "kubectl label namespace network pod-security.kubernetes.io/enforce=privileged" in own
