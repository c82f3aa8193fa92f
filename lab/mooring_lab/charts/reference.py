"""The page of the reference about the charts' values, and what each chart says of itself."""

from pathlib import Path

import yaml

from mooring_lab.charts import CRDS, MOORING, values

_DOCS = "https://github.com/mooring-dev/mooring/blob/main/docs"
_FIRST = {
    "mooring": """
The operator and the nodes' daemons. The definitions and the namespace come first, with the chart mooring-crds:

    helm install mooring-crds charts/mooring-crds
    helm install mooring charts/mooring --namespace mooring-system
    helm test mooring --namespace mooring-system
""",
    "mooring-crds": """
Install and upgrade it before the chart mooring. Uninstalling it leaves the definitions and the namespace, since with
them would go every VirtualIP.

    helm install mooring-crds charts/mooring-crds
""",
}


def page() -> str:
    """docs/reference/chart.md."""
    return f"""\
# The charts' values

<!-- Generated from charts/*/values.schema.json by `python -m mooring_lab.charts`; do not edit. -->

Helm compares what you set with a schema and names what it does not know: a misspelt value is refused, not ignored.
How to install with them: [install](../install.md).

## mooring

{values.table(values.read(MOORING))}
## mooring-crds

{values.table(values.read(CRDS))}"""


def readme(chart: Path) -> str:
    """The chart's own README.md, which `helm show readme` and registries show; links lead to the project's pages."""
    head = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    return f"""\
# {head["name"]}

{head["description"]}.

{_FIRST[chart.name].strip()}

How to install, upgrade and take it out again, with Helm, from git and without Helm:
[docs/install.md]({_DOCS}/install.md).

## Values

<!-- Generated from values.schema.json by `python -m mooring_lab.charts`; do not edit. -->

{values.table(values.read(chart))}"""
