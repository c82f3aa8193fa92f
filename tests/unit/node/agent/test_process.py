"""The agent as a process: what it takes and no more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mooring_node.agent.process import MOST_MEMORY

BODY = """
import asyncio, json, os, resource, signal, sys
from asyncio.selector_events import BaseSelectorEventLoop as Loop
from pathlib import Path
from mooring_node.agent.options import AgentOptions
from mooring_node.agent.process import Agent
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder

folder = Path(sys.argv[1])
state = StateFolder(folder / "state")
state.create()
vrrp, supervisor, checks = Channel.pair(), Channel.pair(), Channel.pair()
options = AgentOptions(folder / "none.yaml", "", 0, False, ())
agent = Agent(options, state, Board(), 1, vrrp[0], supervisor[0], checks[0])

def told():
    vrrp[1].send({"transition": {"group": "web", "from": "Active", "to": "Initialize", "reason": "handed over",
                                 "time": 0, "former": ""}})
    END

async def run():
    loop = asyncio.get_running_loop()
    loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
    loop.call_later(0.3, told)
    await agent.run()

def closing(loop):
    close(loop)
    os.kill(os.getpid(), signal.SIGTERM)

close = Loop.close
Loop.close = closing
asyncio.run(run())
print(json.dumps(resource.getrlimit(resource.RLIMIT_DATA)[0]))
"""


def end_of(tmp_path: Path, how: str) -> subprocess.CompletedProcess[str]:
    """It is sent a SIGTERM, the VRRP process hands over a moment later, and then `how` happens."""
    body = BODY.replace("END", how)
    return subprocess.run(
        [sys.executable, "-c", body, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )


def test_its_memory_is_bounded(tmp_path: Path) -> None:
    done = end_of(tmp_path, 'supervisor[1].send({"do": "stop"})')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == MOST_MEMORY


@pytest.mark.parametrize("how", ['supervisor[1].send({"do": "stop"})', "vrrp[1].close()"])
def test_after_a_sigterm_to_all_it_tells_what_becomes_of_the_groups(tmp_path: Path, how: str) -> None:
    done = end_of(tmp_path, how)
    assert done.returncode == 0, done.stderr
    assert "web: Active -> Initialize: handed over" in done.stderr
    assert "Exception ignored" not in done.stderr
