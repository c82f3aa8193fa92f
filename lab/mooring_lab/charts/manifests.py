"""deploy/ is the charts with their defaults, for who installs without Helm: which template each file is of."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from mooring_lab.charts import CRDS, MOORING
from mooring_lab.charts.helm import Helm, by_template

#: Files below deploy/, and the templates that each is made of.
FILES: Mapping[str, tuple[str, ...]] = {
    "namespace.yaml": ("mooring-crds/templates/namespace.yaml",),
    "operator-rbac.yaml": ("mooring/templates/operator/rbac.yaml",),
    "node-rbac.yaml": ("mooring/templates/node/rbac.yaml",),
    "people-rbac.yaml": ("mooring/templates/people/rbac.yaml",),
    "admission.yaml": ("mooring/templates/admission.yaml",),
    "workloads/operator.yaml": tuple(
        f"mooring/templates/operator/{name}.yaml" for name in ("deployment", "pdb", "service", "networkpolicy")
    ),
    "workloads/node.yaml": tuple(f"mooring/templates/node/{name}.yaml" for name in ("daemonset", "service")),
}
#: Rendered by default and not in deploy/: what only Helm itself uses, and crds/.
LEFT_OUT = (
    *(f"mooring/templates/test/{name}.yaml" for name in ("rbac", "verify")),
    *(f"mooring-crds/templates/mooring.dev_{kind}.yaml" for kind in ("nodeconfigs", "virtualips", "virtualservers")),
)
_HEAD = "# Generated from charts/ by `python -m mooring_lab.charts manifests`; do not edit.\n"
#: What is said to Helm and to Argo CD alone.
_OF_HELM = ("helm.sh/", "app.kubernetes.io/managed-by:", "argocd.argoproj.io/")


def render(helm: Helm) -> dict[str, str]:
    """The text of each file of deploy/, by its path below it."""
    documents = by_template(helm.template(MOORING)) | by_template(helm.template(CRDS, release="mooring-crds"))
    missing = {template for templates in FILES.values() for template in templates} - documents.keys()
    unknown = documents.keys() - {t for templates in FILES.values() for t in templates} - set(LEFT_OUT)
    if missing or unknown:
        raise ValueError(f"deploy/ does not fit the charts: no {sorted(missing)}, and what of {sorted(unknown)}?")
    return {
        name: _HEAD + "---\n".join(_plain(text) for template in templates for text in documents[template])
        for name, templates in FILES.items()
    }


def write(helm: Helm, folder: Path) -> Iterator[Path]:
    """Write them below `folder`; yields each file."""
    for name, text in render(helm).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        yield path


def _plain(document: str) -> str:
    """Without the lines that are of Helm, and without a map that has lost its only line by that."""
    kept = [line for line in document.splitlines() if not line.strip().startswith(_OF_HELM)]
    return "\n".join(_without_empty(kept)) + "\n"


def _without_empty(lines: list[str]) -> Iterator[str]:
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.strip() == "annotations:" and _indent(following) <= _indent(line):
            continue
        yield line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
