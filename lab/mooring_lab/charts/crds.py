"""The chart of the CRDs: crds/ as templates, which Helm upgrades and, by the keep policy, never takes away."""

from pathlib import Path

_HEAD = "# Generated from crds/ by `python -m mooring_lab.charts`; do not edit.\n"
_METADATA = "\nmetadata:\n"
_MORE = """\
  labels: {{- include "mooring-crds.labels" (list .) | nindent 4 }}
  annotations: {{- include "mooring-crds.annotations" (list .) | nindent 4 }}
"""


def templates(crds: Path) -> dict[str, str]:
    """The text of each template, by its file's name. ValueError when one would be read as template language."""
    return {path.name: _template(path) for path in sorted(crds.glob("*.yaml"))}


def _template(path: Path) -> str:
    _, _, body = path.read_text(encoding="utf-8").partition("\n")  # the first line says what it was generated from
    if "{{" in body:
        raise ValueError(f"{path}: '{{{{' would be read as template language")
    head, found, rest = f"\n{body}".partition(_METADATA)
    if not found:
        raise ValueError(f"{path}: there is no metadata")
    return f"{_HEAD}{head.lstrip()}{_METADATA}{_MORE}{rest}"
