"""Releases side by side in a lab: real daemons, operator and kernel addresses, a packet a millisecond, embedded API."""

import copy
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.whole.scenery import SELECTED, Scene, confirmed, virtual_ip
from tests.upgrades import next_daemon
from tests.upgrades.record import CRDS

from mooring_api.levels import LEVEL
from mooring_kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NODE_CONFIGS, VIRTUAL_IPS
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import Lab, default_daemon_command, remove
from mooring_node.files import StateFolder, read_json

pytestmark = pytest.mark.netns

Document = dict[str, Any]
_NAME = f"t{os.getpid()}u"
WEB = virtual_ip("web", "10.0.0.100", "10.0.0.101")
API = virtual_ip("api", "10.0.0.110")
NEXT = (sys.executable, str(Path(next_daemon.__file__)))
TODAY = default_daemon_command()


class Skew(Scene):
    """Three nodes with the two VirtualIPs at rest on lb-1."""

    def apply(self, *documents: Document) -> None:
        for document in documents:
            self.client.apply(VIRTUAL_IPS, document, manager="test", force=True)

    def settled_operator(self, name: str = "operator") -> bool:
        return name == "operator" and super().settled_operator(name)

    def run(self, command: tuple[str, ...]) -> None:
        """What the daemons are that are started from now on."""
        with self.lab.store.edit() as record:
            record.daemon_command = command

    def roll(self, command: tuple[str, ...]) -> int:
        """One node after the other, as a DaemonSet does: how many packets of one address were lost."""
        self.run(command)
        with self.watch(WEB, API) as watch:
            for node in self.lab.nodes:
                node.stop_daemon()
                node.start_daemon()
                self.until(f"{node.name} to run what stands", lambda name=node.name: self.runs(name))
            self.home()
        watch.assert_never_two()
        return watch.lost

    def runs(self, node: str) -> bool:
        """Whether its daemon says that it runs everything, and stands by."""
        states = {each["state"] for each in self.config(node)["status"]["instances"]}
        return confirmed(self.config(node)) and bool(states) and states <= {"Active", "Backup"}

    def home(self) -> None:
        self.until_holder("lb-1", "10.0.0.100", "10.0.0.101", "10.0.0.110")
        self.until_settled()

    def reports(self, field: str) -> list[Any]:
        return [(self.config(name).get("status") or {}).get(field) for name in self.names]

    def define(self, change: Callable[[Document], None]) -> None:
        """Other definitions of NodeConfigs: `change` is given the schema."""
        document = yaml.safe_load((CRDS / "mooring.dev_nodeconfigs.yaml").read_text())
        change(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"])
        self.client.apply(CUSTOM_RESOURCE_DEFINITIONS, document, manager="mooring-lab", force=True)
        time.sleep(0.5)  # a server takes a definition up when it comes to it

    def edit(self, node: str, change: Callable[[Document], None]) -> None:
        """Write a NodeConfig as an operator would."""
        spec = copy.deepcopy(self.config(node)["spec"])
        change(spec)
        self.client.apply(
            NODE_CONFIGS, {"metadata": {"name": node}, "spec": spec}, manager="mooring-operator", force=True
        )


@pytest.fixture(scope="module")
def skew() -> Iterator[Skew]:
    try:
        with Lab(_NAME, nodes=3, api=ApiKind.EMBEDDED) as lab:
            found = Skew(lab)
            found.apply(WEB, API)
            found.home()
            yield found
            found.close()
    finally:
        remove(_NAME)


@pytest.fixture(autouse=True)
def at_rest(skew: Skew) -> Iterator[None]:
    """Each test leaves it as it was: today's daemons, operator and definitions."""
    yield
    skew.define(lambda _: None)
    skew.run(TODAY)
    for node in skew.lab.nodes:
        skew.cluster.mend(node.name)
        if not node.daemon:
            node.start_daemon()
    if not skew.cluster.ask_operator("/healthz")[0]:
        skew.cluster.start_operator()
    skew.apply(WEB, API)
    skew.home()


def test_a_rolling_upgrade_and_its_rollback_cost_what_a_rolling_restart_costs(
    skew: Skew, capsys: pytest.CaptureFixture[str]
) -> None:
    restart = skew.roll(TODAY)
    assert skew.reports("contractLevel") == [LEVEL] * 3
    upgrade = skew.roll(NEXT)
    assert skew.reports("daemonVersion") == [next_daemon.VERSION] * 3
    assert skew.reports("contractLevel") == [next_daemon.LEVEL] * 3
    rollback = skew.roll(TODAY)
    assert skew.reports("contractLevel") == [LEVEL] * 3
    with capsys.disabled():
        print(f"\npackets lost: rolling restart {restart}, upgrade {upgrade}, rollback {rollback}")
    assert (restart, upgrade, rollback) == (0, 0, 0)


def test_after_a_crash_of_a_newer_daemon_an_older_one_clears_up_and_runs_what_it_knows(skew: Skew) -> None:
    """The node has lost its API too, so there is nothing to go by but the state folder."""
    node, state = skew.lab.node("lb-1"), StateFolder(skew.lab.node("lb-1").state_dir)
    node.stop_daemon()
    skew.run(NEXT)
    node.start_daemon()
    skew.apply(virtual_ip("api", "10.0.0.110", "10.0.0.111"))
    skew.until_holder("lb-1", "10.0.0.111")
    skew.home()
    skew.cluster.cut("lb-1")
    skew.cluster.stop_operator()
    node.fault_kill()
    skew.until("the daemon to be dead", lambda: not node.daemon)
    skew.run(TODAY)
    node.start_daemon()
    skew.until("web-0 to be taken back", lambda: skew.states("lb-1").get("web-0") == "Active")
    assert "api-0" not in skew.states("lb-1"), "who does not know what it needs does not take part"
    skew.until("another to hold api-0", lambda: skew.lab.holders().get("10.0.0.111", ()) not in ((), ("lb-1",)))
    assert node.held().isdisjoint({"10.0.0.110", "10.0.0.111"}), "what the newer one had set is gone"
    assert f"{state.accepted}: api-0 need a newer release" in node.log
    assert f"{state.ledger}: a newer release has set what this one cannot undo (later)" in node.log
    ledger = read_json(state.ledger) or {}
    assert ledger["later"] == next_daemon.LATER["later"], "the newer one finds it again"
    skew.cluster.mend("lb-1")
    skew.until("api-0 to be run again, as the NodeConfig says", lambda: "api-0" in skew.states("lb-1"))


def newer(schema: Document) -> None:
    """The definitions of the release after this one."""
    spec = schema["spec"]["properties"]
    spec["pools"] = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"}
    instance = spec["instances"]["items"]["properties"]
    instance["telepathy"] = {"type": "boolean"}
    instance["onStop"]["enum"].append("Park")


def test_daemons_run_what_a_newer_operator_wrote_but_for_what_they_can_not_know(skew: Skew) -> None:
    skew.define(newer)
    skew.cluster.stop_operator()

    def write(spec: Document) -> None:
        spec["pools"] = ["a"]
        for instance in spec["instances"]:
            instance["telepathy"] = True
            if instance["name"] == "web-0":
                instance["flapDamping"]["transitions"] = 7

    def demand(spec: Document) -> None:
        (api,) = (each for each in spec["instances"] if each["name"] == "api-0")
        api |= {"onStop": "Park", "priority": 1}
        (web,) = (each for each in spec["instances"] if each["name"] == "web-0")
        web["requiredLevel"] = LEVEL + 1
        web["flapDamping"]["transitions"] = 8

    with skew.watch(WEB, API) as watch:
        for name in skew.names:
            skew.edit(name, write)
        skew.until("all to run what they know of it", lambda: all(map(skew.runs, skew.names)))
        for problems in skew.reports("problems"):
            assert {(each["path"], each.get("instance", "")) for each in problems} == {("status", "")}
            assert sorted(each["message"].split(" ", 1)[0] for each in problems) == [
                "spec.instances[].telepathy",
                "spec.pools:",
            ]
        skew.edit("lb-1", demand)
        skew.until("lb-1 to have read it", lambda: confirmed(skew.config("lb-1")))
        refused = {each["instance"]: each["path"] for each in skew.config("lb-1")["status"]["problems"]}
        assert refused.get("api-0", "").endswith(".onStop")
        assert refused.get("web-0", "").endswith(".requiredLevel")
        accepted = read_json(StateFolder(skew.lab.node("lb-1").state_dir).accepted) or {}
        kept = {group["name"]: (group["damping_transitions"], group["priority"]) for group in accepted["groups"]}
        assert kept["web-0"][0] == 7, "each keeps its last good form"
        assert kept["api-0"][1] > 1
        # The operator of today comes back, to definitions of tomorrow: it writes what it knows, and nothing moves.
        skew.cluster.start_operator()
        skew.until_settled()
        skew.until("no daemon to complain", lambda: all(map(skew.runs, skew.names)))
    watch.assert_nothing_moved()


def older(schema: Document) -> None:
    """Definitions under which no daemon can tell its level."""
    del schema["status"]["properties"]["contractLevel"]


def test_daemons_that_tell_no_level_are_given_what_the_first_release_knew(skew: Skew) -> None:
    skew.define(older)
    with skew.watch(WEB, API) as watch:
        more = virtual_ip("web", "10.0.0.100", "10.0.0.101", "10.0.0.102", nodes={"selector": SELECTED})
        skew.apply(more)
        skew.until_programmed("web")
        skew.until_holder("lb-1", "10.0.0.102")
        skew.cluster.stop_operator(signal.SIGKILL)
        skew.cluster.start_operator()
        skew.until_settled()
        assert skew.reports("contractLevel") == [None] * 3
        assert [each["status"] for each in skew.virtual_ip("web")["status"]["conditions"]] == ["True"] * 3
    watch.assert_nothing_moved()
