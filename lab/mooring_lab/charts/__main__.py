"""Writes what is generated of the charts.

python -m mooring_lab.charts            values.yaml, READMEs, the CRDs' templates, docs/reference/chart.md; no Helm
python -m mooring_lab.charts manifests  that, and deploy/ from what the charts render to
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mooring_lab.charts import CRDS, MOORING, ROOT, crds, manifests, reference, values
from mooring_lab.charts.helm import Helm


def generated() -> dict[Path, str]:
    """The text of each file that needs no Helm."""
    files = {chart / "values.yaml": values.values_file(values.read(chart)) for chart in (MOORING, CRDS)}
    files |= {chart / "README.md": reference.readme(chart) for chart in (MOORING, CRDS)}
    files |= {CRDS / "templates" / name: text for name, text in crds.templates(ROOT / "crds").items()}
    return files | {ROOT / "docs" / "reference" / "chart.md": reference.page()}


def main(arguments: Sequence[str]) -> int:
    """Write all of it; 2 for wrong usage."""
    if list(arguments) not in ([], ["manifests"]):
        print(__doc__, file=sys.stderr)
        return 2
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    if arguments:
        with tempfile.TemporaryDirectory() as home:
            for path in manifests.write(Helm(Path(home)), ROOT / "deploy"):
                print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
