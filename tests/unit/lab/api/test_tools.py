"""Where the programs of a real API server are looked for, and what is said when one is missing."""

from pathlib import Path

import pytest

from mooring_lab.api import tools
from mooring_lab.rights import LabError


def _programs(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch(0o755)
    return folder


def test_they_are_in_the_cache(tmp_path: Path) -> None:
    cache = _programs(tmp_path / "cache", "etcd", "kubectl-1.20")
    assert tools.find("etcd", {tools.CACHE_VARIABLE: str(cache)}) == cache / "etcd"
    assert tools.find("kubectl-1.20", {tools.CACHE_VARIABLE: str(cache)}) == cache / "kubectl-1.20"


def test_what_the_assets_hold_goes_first(tmp_path: Path) -> None:
    assets = _programs(tmp_path / "assets", *tools.SERVERS)
    cache = _programs(tmp_path / "cache", "etcd", "kubectl")
    environ = {tools.ASSETS_VARIABLE: str(assets), tools.CACHE_VARIABLE: str(cache)}
    assert tools.find("etcd", environ) == assets / "etcd"
    assert tools.find("kubectl", environ) == cache / "kubectl", "clients may be built beside somebody's servers"


def test_a_server_that_the_assets_lack_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    """Servers of two versions would be mixed in silence."""
    assets = _programs(tmp_path / "assets", "etcd", "kube-apiserver")
    cache = _programs(tmp_path / "cache", "kube-controller-manager")
    environ = {tools.ASSETS_VARIABLE: str(assets), tools.CACHE_VARIABLE: str(cache)}
    with pytest.raises(LabError, match=r"KUBEBUILDER_ASSETS=.*assets has no kube-controller-manager"):
        tools.find("kube-controller-manager", environ)


def test_what_is_nowhere_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"etcd is missing .*: make cluster-tools"):
        tools.find("etcd", {tools.CACHE_VARIABLE: str(tmp_path)})
    (tmp_path / "etcd").touch(0o644)
    with pytest.raises(LabError, match="etcd is missing"):
        tools.find("etcd", {tools.CACHE_VARIABLE: str(tmp_path)})
