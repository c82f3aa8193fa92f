"""The settings that bear on connection sync."""

from pathlib import Path

import pytest

from mooring_node.ipvs.settings import hindrances, read_settings

DEFAULTS = {"backup_only": "0", "sync_version": "1", "sync_persist_mode": "0", "sync_threshold": "3 50"}


def test_settings_are_read_as_far_as_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "sync_threshold").write_text("3\t50\n")
    assert read_settings(folder=tmp_path) == {"sync_threshold": "3 50"}
    (tmp_path / "sync_threshold").write_text("0 10")
    assert read_settings(folder=tmp_path) == {"sync_threshold": "0 10"}
    assert read_settings(folder=tmp_path / "none") == {}


def test_the_kernels_defaults_hinder_nothing() -> None:
    assert hindrances(DEFAULTS) == hindrances({}) == ()


@pytest.mark.parametrize(("name", "value"), [("backup_only", "1"), ("sync_version", "0"), ("sync_persist_mode", "1")])
def test_a_hindrance_is_named_with_its_remedy(name: str, value: str) -> None:
    (found,) = hindrances({**DEFAULTS, name: value})
    assert found.startswith(f"net.ipv4.vs.{name} is ")
    assert "; set it to " in found
