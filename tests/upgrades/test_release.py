"""Today's operator and daemon take over from each recorded release: nothing moves, and nothing is lost."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.judged import judged
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running
from tests.upgrades.compatibility import pruned, schema_of
from tests.upgrades.record import RELEASES, load

from mooring_api.nodeconfig import NodeConfigStatus
from mooring_api.problems import Severity
from mooring_api.reading import read_node_config
from mooring_node import files, forwarding, keeping, ledger
from mooring_node.agent import configuration
from mooring_node.agent.keys import KeyBook, references_of
from mooring_node.agent.transitions import TransitionLog
from mooring_node.balance import config as balance
from mooring_node.board import Board
from mooring_node.files import StateFolder
from mooring_node.forwarding.ledger import ForwardingLedger
from mooring_node.ipvs import owned
from mooring_node.ledger import Entries, Ledger
from mooring_node.vrrp import config as vrrp
from mooring_operator.cluster.view import Endpoints
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.stage.skew import FIRST_LEVEL

Document = dict[str, Any]
FOUND = sorted(path for path in RELEASES.iterdir() if path.is_dir())
KINDS = ("virtualips", "virtualservers", "nodeconfigs", "nodes", "namespaces")
NODE = "lb-1"


@pytest.fixture(params=FOUND, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


# What is recorded is worth something.


def test_the_record_has_something_of_everything(release: Path) -> None:
    instances = [i for config in load(release, "nodeconfigs") for i in config["spec"]["instances"]]
    servers = [s for config in load(release, "nodeconfigs") for s in config["spec"]["virtualServers"]]
    assert {i["version"] for i in instances} == {2, 3}
    assert {i["family"] for i in instances} == {"IPv4", "IPv6"}
    assert {i["transport"]["type"] for i in instances} == {"Unicast", "Multicast"}
    assert any(i.get("authentication") for i in instances)
    assert any(i["tracking"] for i in instances)
    assert {s["forwarding"] for s in servers} == {"NAT", "DirectRoute"}
    specs = [config["spec"] for config in load(release, "nodeconfigs")]
    assert all(s["portGuards"] and s["backendAddresses"] and s["connectionSync"] for s in specs)
    assert all(config["status"]["instances"] for config in load(release, "nodeconfigs"))


# The operator.


def running(release: Path, api: FakeApi) -> Running:
    found = Running(api)
    given = [document for plural in (*KINDS, "endpointslices") for document in load(release, plural)]
    found.endpoints = Endpoints(snapshot_of(given).endpoints)
    return found


def test_an_operator_of_today_that_takes_over_writes_no_node_anything_that_its_daemon_knows(release: Path) -> None:
    """What is later than the release may be written; all that it knew stays as it stands, so no address moves."""
    api = FakeApi([document for plural in KINDS for document in load(release, plural)])
    before = {name: config["spec"] for name, config in api.all("NodeConfig").items()}
    running(release, api).settle()
    (definition,) = (yaml.safe_load(p.read_text()) for p in (release / "crds").glob("*nodeconfigs.yaml"))
    known = schema_of(definition)["properties"]["spec"]
    assert {name: pruned(config["spec"], known) for name, config in api.all("NodeConfig").items()} == before


def test_what_was_allocated_is_adopted_from_the_statuses_and_from_the_nodes_alone(release: Path) -> None:
    documents = [document for plural in KINDS for document in load(release, plural)]
    forgotten = [{k: v for k, v in d.items() if (d["kind"], k) != ("VirtualIP", "status")} for d in documents]
    for given in (documents, forgotten):
        api = FakeApi(given)
        running(release, api).settle()
        for name, recorded in ((d["metadata"]["name"], d["status"]) for d in load(release, "virtualips")):
            now = api.get("VirtualIP", name)["status"]
            assert [(g["name"], g["virtualRouterID"], g["addresses"]) for g in now["groups"]] == [
                (g["name"], g["virtualRouterID"], g["addresses"]) for g in recorded["groups"]
            ]


def test_what_a_daemon_of_the_release_says_is_understood(release: Path) -> None:
    for config in load(release, "nodeconfigs"):
        status = NodeConfigStatus.model_validate(config["status"], by_alias=True, by_name=False)
        assert (status.daemon_version, status.contract_level or FIRST_LEVEL) == (release.name, _level(release))


def _level(release: Path) -> int:
    found: int = json.loads((release / "release.json").read_text())["level"]
    return found


# The daemon.


@pytest.fixture
def state(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    """A daemon's state folder as the release left it, on the node and in the boot in which it was left."""
    shutil.copytree(release / "state", tmp_path / "state")
    found = StateFolder(tmp_path / "state")
    boot = json.loads(found.ledger.read_text())["boot"]
    for module in (files, ledger, keeping, owned, forwarding.ledger):
        monkeypatch.setattr(module, "boot_id", lambda: boot)
    if found.ipvs_owned.exists():
        network = json.loads(found.ipvs_owned.read_text())["network"]
        monkeypatch.setattr(owned, "_network", lambda: network)
    return found


