"""The images, built once for the session, and a lab of two nodes and a client to run them in."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.image.running import Container, Image

from mooring_lab.lab import Lab, remove

ROOT = Path(__file__).parents[2]
SECONDS = 900
NODE_NAMES = ("lb-1", "lb-2")
_NAME = f"t{os.getpid()}i"
_figures: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Building unpacks files of all owners, and running makes namespaces: both are root's. The first test builds."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.netns)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def table_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `scripts/image build` says, as the lab's kubelet takes it; MOORING_IMAGES names a file with what it said."""
    if ready := os.environ.get("MOORING_IMAGES"):
        return Path(ready)
    done = subprocess.run(
        [ROOT / "scripts" / "image", "build"], stdout=subprocess.PIPE, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, "the images could not be built; the reason is above"
    file = tmp_path_factory.mktemp("images") / "images.json"
    file.write_text(done.stdout)
    return file


@pytest.fixture(scope="session")
def images(table_file: Path) -> Mapping[str, Image]:
    """By the last part of their name: mooring-operator, mooring-node."""
    table = json.loads(table_file.read_text())
    return {name.rpartition("/")[2]: Image.of_entry(entry) for name, entry in table.items()}


@pytest.fixture(scope="session", params=["mooring-operator", "mooring-node"])
def image(request: pytest.FixtureRequest, images: Mapping[str, Image]) -> Image:
    return images[request.param]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    remove(_NAME)
    try:
        with Lab(_NAME, nodes=NODE_NAMES, clients=1) as lab:
            yield lab
    finally:
        remove(_NAME)


Run = Callable[..., Container]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`run(image, network, *arguments, ...)` starts a container; whatever happens, nothing of it is left."""
    containers: list[Container] = []

    def start(image: Image, network: Path, *arguments: str, **options: object) -> Container:
        container = Container(tmp_path / f"container-{len(containers)}", image)
        containers.append(container)
        container.start(network, arguments, **options)
        return container

    try:
        yield start
    finally:
        for container in containers:
            container.close()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a number that was seen; all of them are printed at the end."""
    return lambda text: _figures.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures of the images")
        for text in _figures:
            terminalreporter.line(text)
