"""The process from outside: exit codes, what it says, and that it ends when it is asked to, whatever is missing."""

import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring_operator import logs
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


def test_a_line_of_json_names_its_object(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.begin("json", "info")
        logging.getLogger("x").info("create %s", "NodeConfig/n1", extra=logs.object_fields("NodeConfig", "n1"))
        logging.getLogger("x").debug("not this")
        logging.getLogger("kopf.objects").info("nor this")
        (line,) = capsys.readouterr().err.splitlines()
        entry = json.loads(line)
        assert entry.pop("time").endswith("Z")
        assert entry == {"level": "info", "message": "create NodeConfig/n1", "kind": "NodeConfig", "name": "n1"}
        logs.begin("text", "info")
        logging.getLogger("x").warning("%s", "careful")
        assert capsys.readouterr().err.endswith("Z warning careful\n")
    finally:
        logging.getLogger().handlers[:], _ = before
        logging.getLogger().setLevel(before[1])
