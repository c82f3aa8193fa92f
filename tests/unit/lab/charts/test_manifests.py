"""What `helm template` prints is taken apart by template, and what is of Helm alone is left out."""

from mooring_lab.charts import manifests
from mooring_lab.charts.helm import by_template

RENDERED = """---
# Source: mooring/templates/a.yaml
# A reason.
kind: A
metadata:
  labels:
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: mooring-0.1.0
    app.kubernetes.io/name: mooring
  annotations:
    helm.sh/resource-policy: keep
spec: {}
---
# Source: mooring/templates/b.yaml
kind: B
---
# Source: mooring/templates/a.yaml
kind: C
"""


def test_documents_are_known_by_their_template() -> None:
    found = by_template(RENDERED)
    assert list(found) == ["mooring/templates/a.yaml", "mooring/templates/b.yaml"]
    assert [text.splitlines()[0] for text in found["mooring/templates/a.yaml"]] == ["# A reason.", "kind: C"]


def test_what_is_of_helm_is_left_out() -> None:
    plain = manifests._plain(by_template(RENDERED)["mooring/templates/a.yaml"][0])
    assert plain.splitlines() == [
        "# A reason.",
        "kind: A",
        "metadata:",
        "  labels:",
        "    app.kubernetes.io/name: mooring",
        "spec: {}",
    ]
