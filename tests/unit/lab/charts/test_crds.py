"""The CRDs as templates."""

from pathlib import Path

import pytest

from mooring_lab.charts import crds

CRD = """# Generated from somewhere.
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.mooring.dev
spec: {}
"""


def test_only_the_metadata_grows(tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text(CRD)
    (tmp_path / "notes.txt").write_text("")
    (text,) = crds.templates(tmp_path).values()
    assert text.startswith("# Generated from crds/ by ")
    kept = [line for line in text.splitlines() if "include" not in line]
    assert kept[1:] == CRD.splitlines()[1:]
    assert 'include "mooring-crds.annotations"' in text


@pytest.mark.parametrize(
    ("text", "says"), [(CRD + "# {{ x }}\n", "template language"), ("# x\nkind: List\n", "no metadata")]
)
def test_what_cannot_be_a_template_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "things.yaml").write_text(text)
    with pytest.raises(ValueError, match=says):
        crds.templates(tmp_path)
