"""kubectl is run with its own kubeconfig alone, and never waits for somebody to type."""

from pathlib import Path

import pytest

from mooring_lab.api import tools
from mooring_lab.api.kubectl import Kubectl
from mooring_lab.rights import LabError

FAKE = """#!/bin/sh
echo "home $HOME, config ${KUBECONFIG-none}, proxy ${https_proxy-none}${HTTPS_PROXY-}"
echo "$@"
cat
exit 3
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    program = tmp_path / "kubectl-1.32"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.delenv(tools.ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv(tools.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "/somebody/config")
    monkeypatch.setenv("https_proxy", "http://proxy.example.com")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    return Kubectl(Path("/k"), tmp_path / "home", "1.32")


def test_nothing_of_the_users_own_is_seen(kubectl: Kubectl, tmp_path: Path) -> None:
    done = kubectl("get", "vip", stdin="typed\n")
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        f"home {tmp_path}/home, config none, proxy none",
        "--kubeconfig=/k get vip",
        "typed",
    ]


def test_without_a_text_its_input_is_empty(kubectl: Kubectl) -> None:
    assert len(kubectl("edit").stdout.splitlines()) == 2


@pytest.mark.usefixtures("kubectl")
def test_a_version_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"kubectl-1\.20 is missing"):
        Kubectl(Path("/k"), tmp_path, "1.20")
