"""What holds for every object of every set of values: names, labels, namespaces, rights."""

import json
from collections.abc import Iterator

import pytest
from tests.chart.matrix import CRD_SETS, SETS
from tests.chart.rendering import Document, Rendered, Renderer, Values

from mooring_kube.connection import SERVICE_ACCOUNT
from mooring_lab.charts import CRDS, ROOT

EVERY_SET = pytest.mark.parametrize("values", SETS.values(), ids=SETS)
CLUSTER_WIDE = (
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
#: Labels by which pods are selected, and which no value may change.
OWN = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component")


def pods(rendered: Rendered) -> Iterator[tuple[str, Document]]:
    for document in rendered.documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document
        elif document["kind"] in ("Deployment", "DaemonSet"):
            yield document["metadata"]["name"], document["spec"]["template"]


@EVERY_SET
def test_each_object_has_a_name_of_its_own_and_the_releases_namespace(values: Values, render: Renderer) -> None:
    rendered = render(values, namespace="elsewhere")
    names = [(d["kind"], d["metadata"]["name"]) for d in rendered.documents]
    assert len(set(names)) == len(names)
    for document in rendered.documents:
        wanted = None if document["kind"] in CLUSTER_WIDE else "elsewhere"
        assert document["metadata"].get("namespace") == wanted, document["metadata"]["name"]
        assert len(document["metadata"]["name"]) <= (63 if wanted else 253)


@EVERY_SET
def test_each_object_and_pod_bears_the_labels(values: Values, render: Renderer) -> None:
    common = values.get("commonLabels", {})
    rendered = render(values)
    for document in rendered.documents:
        labels = document["metadata"]["labels"]
        assert {*OWN, "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} <= labels.keys()
        assert common.items() <= labels.items()
        assert values.get("commonAnnotations", {}).items() <= document["metadata"].get("annotations", {}).items()
    for _, pod in pods(rendered):
        assert {*OWN} <= pod["metadata"]["labels"].keys()
        assert common.items() <= pod["metadata"]["labels"].items()


def test_a_label_that_selects_cannot_be_changed(render: Renderer) -> None:
    mine = dict.fromkeys((*OWN, "app.kubernetes.io/managed-by"), "mine") | {"tier": "common"}
    rendered = render(
        {"commonLabels": mine, "node": {"podLabels": mine | {"tier": "node"}, "labels": mine | {"tier": "node"}}}
    )
    daemons = rendered.one("DaemonSet")
    labels = daemons["spec"]["template"]["metadata"]["labels"]
    assert daemons["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert "mine" not in {labels[name] for name in OWN} | {*daemons["metadata"]["labels"].values()}
    assert (labels["tier"], daemons["metadata"]["labels"]["tier"]) == ("node", "node"), "the nearer one wins"
    assert rendered.one("Deployment")["metadata"]["labels"]["tier"] == "common"


@EVERY_SET
def test_what_selects_pods_finds_them(values: Values, render: Renderer) -> None:
    rendered = render(values)
    found = {name: pod["metadata"]["labels"] for name, pod in pods(rendered)}
    own = {d["metadata"]["name"]: d for kind in ("Deployment", "DaemonSet") for d in rendered.all(kind)}
    for name, document in own.items():
        assert document["spec"]["selector"]["matchLabels"].items() <= found[name].items()
    for document in (*rendered.all("Service"), *rendered.all("PodDisruptionBudget")):
        selector = document["spec"]["selector"]
        selector = selector.get("matchLabels", selector)
        matching = [name for name, labels in found.items() if selector.items() <= labels.items()]
        assert matching == [document["metadata"]["name"]]
    for kind, among in (("PodMonitor", found), ("ServiceMonitor", _labels(rendered.all("Service")))):
        for document in rendered.all(kind):
            selector = document["spec"]["selector"]["matchLabels"]
            matching = [name for name, labels in among.items() if selector.items() <= labels.items()]
            assert matching == [document["metadata"]["name"]]
            assert document["spec"]["namespaceSelector"] == {"matchNames": ["mooring-system"]}


def _labels(documents: list[Document]) -> dict[str, Document]:
    return {document["metadata"]["name"]: document["metadata"]["labels"] for document in documents}


@EVERY_SET
def test_no_right_is_a_wildcard_and_nobody_is_an_administrator(values: Values, render: Renderer) -> None:
    rendered = render(values)
    for role in (*rendered.all("ClusterRole"), *rendered.all("Role")):
        for rule in role["rules"]:
            assert "*" not in json.dumps([rule.get("apiGroups"), rule.get("resources"), rule["verbs"]])
            assert not {"escalate", "bind", "impersonate"} & {*rule["verbs"]}
            assert "nonResourceURLs" not in rule
        assert "aggregationRule" not in role
    own = {(role["kind"], role["metadata"]["name"]) for role in (*rendered.all("ClusterRole"), *rendered.all("Role"))}
    for binding in (*rendered.all("ClusterRoleBinding"), *rendered.all("RoleBinding")):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in own
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "mooring-system")


@EVERY_SET
def test_secrets_are_read_in_the_own_namespace_alone(values: Values, render: Renderer) -> None:
    for role in render(values).all("ClusterRole"):
        assert not any("secrets" in rule["resources"] for rule in role["rules"])


@EVERY_SET
def test_each_pod_says_who_it_is_and_is_confined(values: Values, render: Renderer) -> None:
    rendered = render(values)
    for name, pod in pods(rendered):
        spec = pod["spec"]
        assert spec["serviceAccountName"] != "default"
        # By automount a token would live for a year, see test_a_token_lives_for_an_hour of the cluster's tests.
        assert spec["automountServiceAccountToken"] is False
        (volume,) = (each["projected"] for each in spec["volumes"] if "projected" in each)
        assert [{*source} for source in volume["sources"]] == [{"serviceAccountToken"}, {"configMap"}, {"downwardAPI"}]
        assert volume["sources"][0]["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
        assert volume["defaultMode"] == 0o444, "who is not root reads them too"
        mounted = {
            each["name"]: mount["mountPath"]
            for each in (*spec["containers"], *spec.get("initContainers", ()))
            for mount in each.get("volumeMounts", ())
            if mount["name"] == "api-access"
        }
        assert mounted == {spec["containers"][0]["name"]: str(SERVICE_ACCOUNT)}, "no other container has the token"
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"], name
            assert container["imagePullPolicy"] == "IfNotPresent"


def test_accounts_of_ones_own_are_used_everywhere(render: Renderer) -> None:
    names = {"operator": "planner", "node": "holder", "verify": "tester"}
    rendered = render({who: {"serviceAccount": {"name": name}} for who, name in names.items()})
    assert rendered.pod("Deployment")["spec"]["serviceAccountName"] == "planner"
    assert rendered.pod("DaemonSet")["spec"]["serviceAccountName"] == "holder"
    subjects = {d["subjects"][0]["name"] for kind in ("ClusterRoleBinding", "RoleBinding") for d in rendered.all(kind)}
    assert subjects == {*names.values()}
    assert {d["metadata"]["name"] for d in rendered.all("ServiceAccount")} == {*names.values()}
    assert rendered.one("Pod")["spec"]["serviceAccountName"] == "tester"
    (condition,) = rendered.one("ValidatingAdmissionPolicy")["spec"]["matchConditions"]
    assert condition["expression"].endswith("== 'system:serviceaccount:mooring-system:holder'")


def test_without_rbac_and_accounts_none_is_made(render: Renderer) -> None:
    kinds = {document["kind"] for document in render(SETS["nothing that can be left out"]).documents}
    assert not {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"} & kinds


def test_the_admission_policy_is_of_this_release(render: Renderer) -> None:
    rendered = render(release="second", namespace="elsewhere")
    policy, binding = rendered.one("ValidatingAdmissionPolicy"), rendered.one("ValidatingAdmissionPolicyBinding")
    assert policy["metadata"]["name"] == "second-mooring-node-writes-its-own-status"
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"]["validationActions"] == ["Deny"]
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"].endswith("== 'system:serviceaccount:elsewhere:second-mooring-node'")


def test_the_namespace_admits_the_daemons(render: Renderer) -> None:
    labels = render(chart=CRDS).one("Namespace")["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"privileged"}
    stricter = {"namespace": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    assert "baseline" not in render(stricter, chart=CRDS).text, "no daemon would start there"


@pytest.mark.parametrize("values", CRD_SETS.values(), ids=CRD_SETS)
def test_no_uninstallation_takes_the_definitions_or_the_namespace(values: Values, render: Renderer) -> None:
    rendered = render(values, chart=CRDS)
    assert len(rendered.all("CustomResourceDefinition")) == len([*(ROOT / "crds").glob("*.yaml")])
    for document in rendered.documents:
        annotations = document["metadata"]["annotations"]
        assert annotations["helm.sh/resource-policy"] == "keep"
        assert "Prune=false" in annotations["argocd.argoproj.io/sync-options"]
