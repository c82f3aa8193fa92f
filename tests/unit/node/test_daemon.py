"""How the processes are put together."""

import gc
import os
import select
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring_node import daemon
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber, Duty


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("checks_only", [False, True])
def test_nothing_is_to_be_heard_before_somebody_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checks_only: bool
) -> None:
    seen: list[list[ChildNumber]] = []
    started: list[bool] = []

    class Watching:
        def __init__(
            self, _state: Any, _board: Any, duties: tuple[Duty, ...], channels: Mapping[ChildNumber, Channel], *_: Any
        ) -> None:
            self._duties, self._channels = duties, channels

        def run(self) -> int:
            # An end that nobody keeps is closed, and the other one is readable for ever.
            gc.collect()
            seen.append([duty.number for duty in self._duties])
            assert select.select([*self._channels.values()], [], [], 0)[0] == []
            # In a process of its own, as it is: it closes ends that others keep.
            pid = os.fork()
            if pid == 0:
                try:
                    self._duties[-1].run(False)
                finally:
                    os._exit(0 if started else 1)
            started.append(os.waitpid(pid, 0)[1] == 0)
            return 0

    def checks(_state: Any, _board: Any, _child: int, ends: tuple[Channel, ...], *_: Any) -> None:
        assert select.select([*ends], [], [], 0)[0] == []
        started.append(True)

    monkeypatch.setattr(daemon, "Supervisor", Watching)
    monkeypatch.setattr(daemon, "set_name", lambda _: None)
    monkeypatch.setattr("mooring_node.balance.assembly.run_checks", checks)
    for name in ("_undo_what_is_left", "_finish"):
        monkeypatch.setattr(daemon, name, lambda *_: None)
    monkeypatch.setattr(daemon, "take_lock", lambda *_: (os.open(os.devnull, os.O_RDONLY), socket.socket()))
    try:
        assert daemon.run(StateFolder(tmp_path), lambda *_: None, Log(as_json=True), checks_only=checks_only) == 0
    finally:
        gc.enable()
        gc.unfreeze()
        gc.collect()  # the daemon's own end closes its channels
    others = [ChildNumber.AGENT, ChildNumber.CHECKS]
    assert seen == [others if checks_only else [ChildNumber.VRRP, *others]]
    assert started == [True]
