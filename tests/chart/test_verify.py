"""`helm test`: a pod that looks at the installation, with rights that it has only meanwhile."""

from tests.chart.matrix import SETS
from tests.chart.rendering import Document, Renderer

from mooring_operator.main import parser

POLICY = "before-hook-creation,hook-succeeded"


def hooks(render: Renderer, **values: object) -> list[Document]:
    found = render(values).documents
    return [each for each in found if each["metadata"].get("annotations", {}).get("helm.sh/hook")]


def test_all_of_it_is_there_for_the_test_alone(render: Renderer) -> None:
    found = hooks(render)
    kinds = ["ClusterRole", "ClusterRoleBinding", "Pod", "Role", "RoleBinding", "ServiceAccount"]
    assert sorted(each["kind"] for each in found) == kinds
    for each in found:
        assert each["metadata"]["name"] == "mooring-verify"
        annotations = each["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "test"
        assert annotations["helm.sh/hook-delete-policy"] == POLICY
        # The rights before the pod that has them.
        assert annotations.get("helm.sh/hook-weight", "0") == ("0" if each["kind"] == "Pod" else "-1")


def test_it_may_read_what_it_judges_and_write_nothing(render: Renderer) -> None:
    rules = [rule for each in hooks(render) for rule in each.get("rules", ())]
    assert [(rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["nodeconfigs"], ["list"], None),
        (["leases"], ["get"], ["mooring-operator"]),
        (["pods"], ["list"], None),
    ]


def test_the_operator_understands_its_arguments(render: Renderer) -> None:
    for values in SETS.values():
        rendered = render(values)
        (container,) = rendered.one("Pod")["spec"]["containers"]
        options = parser().parse_args(container["args"])
        assert options.command == "verify"
        daemons = dict(each.split("=") for each in options.daemons.split(","))
        assert daemons == rendered.one("DaemonSet")["spec"]["selector"]["matchLabels"]
        assert container["image"] == rendered.container("Deployment")["image"]


def test_it_runs_once_where_the_operator_may_run(render: Renderer) -> None:
    pod = render(SETS["everything"]).one("Pod")["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["tolerations"] == SETS["everything"]["operator"]["tolerations"]
    on_the_node = render({"operator": {"hostNetwork": True}}).one("Pod")["spec"]
    assert on_the_node["hostNetwork"] is True
