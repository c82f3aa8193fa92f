"""Which module a refusal is for the lack of, and how loading one goes wrong."""

import errno
import subprocess
from pathlib import Path

import pytest
from tests.unit.node.ipvs.tables import ONE, WEB

from mooring_node.ipvs import modules
from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.table import Destination, Service


def _refused(action: Action, service: Service | None, code: int = errno.ENOENT) -> str | None:
    return modules.missing_module(Operation(action, WEB, None, service), code)


def test_a_scheduler_that_is_not_there() -> None:
    assert _refused(Action.NEW_SERVICE, Service("mh")) == "ip_vs_mh"
    assert _refused(Action.SET_SERVICE, Service("mh")) == "ip_vs_mh"


def test_other_refusals_are_for_other_reasons() -> None:
    assert _refused(Action.NEW_SERVICE, Service("mh"), errno.EINVAL) is None
    assert _refused(Action.DELETE_SERVICE, None) is None
    lost = Operation(Action.SET_DESTINATION, WEB, ONE, Destination(1))
    assert modules.missing_module(lost, errno.ENOENT) is None


@pytest.mark.parametrize(("scheduler_is_there", "module"), [(True, "ip_vs_pe_sip"), (False, "ip_vs_rr")])
def test_an_engine_is_blamed_where_the_scheduler_is_there(
    monkeypatch: pytest.MonkeyPatch, scheduler_is_there: bool, module: str
) -> None:
    monkeypatch.setattr(modules, "is_loaded", lambda _name: scheduler_is_there)
    assert _refused(Action.NEW_SERVICE, Service("rr", persistence_engine="sip")) == module


def test_a_node_that_loads_no_more_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modules_disabled").write_text("1\n")
    monkeypatch.setattr(modules, "_DISABLED", tmp_path / "modules_disabled")
    assert "modules_disabled" in modules.load("ip_vs")


def test_without_modprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "_PATH", "/nowhere")
    assert "no modprobe" in modules.load("ip_vs")


@pytest.mark.parametrize(("script", "reason"), [("exit 0", ""), ("exit 1", "may not load it")])
def test_modprobe_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, reason: str) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "modprobe"
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}\n{script}\n')
    program.chmod(0o700)
    monkeypatch.setattr(modules, "_PATH", str(tmp_path))
    said = modules.load("ip_vs_mh")
    assert said.endswith(reason)
    assert bool(said) == bool(reason)
    assert asked.read_text() == "--quiet ip_vs_mh\n"


def test_a_modprobe_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "modprobe"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)

    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("modprobe", timeout)

    monkeypatch.setattr(modules, "_PATH", str(tmp_path))
    monkeypatch.setattr(modules.subprocess, "run", hang)
    assert "modprobe did not run" in modules.load("ip_vs")


def test_what_is_loaded_is_seen() -> None:
    assert not modules.is_loaded("no_such_module")