def node_config(release: Path) -> Document:
    (found,) = (each for each in load(release, "nodeconfigs") if each["metadata"]["name"] == NODE)
    return found


def test_a_node_config_of_the_release_is_read_without_a_word(release: Path) -> None:
    for document in load(release, "nodeconfigs"):
        config, problems = read_node_config(document, source="api")
        assert problems == ()
        assert len(config.spec.instances) == len(document["spec"]["instances"])
        assert len(config.spec.virtual_servers) == len(document["spec"]["virtualServers"])


def test_a_daemon_that_was_upgraded_runs_what_ran_and_writes_nothing_anew(release: Path, state: StateFolder) -> None:
    """From the release's state folder and NodeConfig: not one group, server or address is another than before."""
    book = KeyBook("mooring-system", state.keys.read_text())
    document = node_config(release)
    judgement = judged(document, node=NODE)
    assert judgement.usable
    book.refer(references_of(judgement.keys))
    before = configuration.last_good(state)
    outcome = configuration.accept(
        judgement, state, configuration.origin_of(document), partial(book.with_passwords, node=NODE)
    )
    assert [str(each) for each in outcome.problems if each.severity is Severity.ERROR] == []
    assert outcome.runtime == before
    assert not outcome.changed


def _files(state: StateFolder) -> Iterator[tuple[Path, str]]:
    """Each file, and what today's program writes for what it read there."""
    yield state.accepted, vrrp.to_json(vrrp.from_json(state.accepted.read_text()))
    yield state.balance, balance.to_json(balance.from_json(state.balance.read_text()))
    book = KeyBook("mooring-system", state.keys.read_text())
    yield state.keys, book.to_json()


def test_what_is_written_for_the_same_is_what_the_release_can_read(state: StateFolder) -> None:
    """So a downgrade finds its files: what is later is left out where nobody asked for it."""
    for path, text in _files(state):
        assert json.loads(text) == json.loads(path.read_text()), path.name


def test_of_what_the_release_had_set_on_the_node_nothing_is_forgotten(state: StateFolder) -> None:
    raw = json.loads(state.ledger.read_text())
    book = Ledger(state.ledger)
    entries = book.read()
    assert (len(entries.addresses), len(entries.settings)) == (len(raw["addresses"]), len(raw["settings"]))
    assert entries.addresses
    assert entries.settings
    book.write(Entries(entries.addresses))
    assert json.loads(state.ledger.read_text()) == raw | {"settings": []}

    raw = json.loads(state.forwarding.read_text())
    read = ForwardingLedger(state.forwarding).read()
    listed = ("addresses", "settings", "sysctls", "made", "raised", "ports")
    assert {name: len(getattr(read, name)) for name in listed} == {name: len(raw[name]) for name in listed}
    assert (read.rules, read.empty) == (raw["rules"], False)

    if state.ipvs_owned.exists():
        raw = json.loads(state.ipvs_owned.read_text())
        mine = owned.Owned(state.ipvs_owned)
        assert raw["services"]
        assert (len(mine.services), len(mine.daemons)) == (len(raw["services"]), len(raw["daemons"]))


def test_what_the_release_kept_for_the_next_start_is_adopted(
    state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads(state.kept.read_text())["groups"]
    assert kept
    monkeypatch.setattr(keeping, "now_ns", lambda: max(each["lastAdvertNs"] for each in kept.values()) + 1)
    assert {group.name for group in keeping.adoptable(state, Board())} == set(kept)


def test_history_origin_and_results_of_the_release_are_read(state: StateFolder) -> None:
    raw = json.loads(state.transitions.read_text())
    log = TransitionLog(state.transitions)
    assert (len(log.entries), log.groups.keys()) == (len(raw["transitions"]), raw["groups"].keys())
    runtime = configuration.last_good(state)
    assert runtime is not None
    assert configuration.noted_origin(state, runtime) is not None
    assert state.results.read_text()
