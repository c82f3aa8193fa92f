"""One kubelet's services before a fake API server."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.lab.kubelet.fake_client import FakeClient
from tests.unit.lab.kubelet.pods import NODE

from mooring_lab.kubelet.reporter import Reporter, Teller
from mooring_lab.kubelet.rules import Pace
from mooring_lab.kubelet.services import Services


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def services(client: Any, tmp_path: Path) -> Services:
    log: list[str] = []
    return Services(client, NODE, tmp_path, Pace(), Reporter(client, log.append), Teller(client, "lb-1"), log.append)
