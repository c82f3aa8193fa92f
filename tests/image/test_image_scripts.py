"""Scripts in the node's image, with the chart's rights: run as nobody, or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.image.conftest import NODE_NAMES, Run
from tests.image.running import SCRIPTS, Image
from tests.image.test_image_daemon import Daemon

from mooring_lab.kubelet.runspec import Mount
from mooring_lab.lab import Lab

#: What the chart adds with node.scripts; tests/chart/test_node.py compares.
OF_SCRIPTS = ("SETUID", "SETGID", "KILL")
#: Says who runs it, and what it could do; the exit code makes its words the reason in the status.
WHO = """#!/usr/bin/python3
import os

held = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff"))
print(*os.getresuid(), *os.getresgid(), *os.getgroups(), f"capabilities {int(held, 16)}")
raise SystemExit(3)
"""
NOBODY = "65534 65534 65534 65534 65534 65534 capabilities 0"


@pytest.fixture
def image(images: Mapping[str, Image]) -> Image:
    return images["mooring-node"]


def daemon(run: Run, image: Image, lab: Lab, folder: Path, *without: str) -> Daemon:
    """A daemon whose one backend is checked by a script of a folder that is mounted."""
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "who").write_text(WHO)
    (scripts / "who").chmod(0o555)
    check = {"name": "who", "interval": "1s", "script": {"file": "who"}}
    server = {
        "name": "shop/shop:https",
        "virtualServer": "shop/shop",
        "addresses": ["10.0.0.100"],
        "port": 443,
        "forwarding": "NAT",
        "backends": [{"address": "10.0.0.200", "port": 8443}],
        "healthChecks": [check],
    }
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": NODE_NAMES[0]}}
    text = json.dumps({**head, "spec": {"instances": [], "virtualServers": [server]}})
    mounts = [Mount(str(scripts), SCRIPTS, read_only=True)]
    return Daemon(run, image, lab.node(NODE_NAMES[0]), folder, text, mounts=mounts, also=OF_SCRIPTS, without=without)


def backend(status: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the one backend; nothing before the first try."""
    listed = ((status.get("agent") or {}).get("balance") or {}).get("listed") or ()
    return next((each for server in listed for each in server["backends"] if each.get("reason")), {})


def test_a_script_runs_as_nobody_and_without_any_right(run: Run, image: Image, lab: Lab, tmp_path: Path) -> None:
    found = daemon(run, image, lab, tmp_path)
    found.container.until("the script's words", lambda: f"who: exit code 3: {NOBODY}\n" in said(found))
    assert backend(found.status())["state"] == "Down"


def test_without_setuid_no_script_runs_and_the_status_says_why(
    run: Run, image: Image, lab: Lab, tmp_path: Path
) -> None:
    found = daemon(run, image, lab, tmp_path, "SETUID")
    words = "scripts are not run as root, and another user needs SETUID, SETGID and KILL; add them"
    found.container.until("its words", lambda: backend(found.status()).get("reason") == f"not checked: {words}")
    assert backend(found.status())["state"] == "Up", "what the node lacks changes no backend's state"
    assert f"{words}\n" in said(found)
    assert "exit code" not in found.container.log, "it was not run as root either"


def said(found: Daemon) -> str:
    """The messages of its log, a line for each."""
    lines = found.container.log.splitlines(keepends=True)
    return "".join(f"{json.loads(line)['message']}\n" for line in lines if line.endswith("\n"))
