"""Both Helms take the charts and render the same, and deploy/ is what they render by default."""

from pathlib import Path

import pytest
from tests.chart.matrix import CRD_SETS, SETS
from tests.chart.rendering import Renderer, Values

from mooring_lab.charts import CRDS, MOORING, ROOT, manifests
from mooring_lab.charts.helm import VERSIONS, HelmError, by_template

SETS_OF_BOTH = [pytest.param(MOORING, values, id=name) for name, values in SETS.items()]
SETS_OF_BOTH += [pytest.param(CRDS, values, id=f"CRDs, {name}") for name, values in CRD_SETS.items()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("chart", "values"), SETS_OF_BOTH)
def test_lint_has_nothing_to_say(chart: Path, values: Values, version: str, render_by: dict[str, Renderer]) -> None:
    render = render_by[version]
    done = render.helm("lint", "--strict", str(chart), *render.flags(values))
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("[") and "icon is recommended" not in line]
    assert said == []


@pytest.mark.parametrize(("chart", "values"), SETS_OF_BOTH)
def test_both_helms_render_the_same(chart: Path, values: Values, render_by: dict[str, Renderer]) -> None:
    first, second = (by_template(render(values, chart=chart).text) for render in render_by.values())
    assert first == second


def test_deploy_is_what_the_charts_render_to(render: Renderer) -> None:
    rendered = manifests.render(render.helm)
    stands = {str(path.relative_to(ROOT / "deploy")): path.read_text() for path in (ROOT / "deploy").rglob("*.yaml")}
    assert stands == rendered, "run: make manifests"


@pytest.mark.parametrize("chart", [MOORING, CRDS], ids=lambda chart: chart.name)
def test_a_package_renders_as_the_folder_does(chart: Path, render: Renderer, tmp_path: Path) -> None:
    """Nothing that it needs is left out by .helmignore."""
    assert render.helm("package", str(chart), "--destination", str(tmp_path)).returncode == 0
    (package,) = tmp_path.iterdir()
    values = SETS["everything"] if chart == MOORING else {}
    assert render(values, chart=package).text == render(values, chart=chart).text


def test_no_cluster_is_asked_while_it_renders() -> None:
    """`lookup` finds nothing under Argo CD, and capabilities differ: what is in git must be what is installed."""
    for path in (ROOT / "charts").rglob("*"):
        if path.suffix in (".yaml", ".tpl", ".txt") and "templates" in path.parts:
            for word in ("lookup", ".Capabilities", "genCA", "randAlpha", "now |"):
                assert word not in path.read_text(), path


def test_an_older_kubernetes_is_refused(render: Renderer) -> None:
    assert render({}, "--kube-version", "1.32.0").documents
    with pytest.raises(HelmError, match=r"requires kubeVersion: >=1.32.0-0"):
        render({}, "--kube-version", "1.31.9")


def test_the_notes_ask_for_the_nodes_own_address(render: Renderer) -> None:
    """A client's dry run, as `helm template` gives no notes."""
    done = render.helm("install", "mooring", str(MOORING), "--namespace=mooring-system", "--dry-run=client")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:\n")[2]
    assert "--node-ip" in notes
    assert "TakenByKubelet" in notes


def test_a_chart_that_has_it_as_a_part_may_switch_it(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parent = tmp_path_factory.mktemp("parent")
    (parent / "charts").mkdir()
    (parent / "charts" / "mooring").symlink_to(MOORING)
    dependency = "{name: mooring, version: 0.x.x, condition: mooring.enabled}"
    (parent / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies:\n  - {dependency}\n"
    )
    (parent / "values.yaml").write_text("global: {region: east}\nmooring: {enabled: true}\n")
    assert (
        render(None, chart=parent, release="platform").one("DaemonSet")["metadata"]["name"] == "platform-mooring-node"
    )
    assert render({"mooring": {"enabled": False}}, chart=parent).documents == []
