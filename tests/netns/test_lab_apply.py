"""Manifests on real nodes: our daemon and keepalived, alone and together; and the demo."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring_lab import namespace, status
from mooring_lab.apply import apply
from mooring_lab.lab import Lab
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.netns

EXAMPLE = Path(__file__).parents[2] / "examples" / "dual-master"
SIX = frozenset(f"10.0.0.{n}" for n in range(100, 106))
FIVE = frozenset(f"10.0.0.{n}" for n in range(106, 111))
LONG = 30.0


def disagreements(lab: Lab) -> tuple[str, ...]:
    return status.gather(lab).disagreements


def test_the_example_is_split_and_daemons_and_kernels_agree(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        applied = apply(lab, [EXAMPLE])
        assert applied.problems == ()
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        wait_until(lambda: not disagreements(lab), LONG, "daemons and kernels to agree")
        assert status.gather(lab).nodes[0].states == {"web-0": "Active", "web-1": "Backup"}
        for node in lab.nodes:
            assert node.config_file.stat().st_mode & 0o777 == 0o600


def test_applying_again_reloads_the_running_daemons(lab_name: str, tmp_path: Path) -> None:
    with Lab(lab_name) as lab:
        apply(lab, [EXAMPLE])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        before = [node.daemon for node in lab.nodes]
        text = (EXAMPLE / "virtualip.yaml").read_text()
        fewer = "\n".join(line for line in text.splitlines() if "10.0.0.110/24" not in line)
        (tmp_path / "virtualip.yaml").write_text(fewer)
        apply(lab, [tmp_path, EXAMPLE / "secret.yaml", EXAMPLE / "offline" / "nodes.yaml"])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE - {"10.0.0.110"}}, LONG)
        assert [node.daemon for node in lab.nodes] == before


def test_a_disagreement_is_shown(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        apply(lab, [EXAMPLE])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        lab.node("lb-2").exec("ip", "addr", "add", "10.0.0.120/24", "dev", "eth0")
        lab.node("lb-2").exec("ip", "addr", "add", "10.0.0.100/24", "dev", "eth0")
        found = disagreements(lab)
        assert any("lb-2: its kernel has 10.0.0.100, 10.0.0.120" in sentence for sentence in found)
        assert "10.0.0.100 is held by lb-1 and lb-2" in found


def test_a_missing_secret_is_a_problem_and_not_a_password_less_start(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        applied = apply(lab, [EXAMPLE / "virtualip.yaml", EXAMPLE / "offline" / "nodes.yaml"])
        assert any("web-vrrp" in str(problem) for problem in applied.problems)
        assert applied.configs == {}
        assert not any(node.config_file.exists() for node in lab.nodes)


def test_a_typo_withdraws_nothing(lab_name: str, tmp_path: Path) -> None:
    with Lab(lab_name) as lab:
        apply(lab, [EXAMPLE])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        before = [node.config_file.read_text() for node in lab.nodes]
        (tmp_path / "virtualip.yaml").write_text(
            (EXAMPLE / "virtualip.yaml").read_text().replace("Balanced", "Balancd")
        )
        manifests = [tmp_path, EXAMPLE / "secret.yaml", EXAMPLE / "offline" / "nodes.yaml"]
        applied = apply(lab, manifests)
        assert any("spec.distribution" in str(problem) for problem in applied.problems)
        assert [node.config_file.read_text() for node in lab.nodes] == before
        assert apply(lab, manifests, partial=True).configs
        lab.wait_held({"lb-1": set(), "lb-2": set()}, LONG)


def test_a_daemon_that_ends_at_once_is_reported_with_its_last_words(lab_name: str) -> None:
    lab = Lab(lab_name, daemon_command=["sh", "-c", "echo the reason; exit 3"]).up()
    with pytest.raises(LabError, match=r"(?s)ended at once.*the reason"):
        apply(lab, [EXAMPLE])
    lab.down()


def test_a_keepalived_and_a_daemon_share_the_work(lab_name: str, require_tool: Callable[[str], str]) -> None:
    require_tool("keepalived")
    with Lab(lab_name, keepalived=["lb-2"]) as lab:
        apply(lab, [EXAMPLE])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        lab.node("lb-1").fault_link()
        lab.wait_held({"lb-1": [], "lb-2": SIX | FIVE}, LONG)
        lab.node("lb-1").heal()
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)


def test_a_node_that_lost_its_power_starts_anew(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        apply(lab, [EXAMPLE])
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        before = lab.node("lb-1").daemon
        lab.node("lb-1").fault_node()
        lab.wait_held({"lb-2": SIX | FIVE}, LONG)
        # A plan without lb-1 would leave lb-2 without its peer, and both would hold everything afterwards.
        assert apply(lab, [EXAMPLE]).problems == ()
        lab.node("lb-1").heal()
        lab.wait_held({"lb-1": SIX, "lb-2": FIVE}, LONG)
        assert lab.node("lb-1").daemon not in (None, before)


@pytest.fixture
def no_demo() -> None:
    """There is one demo on a machine at a time; whoever runs it keeps it."""
    if left := namespace.matching("mooring-demo-"):
        pytest.fail(f"a demo is there already: {', '.join(left)}; remove it: mooring lab down --name demo")


@pytest.mark.usefixtures("lab_name", "no_demo")
def test_the_demo_sees_what_it_claims_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mooring_lab.demo"], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  seen ") == 20
    assert "NOT SEEN" not in done.stdout
    assert "\x1b" not in done.stdout
    assert namespace.matching("mooring-demo-") == []


@pytest.mark.usefixtures("lab_name", "no_demo")
def test_a_demo_that_is_terminated_leaves_nothing() -> None:
    with subprocess.Popen([sys.executable, "-m", "mooring_lab.demo"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        while "is cut" not in (line := demo.stdout.readline()):
            assert line, "the demo ended too early"
        os.kill(demo.pid, signal.SIGTERM)
        demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert namespace.matching("mooring-demo-") == []
