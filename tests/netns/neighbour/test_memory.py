"""What the daemon takes from a node, in numbers that no other program on this machine makes smaller."""

import subprocess
import sys

import pytest
from benchmarks.neighbour.memory import INSTANCES, weigh_loaded

from mooring_lab.lab import Lab

pytestmark = pytest.mark.netns

#: MiB that only its end gives back. Pages of its files come on top: the kernel drops them when it needs them.
#: The models that judge a NodeConfig would be 12 MiB more: they are in a process that has ended when this is weighed.
MOST_OWN = 36.0
MOST_WHOLE = 45.0
#: All that the daemon imports, so that it finds it compiled, as in an image.
EVERYTHING = "mooring_node.daemon, mooring_node.agent.process, mooring_node.agent.assembly, mooring_node.judge.process"


def test_fifty_instances_weigh_no_more_than_they_may(lab_name, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    subprocess.run([sys.executable, "-c", f"import {EVERYTHING}"], check=True)
    with Lab(lab_name, nodes=1) as lab:
        weight = weigh_loaded(lab)
    with capsys.disabled():
        print(f"\n{INSTANCES} instances: {weight.anonymous:.1f} MiB of its own, {weight.files:.1f} of files")
    assert set(weight.processes) == {"mooring-node", "mooring-vrrp", "mooring-agent"}
    assert weight.anonymous < MOST_OWN
    assert weight.whole < MOST_WHOLE
