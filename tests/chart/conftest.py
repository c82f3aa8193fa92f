"""The charts rendered by both Helms; a missing Helm is an error here, never a skip."""

import pytest
from tests.chart.rendering import Renderer

from mooring_lab.charts.helm import VERSIONS, Helm


def renderer(factory: pytest.TempPathFactory, version: str) -> Renderer:
    return Renderer(Helm(factory.mktemp(f"helm-{version}"), version), factory.mktemp("values"))


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """`render({"operator": {"replicas": 3}})`, by the newest Helm."""
    return renderer(tmp_path_factory, VERSIONS[-1])


@pytest.fixture(scope="session")
def render_by(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Renderer]:
    """The same by each Helm, by its version."""
    return {version: renderer(tmp_path_factory, version) for version in VERSIONS}
