"""A real API server for the session, with our CRDs; a missing program is an error here, never a skip."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_lab.api import NAMESPACE
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi

CRDS = Path(__file__).parents[2] / "crds"
_figures: list[str] = []


def install(kubectl: Kubectl) -> None:
    """What every cluster with Mooring has first: its CRDs, established, and its namespace."""
    for words in (
        ("apply", "-f", str(CRDS)),
        ("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=30s"),
        ("create", "namespace", NAMESPACE),
    ):
        done = kubectl(*words)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def real_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApi]:
    """One API server for all tests that leave it as it was: running, with our CRDs and the namespace."""
    api = RealApi(tmp_path_factory.mktemp("api"))
    api.start()
    try:
        install(Kubectl(api.kubeconfig, tmp_path_factory.mktemp("home")))
        yield api
    finally:
        api.stop()


@pytest.fixture(scope="session")
def kubectl(real_api: RealApi, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The newest kubectl, as administrator: `kubectl("get", "vip")` gives a CompletedProcess."""
    return Kubectl(real_api.kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def client(real_api: RealApi) -> Iterator[Client]:
    """Our own client, as administrator."""
    client = Client(from_kubeconfig(real_api.kubeconfig), agent="tests")
    yield client
    client.close()


@pytest.fixture
def own_api(tmp_path: Path) -> Iterator[RealApi]:
    """An API server that a test may break; nothing is installed on it."""
    api = RealApi(tmp_path / "api")
    api.start()
    try:
        yield api
    finally:
        api.stop()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says a number that was seen; all of them are printed at the end."""
    return lambda text: _figures.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for text in _figures:
            terminalreporter.line(text)
