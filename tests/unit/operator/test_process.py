"""The process from outside: exit codes, what it says, and that it ends when it is asked to, whatever is missing."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring_operator.process import Exit

LONG_S = 60.0


def kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: x
contexts: [{{name: x, context: {{cluster: x, user: x}}}}]
clusters: [{{name: x, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: x, user: {{token: x}}}}]
"""
    )
    return path


def run(*flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mooring_operator.main", "run", *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_without_a_way_to_the_api_server_it_says_so(tmp_path: Path) -> None:
    process = run("--kubeconfig", str(tmp_path / "none"))
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == Exit.NO_CONNECTION
    assert str(tmp_path / "none") in said


def test_an_address_that_is_taken_is_named(tmp_path: Path, silent: int) -> None:
    process = run("--kubeconfig", str(kubeconfig(tmp_path, silent)), "--metrics-address", f"127.0.0.1:{silent}")
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == Exit.FAILED
    assert f"--metrics-address 127.0.0.1:{silent}" in said


def test_it_waits_for_an_api_server_that_is_away_and_ends_when_asked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = run("--kubeconfig", str(kubeconfig(tmp_path, port)), "--metrics-address", "127.0.0.1:0")
    assert process.stderr is not None
    assert f"asks http://127.0.0.1:{port}" in process.stderr.readline()
    assert "the API server does not answer" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG_S) == Exit.ASKED
    process.stderr.close()


def test_it_ends_at_once_though_a_reply_never_comes(tmp_path: Path, silent: int) -> None:
    process = run(
        "--kubeconfig", str(kubeconfig(tmp_path, silent)), "--metrics-address", "127.0.0.1:0", "--log-level", "debug"
    )
    assert process.stderr is not None
    assert "asks" in process.stderr.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG_S) == Exit.ASKED
    assert time.monotonic() - began < 8.0
    process.stderr.close()


def test_with_json_there_is_nothing_else(tmp_path: Path) -> None:
    """Also where the end comes before anything has begun."""
    process = run("--kubeconfig", str(tmp_path / "none"), "--log-format", "json", "--identity", "op-1")
    _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == Exit.NO_CONNECTION
    (line,) = said.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["kind"], entry["name"]) == ("error", "Operator", "op-1")
    assert str(tmp_path / "none") in entry["message"]
