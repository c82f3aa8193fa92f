"""The supervisor: more clients than it serves, and children that come, die and end."""

import ctypes
import dataclasses
import errno
import json
import os
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mooring_lab.wait import wait_until
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber, Duty
from mooring_node.supervisor.control import CLIENT_NS, MOST_CLIENTS
from mooring_node.supervisor.handing import APART_NS, PATIENCE_NS
from mooring_node.supervisor.process import LONGEST_END_NS, Supervisor
from mooring_node.supervisor.requests import INQUIRY_NS

#: Of Linux' uapi/linux/prctl.h: who is left without a parent falls to this process.
PR_SET_CHILD_SUBREAPER = 36


class Bench:
    """A supervisor whose children never start, with the other ends of its channels."""

    def __init__(
        self, folder: Path, board: Board, numbers: Sequence[ChildNumber] = tuple(ChildNumber), run: Any = None
    ) -> None:
        self.state = StateFolder(folder)
        self.undone = 0
        pairs = {number: Channel.pair() for number in ChildNumber}
        ours = {number: pair[0] for number, pair in pairs.items()}
        self.vrrp, self.agent, self.checks = (pair[1] for pair in pairs.values())
        self.balances = False
        duties = tuple(
            Duty(number, number.name.lower(), run, 10**13, lambda number=number: self.wanted(number))
            for number in numbers
        )
        self.supervisor = Supervisor(self.state, board, duties, ours, self._undo, Log(as_json=True))
        self._channels = [end for pair in pairs.values() for end in pair]

    def _undo(self) -> None:
        self.undone += 1

    def wanted(self, number: ChildNumber) -> bool:
        return number is not ChildNumber.CHECKS or self.balances

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(10)
        client.connect(str(self.state.control))
        self.supervisor._turn([self.supervisor._requests.control], {})
        return client

    def serve(self) -> None:
        self.supervisor._turn(list(self.supervisor._requests.clients), {})

    def close(self) -> None:
        for child in self.supervisor._children.values():
            if child.running:
                child.kill(now_ns())
                child.reap(now_ns())
        self.supervisor._requests.control.close()
        for client in self.supervisor._requests.clients:
            client.close()
        for channel in self._channels:
            channel.close()
        os.close(self.supervisor._wakeup)
        os.close(self.supervisor._signalled)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Board() as board:
        made = Bench(tmp_path, board)
        yield made
        made.close()


