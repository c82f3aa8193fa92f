"""The page of the reference about the charts' values."""

from mooring_lab.charts import CRDS, MOORING, values


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
