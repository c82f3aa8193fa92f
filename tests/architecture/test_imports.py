"""The import contracts hold, and every module stands under one of them."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

#: Modules in the neighbourhood of pure ones that do input or output, or stand right at it (they read the
#: constants of `socket`): a new module goes here or into the contract "pure", knowingly.
SHELLS = {
    "mooring_node.balance.assembly",
    "mooring_node.balance.clearing",
    "mooring_node.balance.notify",
    "mooring_node.balance.outbox",
    "mooring_node.balance.parts",
    "mooring_node.balance.process",
    "mooring_node.balance.results",
    "mooring_node.balance.rules",
    "mooring_node.balance.store",
    "mooring_node.balance.tables",
    "mooring_node.balance.teller",
    "mooring_node.checks.attempt",
    "mooring_node.checks.connecting",
    "mooring_node.checks.datagram",
    "mooring_node.checks.http",
    "mooring_node.checks.ping",
    "mooring_node.checks.probes",
    "mooring_node.checks.runner",
    "mooring_node.checks.scripts",
    "mooring_node.checks.smtp",
    "mooring_node.checks.stream",
    "mooring_node.checks.watched",
    "mooring_node.forwarding.decap",
    "mooring_node.forwarding.fou",
    "mooring_node.forwarding.holding",
    "mooring_node.forwarding.host",
    "mooring_node.forwarding.ledger",
    "mooring_node.forwarding.nfnetlink",
    "mooring_node.forwarding.nft",
    "mooring_node.forwarding.node",
    "mooring_node.forwarding.sysctls",
    "mooring_node.forwarding.traces",
    "mooring_node.forwarding.undo",
    "mooring_node.ipvs.keeper",
    "mooring_node.ipvs.kernel",
    "mooring_node.ipvs.modules",
    "mooring_node.ipvs.owned",
    "mooring_node.ipvs.reconcile",
    "mooring_node.ipvs.settings",
    "mooring_node.kernel.addresses",
    "mooring_node.kernel.burst",
    "mooring_node.kernel.exchange",
    "mooring_node.kernel.links",
    "mooring_node.kernel.process",
    "mooring_node.kernel.rtnetlink",
    "mooring_node.kernel.tunnels",
    "mooring_node.judge.process",
    "mooring_node.judge.reading",
    "mooring_node.judge.source",
    "mooring_node.preflight.command",
    "mooring_node.preflight.legacy_reading",
    "mooring_node.preflight.listening",
    "mooring_node.preflight.options",
    "mooring_node.preflight.reading",
    "mooring_node.vrrp.breath",
    "mooring_node.vrrp.group",
    "mooring_node.vrrp.holdings",
    "mooring_node.vrrp.member",
    "mooring_node.vrrp.network",
    "mooring_node.vrrp.news",
    "mooring_node.vrrp.arrivals",
    "mooring_node.vrrp.order",
    "mooring_node.vrrp.ports",
    "mooring_node.vrrp.prepared",
    "mooring_node.vrrp.process",
    "mooring_node.vrrp.reports",
    "mooring_node.vrrp.services",
    "mooring_node.vrrp.snapshot",
    "mooring_node.vrrp.waiting",
}

LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _modules(package: str) -> list[str]:
    folder = ROOT / "node-daemon" / package.replace(".", "/")
    return [f"{package}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]


def test_the_contracts_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


ROOMS = ("vrrp", "ipvs", "checks", "forwarding", "balance", "judge", "kernel", "preflight")


@pytest.mark.parametrize("package", [f"mooring_node.{room}" for room in ROOMS])
def test_every_module_is_pure_or_named_as_a_shell(package: str) -> None:
    pure = set(CONTRACTS["pure"]["source_modules"])
    modules = set(_modules(package))
    assert modules - pure - SHELLS == set()
    assert {name for name in SHELLS if name.startswith(package + ".")} - modules == set()
    assert pure & SHELLS == set()


@pytest.mark.parametrize("package", ["mooring_node.vrrp", "mooring_node.supervisor", "mooring_node.kernel"])
def test_the_lean_processes_load_the_standard_library_alone(package: str) -> None:
    names = _modules(package)
    assert names
    done = subprocess.run([sys.executable, "-c", LOADED, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bare = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    foreign = set(json.loads(done.stdout)) - set(json.loads(bare.stdout)) - sys.stdlib_module_names
    assert foreign == {"mooring_node"}
    assert "asyncio" not in json.loads(done.stdout)


def test_the_checks_load_the_standard_library_and_the_patterns_alone() -> None:
    names = _modules("mooring_node.checks")
    done = subprocess.run([sys.executable, "-c", LOADED, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bare = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    foreign = set(json.loads(done.stdout)) - set(json.loads(bare.stdout)) - sys.stdlib_module_names
    assert foreign == {"mooring_node", "mooring_pattern"}