def idle(_restarted: bool) -> None:
    """A child that ends well when it is asked to."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Bench]:
    """Its children are started; they do nothing."""
    with Board() as board:
        made = Bench(tmp_path, board, run=idle)
        yield made
        made.close()


@pytest.fixture
def live_without_vrrp(tmp_path: Path) -> Iterator[Bench]:
    """The same with the agent and the checks alone."""
    with Board() as board:
        made = Bench(tmp_path, board, [ChildNumber.AGENT, ChildNumber.CHECKS], idle)
        yield made
        made.close()


def test_more_clients_than_it_serves_are_turned_away(bench: Bench) -> None:
    clients = [bench.connect() for _ in range(MOST_CLIENTS)]
    late = bench.connect()
    assert late.recv(1) == b""
    clients[0].send(b'{"do": "dance"}\n')
    bench.serve()
    assert b"unknown request" in clients[0].recv(4096)
    again = bench.connect()
    again.setblocking(False)
    with pytest.raises(BlockingIOError):
        again.recv(1)
    for client in (*clients, late, again):
        client.close()


def test_a_client_that_asks_nothing_is_dropped_in_time(bench: Bench) -> None:
    client = bench.connect()
    bench.supervisor._requests.expire(now_ns() + CLIENT_NS)
    assert client.recv(1) == b""
    assert bench.supervisor._requests.clients == []
    client.close()


@pytest.mark.parametrize("request_bytes", [b"banana\n", b"[" * 4000 + b"\n", b"x" * 3000])
def test_a_bad_client_harms_nobody(bench: Bench, request_bytes: bytes) -> None:
    bad, good = bench.connect(), bench.connect()
    bad.send(request_bytes)
    good.send(b'{"do": "maintenance", "on": true}\n')
    bench.serve()
    assert good.recv(4096) == b'{"maintenance": true}\n'
    bad.close()
    bench.serve()
    good.close()
    assert bench.supervisor._requests.clients == []


def test_maintenance_is_on_disk_before_it_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mooring_node.supervisor.requests.write_atomically", full)
    client = bench.connect()
    client.send(b'{"do": "maintenance", "on": true}\n')
    bench.serve()
    assert b"nothing has changed: " in client.recv(4096)
    assert list(bench.vrrp.receive()) == []
    client.close()


@pytest.mark.parametrize("request_line", [b'{"do": "maintenance", "on": true}\n', b'{"do": "hand-over"}\n'])
def test_nothing_is_changed_for_who_did_not_wait(
    bench: Bench, request_line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    client = bench.connect()
    client.send(request_line)
    client.close()
    bench.serve()
    assert not bench.state.maintenance.exists()
    assert bench.supervisor._board.apart_until_ns() == 0
    assert "nothing is done: who asked for " in capfd.readouterr().err
    assert bench.supervisor._requests.clients == []


def test_a_question_that_the_children_leave_open_is_answered_in_time(bench: Bench) -> None:
    client = bench.connect()
    client.send(b'{"do": "status"}\n')
    bench.serve()
    (asked,) = bench.vrrp.receive()
    assert asked["do"] == "snapshot"
    bench.vrrp.send({"id": asked["id"], "end": {"generation": 1}})
    bench.supervisor._turn([bench.supervisor._channels[ChildNumber.VRRP]], {})
    bench.supervisor._requests.expire(now_ns() + INQUIRY_NS)
    reply = client.recv(1 << 16)
    assert b'"silent": ["agent"]' in reply
    client.close()


def test_who_was_stopped_together_with_the_supervisor_may_still_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that stood still: the supervisor wakes first, and what it asked before has had no time."""
    client = bench.connect()
    idle = bench.connect()
    client.send(b'{"do": "status"}\n')
    bench.supervisor._turn([bench.supervisor._requests.clients[0]], {})
    (asked,) = bench.vrrp.receive()
    woke = now_ns() + 60 * 10**9
    monkeypatch.setattr("mooring_node.supervisor.process.now_ns", lambda: woke)
    bench.supervisor._turn([], {})
    bench.vrrp.send({"id": asked["id"], "end": {"generation": 1}})
    bench.agent.send({"id": asked["id"], "agent": {"generation": 1}})
    bench.supervisor._turn([bench.supervisor._channels[number] for number in (ChildNumber.VRRP, ChildNumber.AGENT)], {})
    assert json.loads(client.recv(1 << 16))["silent"] == []
    assert len(bench.supervisor._requests.clients) == 1, "who has not asked yet has time for it, too"
    client.close()
    idle.close()


def test_who_does_not_answer_after_it_either_is_silent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = bench.connect()
    client.send(b'{"do": "status"}\n')
    bench.serve()
    began = now_ns()
    for seconds in (60, 61, 62, 63):
        monkeypatch.setattr("mooring_node.supervisor.process.now_ns", lambda seconds=seconds: began + seconds * 10**9)
        bench.supervisor._turn([], {})
    assert json.loads(client.recv(1 << 16))["silent"] == ["vrrp", "agent"]
    client.close()


def test_what_a_silent_process_holds_and_since_when_it_is_silent_is_told(live: Bench) -> None:
    start_all(live)
    now = now_ns()
    live.supervisor._board.slot("web-0").write(now, now + 4_500_000_000)
    live.supervisor._board.slot("web-1").write(0, 0)
    about = live.supervisor._requests.about(now + 2_300_000_000)
    assert about["leases"] == [{"group": "web-0", "seconds": 2}]
    vrrp = about["processes"][0]
    assert (vrrp["name"], vrrp["stallSeconds"]) == ("vrrp", 10_000)
    assert 2.3 <= vrrp["idleSeconds"] < 4
    live.supervisor._children[ChildNumber.VRRP].kill(now)
    live.supervisor._died(live.supervisor._children[ChildNumber.VRRP], now)
    assert live.supervisor._requests.about(now)["processes"][0]["idleSeconds"] is None


