"""What a node's agent does without: it runs on every node, and what judges NodeConfigs is a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "node-daemon" / "mooring_node" / "agent"
#: What each of them weighs on every node, with what it brings along: from 0.6 MiB to more than 10.
HEAVY = ("importlib.metadata", "prometheus_client", "pydantic", "pydantic_core", "yaml")

LOADED = """
import importlib, json, sys
heavy, *names = sys.argv[1:]
before = set(sys.modules)
for name in names:
    importlib.import_module(name)
print(json.dumps([each for each in heavy.split() if each in sys.modules.keys() - before]))
"""


def test_the_agent_loads_nothing_that_is_heavy() -> None:
    modules = [f"mooring_node.agent.{path.stem}" for path in sorted(AGENT.glob("*.py")) if path.stem != "__init__"]
    assert modules
    names = [*modules, "mooring_node.daemon", "mooring_kube.client"]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, " ".join(HEAVY), *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
