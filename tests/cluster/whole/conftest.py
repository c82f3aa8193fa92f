"""One lab for the session; each test gets it as it was in the beginning, or a new one where that can't be done."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cluster.whole.agreement import Agreement
from tests.cluster.whole.scenery import Scene

from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab, remove

_NAME = f"t{os.getpid()}"
_ACCOUNTS = [f"system:serviceaccount:mooring-system:mooring-{who}" for who in ("operator", "node")]
#: What the software asks for, and what came of it; never what is in it.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": _ACCOUNTS}, {"level": "None"}],
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_api: shows what only a real API server can")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What can be seen on a real API server alone is no test of another one."""
    if config.getoption("--api") == ApiKind.REAL:
        return
    here = Path(__file__).parent
    out = [item for item in items if item.path.is_relative_to(here) and item.get_closest_marker("real_api")]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


class Stage:
    """The lab, built when the first test needs it, and again when a test left it beyond repair."""

    def __init__(self, kind: ApiKind, folder: Path) -> None:
        self.kind = kind
        self.audit_log = folder / "audit.log"
        self._folder = folder
        self._scene: Scene | None = None

    def scene(self) -> Scene:
        if self._scene is None:
            remove(_NAME)
            self._scene = Scene(Lab(_NAME, nodes=3, api=self.kind, server_flags=self._flags()).up())
        return self._scene

    def give_back(self, scene: Scene) -> None:
        """Make it as it was; the error is of the test that left it so, and the next one gets a new lab."""
        try:
            scene.clean()
        except Exception:
            self.close()
            # Here, so that what it makes was there before the next test.
            self.scene()
            raise

    def close(self) -> None:
        if self._scene is not None:
            self._scene.close()
            self._scene.lab.down()
            self._scene = None

    def _flags(self) -> list[str]:
        if self.kind is not ApiKind.REAL:
            return []
        policy = self._folder / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump(_AUDIT))
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-format=json"]


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    found = Stage(ApiKind(request.config.getoption("--api")), tmp_path_factory.mktemp("whole"))
    try:
        found.scene()
        yield found
    finally:
        found.close()
        remove(_NAME)


@pytest.fixture
def scene(stage: Stage) -> Iterator[Scene]:
    """Three nodes lb-1, lb-2, lb-3 with running daemons, an operator that leads, and no VirtualIP.

    Whatever the test does, no write of the operator may make it possible that an address has two holders.
    """
    found = stage.scene()
    with Agreement(found.client, lambda name: bool(found.node(name))) as agreement:
        yield found
    try:
        agreement.assert_kept()
    finally:
        stage.give_back(found)
