"""The agent as a process: what it takes and no more."""

import json
import subprocess
import sys
from pathlib import Path

from mooring_node.agent.process import MOST_MEMORY

BODY = """
import asyncio, json, os, resource, signal, sys
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

async def run():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await agent.run()

asyncio.run(run())
print(json.dumps(resource.getrlimit(resource.RLIMIT_DATA)[0]))
"""


def test_its_memory_is_bounded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BODY, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == MOST_MEMORY
