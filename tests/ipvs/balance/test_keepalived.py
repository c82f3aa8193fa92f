"""The same backends, the same deaths, under keepalived and under us: who is in the table must be the same."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring_lab import namespace
from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig

#: Longer than any check here takes to make up its mind.
SETTLE_S = 4.0
#: What dies and comes back, one after the other.
COURSE: tuple[tuple[str, int], ...] = (
    ("kill", 1), ("kill", 2), ("revive", 1), ("kill", 3), ("kill", 1), ("revive", 3), ("revive", 2), ("revive", 1),
)  # fmt: skip
VIRTUAL_SERVER = """
virtual_server 192.0.2.1 80 {{
    delay_loop 1
    lvs_sched wlc
    lvs_method NAT
    protocol TCP
    quorum {up}
    hysteresis {hysteresis}
    {alpha}
    {sorry}
    {backends}
}}
"""
BACKEND = """
    real_server 10.9.0.{number} 80 {{
        weight {weight}
        {inhibit}
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
"""
Web = Callable[..., ServerConfig]


@pytest.fixture
def keepalived(place: str, tmp_path: Path, require_tool: Callable[[str], str]) -> Iterator[Callable[[str], None]]:
    """Runs keepalived's checkers in the namespace with this text; a planned stop ends them."""
    program = require_tool("keepalived")
    started: list[subprocess.Popen[bytes]] = []

    def start(text: str) -> None:
        path = tmp_path / "keepalived.conf"
        path.write_text(text)
        pids = [f"--pid={tmp_path}/ka.pid", f"--checkers_pid={tmp_path}/checkers.pid"]
        command = [program, "--dont-fork", "--log-console", "--check", f"--use-file={path}", *pids]
        log = (tmp_path / "keepalived.log").open("wb")
        started.append(subprocess.Popen(namespace.inside(place, command), stdout=log, stderr=log))
        log.close()

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def configuration(server: ServerConfig) -> str:
    """The same for keepalived."""
    backends = [
        BACKEND.format(
            number=each.address[-1], weight=each.weight, inhibit="inhibit_on_failure" if each.inhibit else ""
        )
        for each in server.backends
    ]
    return VIRTUAL_SERVER.format(
        up=server.quorum_up,
        hysteresis=server.quorum_hysteresis,
        alpha="alpha" if server.starts_down else "",
        sorry=f"sorry_server {server.sorry.address} 80" if server.sorry is not None else "",
        backends="".join(backends),
    )


def tables(director: Any, servers: Any) -> list[dict[str, int] | None]:
    """The table at first, and after each step of the course."""
    found = []
    for step, number in (("revive", 1), *COURSE):
        getattr(servers, step)(number)
        time.sleep(SETTLE_S)
        found.append(director.weights())
    return found


SORRY = SorryConfig("10.9.0.99", 80)
WEIGHTED = tuple(BackendConfig(f"10.9.0.{number}", 80, weight=number) for number in (1, 2, 3))
INHIBITED = tuple(BackendConfig(f"10.9.0.{number}", 80, inhibit=number != 3) for number in (1, 2, 3))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sorry": SORRY},
        {"sorry": SORRY, "quorum_up": 2},
        {"sorry": SORRY, "quorum_up": 2, "quorum_hysteresis": 1},
        {"sorry": SORRY, "quorum_up": 4, "quorum_hysteresis": 1, "backends": WEIGHTED},
        {"quorum_up": 3},
        {"sorry": SORRY, "starts_down": True},
        {"backends": INHIBITED},
    ],
)
def test_the_tables_are_the_same(
    director: Any, servers: Any, web_of: Web, check_of: Any, keepalived: Any, changes: dict[str, Any]
) -> None:
    server = web_of(3, checks=(("page", check_of(retries=0)),), **changes)
    director.start(server)
    ours = tables(director, servers)
    assert director.stop() == 0
    assert director.weights() is None
    keepalived(configuration(server))
    assert ours == tables(director, servers)