def test_who_has_nothing_to_run_says_so_before_it_ends(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.agent.send({"unusable": 3})
    bench.supervisor._turn([bench.supervisor._channels[ChildNumber.AGENT]], {})
    said, ends = capfd.readouterr().err.splitlines()
    assert "there is nothing to run, and no last good one; exit code 3" in said
    assert "stopping" in ends


# The third child, which is there only while it has something to do.


def start_all(bench: Bench) -> None:
    bench.supervisor._look_after_children(now_ns())


def wait_for_end(bench: Bench, number: ChildNumber) -> None:
    child = bench.supervisor._children[number]
    assert select.select([child.pidfd], [], [], 10)[0]
    bench.supervisor._turn([child.pidfd], {child.pidfd: child})


def running(bench: Bench) -> list[str]:
    return [child.duty.name for child in bench.supervisor._children.values() if child.running]


def refused(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == errno.ECONNREFUSED


def test_checks_run_only_while_there_is_something_to_run(live: Bench) -> None:
    start_all(live)
    assert running(live) == ["vrrp", "agent"]
    assert live.supervisor._sleep_s(now_ns()) > 0
    live.balances = True
    assert live.supervisor._sleep_s(now_ns()) == 0
    start_all(live)
    assert running(live) == ["vrrp", "agent", "checks"]
    live.balances = False
    start_all(live)
    # It is told by its configuration; what it has set goes with it.
    assert running(live) == ["vrrp", "agent", "checks"]
    live.supervisor._children[ChildNumber.CHECKS].terminate()
    wait_for_end(live, ChildNumber.CHECKS)
    start_all(live)
    assert running(live) == ["vrrp", "agent"]
    assert [each["name"] for each in live.supervisor._requests.about(now_ns())["processes"]] == ["vrrp", "agent"]


def test_who_asked_while_a_child_was_started_is_told_the_end_of_his_answer(live: Bench) -> None:
    """The child has a copy of the connection; a probe that reads until its end waited for the child's end."""
    client = live.connect()
    start_all(live)
    client.send(b'{"do": "live"}\n')
    live.serve()
    received = b""
    while data := client.recv(4096):
        received += data
    assert received.startswith(b"yes live: ")
    client.close()


def test_when_the_supervisor_is_no_more_its_children_let_nobody_wait(live: Bench) -> None:
    start_all(live)
    # As the kernel closes it at a SIGKILL: without a farewell, and the name stays.
    live.supervisor._requests.control.leave()
    wait_until(lambda: refused(live.state.control), 10, "the children to leave the socket")


def test_checks_that_die_are_replaced_and_nothing_is_undone(live: Bench) -> None:
    live.balances = True
    start_all(live)
    for _ in range(4):
        checks = live.supervisor._children[ChildNumber.CHECKS]
        checks.kill(now_ns())
        wait_for_end(live, ChildNumber.CHECKS)
        live.supervisor._look_after_children(now_ns() + 10**10)
    assert running(live) == ["vrrp", "agent", "checks"]
    assert live.undone == 0


def test_the_supervisor_survives_a_kernel_that_undoes_nothing(
    live: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise OSError(errno.EAGAIN, "the kernel's table changed during each of 16 dumps")

    monkeypatch.setattr(live.supervisor, "_undo", refuse)
    child = live.supervisor._children[ChildNumber.VRRP]
    for _ in range(2):
        start_all(live)
        child.kill(now_ns())
        wait_for_end(live, ChildNumber.VRRP)
    assert "until its lease ends" in capfd.readouterr().err
    assert child.start_at_ns is not None


def test_they_end_in_order_each_in_its_time(live: Bench) -> None:
    live.balances = True
    start_all(live)
    live.supervisor.stop(now_ns())
    assert list(live.vrrp.receive()) == [{"do": "stop"}]
    assert running(live) == ["vrrp", "agent", "checks"]
    live.supervisor._children[ChildNumber.VRRP].terminate()
    wait_for_end(live, ChildNumber.VRRP)
    assert live.supervisor._ending is ChildNumber.CHECKS
    # No signal: it would wait for a hand-over.
    assert list(live.checks.receive()) == [{"do": "stop"}]
    live.supervisor._children[ChildNumber.CHECKS].terminate()
    wait_for_end(live, ChildNumber.CHECKS)
    wait_for_end(live, ChildNumber.AGENT)
    assert running(live) == []


def test_one_that_does_not_end_is_killed_and_the_next_has_its_own_time(live: Bench) -> None:
    live.balances = True
    start_all(live)
    os.kill(live.supervisor._children[ChildNumber.CHECKS].pid, signal.SIGSTOP)
    now = now_ns()
    live.supervisor.stop(now)
    live.supervisor._look_after_children(now + LONGEST_END_NS[ChildNumber.VRRP] + 1)
    wait_for_end(live, ChildNumber.VRRP)
    until = live.supervisor._end_by_ns
    assert running(live) == ["agent", "checks"]
    live.supervisor._look_after_children(until + 1)
    wait_for_end(live, ChildNumber.CHECKS)
    assert running(live) == ["agent"]
    wait_for_end(live, ChildNumber.AGENT)


def test_without_a_vrrp_process_nobody_asks_it(live_without_vrrp: Bench) -> None:
    bench = live_without_vrrp
    bench.balances = True
    start_all(bench)
    assert running(bench) == ["agent", "checks"]
    client = bench.connect()
    client.send(b'{"do": "status"}\n')
    bench.serve()
    (asked,) = bench.checks.receive()
    bench.checks.send({"id": asked["id"], "checks": {"generation": 3}})
    bench.supervisor._turn([bench.supervisor._channels[ChildNumber.CHECKS]], {})
    bench.supervisor._requests.expire(now_ns() + INQUIRY_NS)
    reply = json.loads(client.recv(1 << 16))
    assert reply["silent"] == ["agent"]
    assert reply["checks"] == {"generation": 3}
    client.close()
    assert bench.supervisor._requests._set_maintenance(True) == {
        "maintenance": True,
        "remark": "it has no effect while no VRRP is spoken (--checks-only)",
    }
    assert list(bench.vrrp.receive()) == []
    bench.supervisor.stop(now_ns())
    assert list(bench.checks.receive()) == [{"do": "stop"}]
    bench.supervisor._children[ChildNumber.CHECKS].terminate()
    wait_for_end(bench, ChildNumber.CHECKS)
    wait_for_end(bench, ChildNumber.AGENT)
    assert running(bench) == []


def test_who_waits_in_the_kernel_is_left_alone_and_who_hangs_is_replaced(
    capfd: pytest.CaptureFixture[str], live: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_all(live)
    vrrp = live.supervisor._children[ChildNumber.VRRP]
    vrrp.duty = dataclasses.replace(vrrp.duty, stall_ns=3 * 10**9)
    waits = True
    monkeypatch.setattr("mooring_node.supervisor.children.waits_in_kernel", lambda _: waits)
    began = vrrp.started_ns
    for seconds in range(1, 21):
        live.supervisor._look_after_children(began + seconds * 10**9)
    assert capfd.readouterr().err.count("waited in the kernel for 3s") == 1
    woke = began + 20 * 10**9
    monkeypatch.setattr("mooring_node.supervisor.process.now_ns", lambda: woke)
    client = ask(live, "live")
    assert client.recv(4096).startswith(b"yes live: vrrp 0.0 s ago")
    client.close()
    waits = False
    live.supervisor._look_after_children(woke + 2 * 10**9)
    assert vrrp.running
    live.supervisor._look_after_children(woke + 4 * 10**9)
    assert "the vrrp process has made no progress for 3s; killing it" in capfd.readouterr().err
    wait_for_end(live, ChildNumber.VRRP)
    assert vrrp.restarts == 1


# What kubelet asks, and what it has done before the end.


def ask(bench: Bench, request: str) -> socket.socket:
    client = bench.connect()
    client.send(f'{{"do": "{request}"}}\n'.encode())
    bench.serve()
    return client


def hear(bench: Bench, number: ChildNumber) -> None:
    bench.supervisor._turn([bench.supervisor._channels[number]], {})


def test_a_child_that_was_killed_and_does_not_end_is_told_of(live: Bench) -> None:
    start_all(live)
    client = ask(live, "live")
    assert client.recv(4096).startswith(b"yes live: vrrp ")
    client.close()
    # As one that is stuck in the kernel: the signal is noted, and has no effect.
    live.supervisor._children[ChildNumber.AGENT]._killed_ns = now_ns() - 11 * 10**9
    client = ask(live, "live")
    assert client.recv(4096) == b"no the agent process was killed 11 s ago and does not end\n"
    client.close()
    # While it ends, that is its own affair.
    live.supervisor._family.stopping = True
    client = ask(live, "live")
    assert client.recv(4096).startswith(b"yes ")
    client.close()
    live.supervisor._family.stopping = False


def test_a_vrrp_process_that_dies_again_and_again_is_told_of_in_the_end(live: Bench) -> None:
    start_all(live)
    vrrp = live.supervisor._children[ChildNumber.VRRP]
    for _ in range(2):
        vrrp.kill(now_ns())
        wait_for_end(live, ChildNumber.VRRP)
        live.supervisor._look_after_children(now_ns() + 10**10)
    assert vrrp.running
    assert live.supervisor._family.life(now_ns()).startswith("yes ")
    vrrp._failing_ns -= 200 * 10**9
    assert "dying again and again for 20" in live.supervisor._family.life(now_ns())
    # It has lived long enough since.
    vrrp.started_ns = now_ns() - 61 * 10**9
    assert live.supervisor._family.life(now_ns()).startswith("yes ")


def test_both_are_asked_whether_this_node_is_ready(bench: Bench) -> None:
    client = ask(bench, "ready")
    (asked,) = bench.vrrp.receive()
    assert asked["do"] == "ready"
    assert list(bench.agent.receive()) == [asked]
    bench.vrrp.send({"ready": "vrrp", "id": asked["id"], "runs": 1, "waits": "web is not started"})
    hear(bench, ChildNumber.VRRP)
    bench.agent.send({"ready": "agent", "id": asked["id"], "nothing": False, "waits": ""})
    hear(bench, ChildNumber.AGENT)
    assert client.recv(4096) == b"no web is not started\n"
    client.close()


def test_a_hand_over_is_on_the_board_and_all_who_wait_are_answered(bench: Bench) -> None:
    first, second = ask(bench, "hand-over"), ask(bench, "hand-over")
    assert [each["do"] for each in bench.vrrp.receive()] == ["hand-over", "hand-over"]
    left_ns = bench.supervisor._board.apart_until_ns() - now_ns()
    assert APART_NS - 10**10 < left_ns <= APART_NS
    waiting = ask(bench, "ready")
    assert waiting.recv(4096).startswith(b"no everything is handed over; it takes part again in ")
    bench.vrrp.send({"handedOver": True})
    hear(bench, ChildNumber.VRRP)
    for client in (first, second):
        assert json.loads(client.recv(4096)) == {"handedOver": True}
        client.close()
    waiting.close()


def test_one_that_is_not_done_is_told_in_time_and_lasts(bench: Bench) -> None:
    client = ask(bench, "hand-over")
    bench.supervisor._requests.expire(now_ns() + PATIENCE_NS)
    assert "not everything was let go" in json.loads(client.recv(4096))["error"]
    assert bench.supervisor._board.apart_until_ns() > now_ns()
    client.close()


def test_more_than_it_serves_do_not_wait_for_a_hand_over(bench: Bench) -> None:
    clients = [ask(bench, "hand-over") for _ in range(MOST_CLIENTS + 1)]
    assert "too many wait" in json.loads(clients[0].recv(4096))["error"]
    for client in clients:
        client.close()
    bench.vrrp.send({"handedOver": True})
    hear(bench, ChildNumber.VRRP)


def test_a_hand_over_outlasts_what_kubelet_gives() -> None:
    """It must not take part again while it is about to be ended: the hook's bound, then all the ends."""
    assert PATIENCE_NS + sum(LONGEST_END_NS.values()) - LONGEST_END_NS[ChildNumber.VRRP] < APART_NS


def test_without_vrrp_there_is_nothing_to_hand_over(live_without_vrrp: Bench) -> None:
    client = ask(live_without_vrrp, "hand-over")
    assert json.loads(client.recv(4096))["handedOver"]
    client.close()


def leave_orphans(_restarted: bool) -> None:
    """As a script does that is ended: its group dies, and only the script itself is collected."""
    for _ in range(3):
        middle = os.fork()
        if middle == 0:
            os.fork()
            os._exit(0)
        os.waitpid(middle, 0)
    Path("orphans").touch()
    signal.pause()


def test_as_process_1_of_a_container_it_collects_what_others_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Board() as board:
        bench = Bench(tmp_path, board, [ChildNumber.AGENT], leave_orphans)
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            os._exit(bench.supervisor.run())
        children = Path(f"/proc/{pid}/task/{pid}/children")
        try:
            wait_until(lambda: Path("orphans").exists(), 30, "the orphans to be left")
            wait_until(lambda: len(children.read_text().split()) == 1, 10, "all but its own child to be collected")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            bench.close()
