"""The probe's own half: what it asks, what it prints, and what it must not import."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring_node.main import main
from mooring_node.probe import FAILED, NO_DAEMON, probe


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[[bytes], list[bytes]]]:
    """`daemon(b"yes ...")` answers one question with this, in one piece; what was asked comes into the list."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "control.sock"))
    listener.listen()
    threads = []

    def answer(said: bytes) -> list[bytes]:
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(said)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return asked

    yield answer
    for thread in threads:
        thread.join(10)
    listener.close()


def test_yes_is_0_and_its_words_go_to_standard_output(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = daemon(b"yes live: vrrp 0.1 s ago\n")
    assert main(["probe", "live", "--state-dir", str(tmp_path)]) == 0
    assert asked == [b'{"do": "live"}\n']
    assert capsys.readouterr().out == "live: vrrp 0.1 s ago\n"


def test_no_is_1_and_says_why(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(b"no web is not started\n")
    assert main(["probe", "--state-dir", str(tmp_path), "ready"]) == FAILED
    assert capsys.readouterr().err == "web is not started\n"


def test_one_that_ends_the_connection_is_none(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(b"")
    assert main(["probe", "live", "--state-dir", str(tmp_path)]) == NO_DAEMON
    assert "without an answer" in capsys.readouterr().err


def test_an_older_daemon_does_not_know_the_question(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(b'{"error": "unknown request \'live\'"}\n')
    assert main(["probe", "live", "--state-dir", str(tmp_path)]) == FAILED
    assert "unknown request" in capsys.readouterr().err


def test_other_spellings_are_the_parser_s(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(b"yes ready\n")
    assert main(["probe", "ready", f"--state-dir={tmp_path}"]) == 0
    for wrong in ([], ["dead"], ["live", "ready"]):
        assert probe(wrong) is None
        with pytest.raises(SystemExit) as ended:
            main(["probe", *wrong])
        assert ended.value.code == 2
    capsys.readouterr()


def test_a_hand_over_does_not_wait_for_one_that_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kubelet waits for it before it ends the daemon: one that hangs has 150 s less to be ended in."""
    monkeypatch.setattr("mooring_node.probe.PATIENCE_S", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()
        ended: list[int] = []
        command = ["hand-over", "--state-dir", str(tmp_path)]
        waiting = threading.Thread(target=lambda: ended.append(main(command)), daemon=True)
        waiting.start()
        waiting.join(30)
        assert ended == [1]
        # It asked whether it lives, and nothing after that: what hangs must not hand over when it wakes.
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4096) == b'{"do": "live"}\n'
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "timed out: it hangs" in capsys.readouterr().err


def test_a_hand_over_that_is_turned_away_is_not_done(
    daemon: Callable[[bytes], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too many clients: the daemon has not ended, so nothing is handed over."""
    daemon(b"")
    assert main(["hand-over", "--state-dir", str(tmp_path)]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_it_imports_next_to_nothing() -> None:
    """Each import is paid for every few seconds on every node."""
    program = (
        "import sys; before = set(sys.modules); from mooring_node.main import main; main(['probe', 'live',"
        " '--state-dir', '/nonexistent']); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "_socket",
        "mooring_node",
        "mooring_node.main",
        "mooring_node.probe",
        "collections.abc",
        "collections",
        "itertools",
        "_collections",
        "keyword",
        "operator",
        "_operator",
        "reprlib",
    }, done.stdout
