"""Which module a refusal is for the lack of, and how loading one goes wrong."""

import errno
import time
from collections.abc import Callable
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


def _loaded(loader: modules.Loader, module: str) -> str:
    """What is said of it in the end; it is asked for as a turn does, now and then."""
    until = time.monotonic() + 60
    while (said := loader(module)) is None:
        assert time.monotonic() < until
        time.sleep(0.005)
    return said


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """A modprobe of this text; gives the file where it may write."""

    def write(script: str) -> Path:
        program, asked = tmp_path / "modprobe", tmp_path / "asked"
        program.write_text(f'#!/bin/sh\nexec >> {asked}\necho "$@"\n{script}\n')
        program.chmod(0o700)
        return asked

    monkeypatch.setattr(modules, "_PATH", str(tmp_path))
    return write


def test_a_node_that_loads_no_more_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modules_disabled").write_text("1\n")
    monkeypatch.setattr(modules, "_DISABLED", tmp_path / "modules_disabled")
    assert "modules_disabled" in (modules.Loader()("ip_vs") or "")


def test_without_modprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "_PATH", "/nowhere")
    assert "no modprobe" in (modules.Loader()("ip_vs") or "")


@pytest.mark.parametrize(("script", "reason"), [("exit 0", ""), ("exit 1", "may not load it")])
def test_modprobe_is_asked_once(write: Callable[[str], Path], script: str, reason: str) -> None:
    asked = write(script)
    loader = modules.Loader()
    for _ in range(2):
        said = _loaded(loader, "ip_vs_mh")
        assert said.endswith(reason)
        assert bool(said) == bool(reason)
    assert asked.read_text() == "--quiet ip_vs_mh\n"


def test_a_modprobe_that_cannot_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modprobe").write_text("#!/no/such/program\n")
    (tmp_path / "modprobe").chmod(0o700)
    monkeypatch.setattr(modules, "_PATH", str(tmp_path))
    assert "modprobe did not run" in (modules.Loader()("ip_vs") or "")


def test_a_modprobe_that_hangs_keeps_nobody_waiting(write: Callable[[str], Path]) -> None:
    """The checks process says nothing else meanwhile; after 3 s the VRRP process would take it for dead."""
    write("exec sleep 3600")
    now_s = 0.0
    loader = modules.Loader(lambda: now_s)
    began = time.monotonic()
    for _ in range(3):
        assert loader("ip_vs_mh") is None
        assert loader("ip_vs_rr") is None
        now_s += 2
    assert time.monotonic() - began < 2
    assert loader("ip_vs_mh") == "modprobe was ended, it took longer than 5 s"
    write("exit 0")
    assert _loaded(loader, "ip_vs_rr") == "", "one after the other"
    assert loader("ip_vs_mh"), "and none twice"


def test_what_is_loaded_is_seen() -> None:
    assert not modules.is_loaded("no_such_module")
