"""A node without IPVS' module: who asks for it again, and who does not ask for it at all."""

import errno
from pathlib import Path
from typing import cast

import pytest
from tests.unit.node.ipvs.fake_kernel import FakeKernel
from tests.unit.node.ipvs.tables import WEB

from mooring_node.balance.assembly import RETRY_NS, SYNC_NS, KernelTables
from mooring_node.balance.clearing import clear_away
from mooring_node.balance.config import SyncConfig
from mooring_node.files import StateFolder
from mooring_node.ipvs import kernel as ipvs_kernel
from mooring_node.ipvs import modules
from mooring_node.ipvs.kernel import Ipvs, IpvsMissingError
from mooring_node.ipvs.owned import Owned


def test_the_sync_daemon_does_not_wait_long_for_a_module_that_is_being_loaded(tmp_path: Path) -> None:
    kernel = FakeKernel()
    tables = KernelTables(cast(Ipvs, kernel), Owned(tmp_path / "owned"))
    tables.want({}, SyncConfig("eth0"))
    kernel.breaks = IpvsMissingError(errno.ENOENT, "the kernel lacks the module ip_vs: modprobe is looking for it")
    due_ns = tables.turn(1)
    assert due_ns <= 1 + RETRY_NS
    assert [remark.module for remark in tables.remarks({})] == ["ip_vs"]
    kernel.breaks = None
    assert tables.turn(due_ns) <= due_ns + SYNC_NS
    assert len(kernel.daemons) == 2
    assert [remark for remark in tables.remarks({}) if remark.module] == []


def test_nothing_is_loaded_to_clear_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class WithoutIpvs:
        def __init__(self, *_: object) -> None: ...

        def ask(self, *_: object) -> None:
            raise OSError(errno.ENOENT, "no such family")

        def close(self) -> None: ...

    def refuse(_loader: modules.Loader, module: str) -> None:
        raise AssertionError(module)

    monkeypatch.setattr(ipvs_kernel, "Exchange", WithoutIpvs)
    monkeypatch.setattr(modules.Loader, "__call__", refuse)
    monkeypatch.setattr("mooring_node.balance.clearing.undo_all", lambda *_: ())
    state = StateFolder(tmp_path)
    state.balancing.touch()
    Owned(state.ipvs_owned).write(services=[WEB])
    assert clear_away(state) == ()
    assert not state.balancing.exists()
