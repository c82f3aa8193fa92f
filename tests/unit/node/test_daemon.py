"""How the processes are put together."""

import gc
import json
import os
import select
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mooring_node import daemon, keeping
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import Scheduling, now_ns
from mooring_node.ledger import Ledger
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber, Duty
from mooring_node.supervisor.process import LONGEST_END_NS
from mooring_node.vrrp.config import GroupConfig, MemberConfig, NodeRuntime, to_json

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize(
    ("priority", "granted", "told"),
    [(0, Scheduling.NICE, ("normal", False)), (50, Scheduling.NICE, ("nice", True))],
)
def test_what_was_wanted_is_told_beside_what_was_granted(
    priority: int, granted: Scheduling, told: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "real_time", lambda _: granted)
    monkeypatch.setattr(daemon, "lock_memory", lambda: True)
    facts = daemon.rights_taken(priority)
    assert (facts["scheduling"], facts["realTimeWanted"]) == told


def test_a_successor_waits_for_longer_than_a_planned_end_may_take_and_no_probe_ends_it_before() -> None:
    assert sum(LONGEST_END_NS.values()) / daemon.SECOND_NS < daemon.LOCK_PATIENCE_S
    schema = json.loads((ROOT / "charts" / "mooring" / "values.schema.json").read_text())
    startup = schema["properties"]["node"]["properties"]["startupProbe"]["properties"]
    tries = startup["failureThreshold"]["default"] * startup["periodSeconds"]["default"]
    assert tries >= daemon.LOCK_PATIENCE_S + 5


@pytest.mark.parametrize("left", ["", "no Keep", "too old", "an older release"])
def test_what_is_known_of_backends_outlives_a_daemon_whose_tables_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    state, log, now, hour = StateFolder(tmp_path), Log(as_json=True), now_ns(), 3600 * daemon.SECOND_NS
    member = MemberConfig("web", "eth0", 4, 6, 3, ())
    group = GroupConfig("web", (member,), interval_ns=hour, keep_on_stop=left != "no Keep")
    state.accepted.write_text(to_json(NodeRuntime(1, (group,))))
    state.results.write_text('["quorum web 4",true]\n')
    with Board() as board:
        board.slot("web").write(now, now + hour)
        board.vouch(now - 5)
        daemon._finish(state, board, Ledger(state.ledger))
    if left == "too old":
        monkeypatch.setattr(keeping, "now_ns", lambda: now + hour)
    elif left == "an older release":
        raw = json.loads(state.kept.read_text())
        del raw["vouchedNs"]
        state.kept.write_text(json.dumps(raw))
    with Board() as board:
        daemon._undo_what_is_left(state, board, Ledger(state.ledger), log)
        assert board.vouched_ns() == (0 if left else now - 5)
        assert state.results.exists() is (not left)


@pytest.fixture
def node_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A name of this test's own: the real one is the network namespace's."""
    name = f"\0{tmp_path}"
    monkeypatch.setattr(daemon, "NODE_LOCK", name)
    return name


@pytest.mark.usefixtures("node_lock")
def test_the_second_one_names_the_first_and_has_left_nothing(tmp_path: Path) -> None:
    for each in ("a", "b"):
        (tmp_path / each).mkdir()
    handle, node = daemon.take_lock(StateFolder(tmp_path / "a"), Log(as_json=True), 0)
    # Also with another folder, and also with the same one.
    for each in ("b", "a"):
        with pytest.raises(daemon.AlreadyRunning, match=rf"another daemon .* \(process {os.getpid()}\)"):
            daemon.take_lock(StateFolder(tmp_path / each), Log(as_json=True), 0)
    node.close()
    os.close(handle)
    handle, node = daemon.take_lock(StateFolder(tmp_path / "b"), Log(as_json=True), 0)
    node.close()
    os.close(handle)


def test_one_that_has_the_name_and_does_not_listen_is_not_named(tmp_path: Path, node_lock: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.bind(node_lock)
        with pytest.raises(daemon.AlreadyRunning, match=f"{tmp_path}$"):
            daemon.take_lock(StateFolder(tmp_path), Log(as_json=True), 0)


@pytest.mark.usefixtures("node_lock")
def test_the_second_one_takes_over_when_the_first_has_ended(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    handle, node = daemon.take_lock(state, Log(as_json=True), 0)
    waits = Waits()
    taken: list[tuple[int, socket.socket]] = []
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        waits.begun.wait(30)
        node.close()
        os.close(handle)

    ending = threading.Thread(target=end)
    ending.start()
    taken.append(daemon.take_lock(state, waits, 30))  # type: ignore[arg-type]
    ending.join()
    assert len(waits.lines) == 1
    assert signal.getsignal(signal.SIGTERM) is before
    taken[0][1].close()
    os.close(taken[0][0])


@pytest.mark.usefixtures("node_lock")
def test_one_that_waits_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """As process 1 of a container it would not: the waiting pod could not be deleted before its time was up."""
    state = StateFolder(tmp_path)
    handle, node = daemon.take_lock(state, Log(as_json=True), 0)
    waits = Waits()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = threading.Thread(target=lambda: waits.begun.wait(30) and os.kill(os.getpid(), signal.SIGTERM))
    told.start()
    try:
        with pytest.raises(SystemExit) as ended:
            daemon.take_lock(state, waits, 20)  # type: ignore[arg-type]
    finally:
        told.join()
        signal.signal(signal.SIGTERM, before)
        node.close()
        os.close(handle)
    assert ended.value.code == 0


class Waits:
    """A log that tells when it is first written to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun = threading.Event()

    def write(self, _level: str, message: str) -> None:
        self.lines.append(message)
        self.begun.set()
