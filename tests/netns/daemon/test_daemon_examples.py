"""Every file of examples/node: good in the daemon's own eyes, and run until its node holds what it should."""

import subprocess
from pathlib import Path

import pytest
import yaml

from mooring_lab.lab import default_daemon_command

pytestmark = pytest.mark.netns

FOLDER = Path(__file__).parents[3] / "examples" / "node"
FILES = sorted(FOLDER.glob("*.yaml"))


def addresses_of(file):
    instances = yaml.safe_load(file.read_text())["spec"]["instances"]
    return {each["address"].partition("/")[0] for instance in instances for each in instance["addresses"]}


def test_there_are_examples_and_the_readme_names_each():
    assert len(FILES) >= 7
    readme = (FOLDER / "README.md").read_text()
    assert [file.name for file in FILES if f"`{file.name}`" not in readme] == []


@pytest.fixture(scope="module")
def running(make_shared_bench):
    """Each file in a lab of its own, all at the same time: what they wait for is the same second."""
    started = {}
    for file in FILES:
        bench = make_shared_bench()
        node = bench.lab.node(yaml.safe_load(file.read_text())["metadata"]["name"])
        node.start_daemon(file.read_text())
        started[file] = (bench, node)
    return started


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_runs(running, file):
    """Alone on its segment, the node holds everything."""
    bench, node = running[file]
    bench.wait_held(node, *addresses_of(file))
    status = bench.status(node)
    assert {each["state"] for each in status["groups"]} == {"Active"}
    assert bench.problems(node) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_good_by_the_check_command(file):
    done = subprocess.run([*default_daemon_command(), "check", "--config", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_dual_master_shares_and_survives(bench):
    first, second = FOLDER / "dual-master-lb-1.yaml", FOLDER / "dual-master-lb-2.yaml"
    assert addresses_of(first) == addresses_of(second)
    bench.a.start_daemon(first.read_text())
    bench.b.start_daemon(second.read_text())
    lower = {f"10.0.0.{number}" for number in range(100, 106)}
    upper = {f"10.0.0.{number}" for number in range(106, 111)}
    bench.wait_held(bench.a, *lower)
    bench.wait_held(bench.b, *upper)
    labels = bench.a.exec("ip", "-4", "address", "show", "label", "eth0:5").stdout
    assert "10.0.0.105/24" in labels
    bench.a.fault_link()
    bench.wait_held(bench.b, *lower, *upper)
    bench.a.heal()
    bench.wait_held(bench.a, *lower)
    bench.wait_held(bench.b, *upper)
