"""The charts: what is generated for them, and what they render to. `python -m mooring_lab.charts` writes it all."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
CHARTS = ROOT / "charts"
MOORING = CHARTS / "mooring"
CRDS = CHARTS / "mooring-crds"
