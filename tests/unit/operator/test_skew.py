"""Operator and daemons of different releases: what is not written to whom, and what nobody takes away."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.unit.operator.balanced import node
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running

from mooring_api.nodeconfig import Instance
from mooring_api.novelties import Novelties, Novelty
from mooring_api.vrrp import FlapDamping
from mooring_operator.stage.skew import as_they_stand
from mooring_operator.stage.standing import standing_of

Document = dict[str, Any]
NAMES = ("n1", "n2", "n3")
#: As if the release after this one had brought them.
LATER: Novelties = (
    Novelty(2, FlapDamping, "transitions", critical=False),
    Novelty(2, Instance, "active_down_factor", critical=True),
)


def virtual_ip(name: str, address: str, **vrrp: Any) -> Document:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"addresses": [{"address": address}], "vrrp": vrrp},
    }


class Cluster:
    """A fake API and the daemons' words; a level of 1 is not said, as release 0.1.0 might not."""

    def __init__(self, *virtual_ips: Document) -> None:
        self.api = FakeApi([*map(node, NAMES), *virtual_ips])
        self.levels = dict.fromkeys(NAMES, 2)

    def confirm(self) -> bool:
        news = False
        for name, document in self.api.all("NodeConfig").items():
            said: Mapping[str, Any] = document.get("status") or {}
            level = {"contractLevel": self.levels[name]} if self.levels[name] > 1 else {}
            fresh = said.get("observedGeneration") == document["metadata"]["generation"]
            if not fresh or said.get("contractLevel") != level.get("contractLevel"):
                own = {"eth0": [f"10.0.0.{name[1:]}/24"]}
                self.api.report(name, own, daemonVersion=f"0.{self.levels[name]}.0", **level)
                news = True
        return news

    def run(self, novelties: Novelties = ()) -> Running:
        """An operator with an empty memory, until nobody has anything to do."""
        running = Running(self.api, novelties=novelties).settle()
        while self.confirm():
            running.settle()
        return running

    def change(self, name: str, **vrrp: Any) -> None:
        document = self.api.get("VirtualIP", name)
        document["spec"]["vrrp"] = vrrp
        document["metadata"]["generation"] = 2
        self.api.add(document)

    def specs(self) -> dict[str, Document]:
        return {name: document["spec"] for name, document in self.api.all("NodeConfig").items()}

    def instance(self, node_name: str, name: str = "web-0") -> Document:
        (found,) = (i for i in self.api.get("NodeConfig", node_name)["spec"]["instances"] if i["name"] == name)
        return dict(found)

    def programmed(self, name: str = "web") -> tuple[str, str, str]:
        listed = self.api.get("VirtualIP", name)["status"]["conditions"]
        (found,) = (each for each in listed if each["type"] == "Programmed")
        return found["status"], found["reason"], found["message"]


# What an older daemon is not given.


def test_what_an_older_daemon_can_do_without_is_left_out_for_it_alone() -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24", flapDamping={"transitions": 9, "window": "30s"}))
    cluster.levels["n2"] = 1
    running = cluster.run(LATER)
    given = {name: cluster.instance(name)["flapDamping"]["transitions"] for name in NAMES}
    assert given == {"n1": 9, "n2": 6, "n3": 9}
    assert {cluster.instance(name)["flapDamping"]["window"] for name in NAMES} == {"30s"}
    status, reason, message = cluster.programmed()
    assert (status, reason) == ("True", "Programmed")
    assert "n2 (daemon 0.1.0, level 1) without flapDamping.transitions" in message
    written = len(cluster.api.log)
    Running(cluster.api, novelties=LATER).settle()
    assert len(cluster.api.log) == written
    cluster.levels["n2"] = 2
    cluster.confirm()
    running.settle()
    assert cluster.instance("n2")["flapDamping"]["transitions"] == 9
    cluster.confirm()
    running.settle()
    assert "without" not in cluster.programmed()[2]


def test_what_an_election_depends_on_waits_until_every_member_understands_it() -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24"), virtual_ip("api", "10.0.0.101/24"))
    cluster.levels["n2"] = 1
    running = cluster.run(LATER)
    before = cluster.specs()
    cluster.change("web", activeDownFactor=5)
    cluster.change("api", preemption={"mode": "Never"})
    running.settle()
    while cluster.confirm():
        running.settle()
    assert {n: cluster.instance(n)["activeDownFactor"] for n in NAMES} == dict.fromkeys(NAMES, 3)
    assert [i for n in NAMES for i in cluster.specs()[n]["instances"] if i["virtualIP"] == "web"] == [
        i for n in NAMES for i in before[n]["instances"] if i["virtualIP"] == "web"
    ]
    status, reason, message = cluster.programmed()
    assert (status, reason) == ("False", "DaemonTooOld")
    assert "activeDownFactor" in message
    assert "n2 (daemon 0.1.0, level 1)" in message
    assert "n1" not in message
    assert {cluster.instance(n, "api-0")["preemption"]["mode"] for n in NAMES} == {"Never"}, "others go on"
    cluster.levels["n2"] = 2
    cluster.confirm()
    running.settle()
    while cluster.confirm():
        running.settle()
    assert {(i["activeDownFactor"], i["requiredLevel"]) for i in map(cluster.instance, NAMES)} == {(5, 2)}
    assert cluster.programmed()[:2] == ("True", "Programmed")


def test_a_new_one_is_not_begun_without_what_it_asks_for() -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24", activeDownFactor=5))
    cluster.levels["n2"] = 1
    cluster.run(LATER)
    assert {name: spec["instances"] for name, spec in cluster.specs().items()} == {name: [] for name in NAMES}
    assert cluster.programmed()[1] == "DaemonTooOld"


# What an older operator does not take away.


def newer(change: Callable[[Document], None]) -> Callable[[Cluster], int]:
    """An operator of the next release: what it wants beside, it writes where it is missing, and counts that."""

    def lead(cluster: Cluster) -> int:
        written = 0
        for document in cluster.api.all("NodeConfig").values():
            before = str(document["spec"])
            for instance in document["spec"]["instances"]:
                if instance["virtualIP"] == "web":
                    change(instance)
            if str(document["spec"]) != before:
                cluster.api.add(document)
                written += 1
        return written

    return lead


NEWS: Mapping[str, Callable[[Document], None]] = {
    "field": lambda i: i.update(later={"x": 1}),
    "value": lambda i: i.update(onStop="Park"),
    "both": lambda i: i.update(onStop="Park", requiredLevel=2, later=True),
}


@pytest.mark.parametrize("news", NEWS.values(), ids=NEWS.keys())
def test_operators_of_two_releases_that_take_turns_do_not_write_to_and_fro(news: Callable[[Document], None]) -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24"), virtual_ip("api", "10.0.0.101/24"))
    cluster.run()
    # Somebody asked the newer one for what this one can't read.
    cluster.change("web", later="x")
    lead = newer(news)
    assert lead(cluster) == len(NAMES)
    stood, written = cluster.specs(), []
    for _ in range(3):
        cluster.run()
        written.append(lead(cluster))
        assert cluster.specs() == stood
    assert written == [0, 0, 0]
    accepted = cluster.api.get("VirtualIP", "web")["status"]["conditions"][0]
    assert (accepted["type"], accepted["reason"]) == ("Accepted", "Invalid")


@pytest.mark.parametrize("news", NEWS.values(), ids=NEWS.keys())
def test_what_only_a_newer_operator_can_read_stays_when_its_node_is_written(news: Callable[[Document], None]) -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24"), virtual_ip("api", "10.0.0.101/24"))
    cluster.run()
    cluster.change("web", later="x")
    newer(news)(cluster)
    stood = {name: cluster.instance(name) for name in NAMES}
    cluster.change("api", preemption={"mode": "Never"})
    cluster.run()
    assert {cluster.instance(n, "api-0")["preemption"]["mode"] for n in NAMES} == {"Never"}
    assert {name: cluster.instance(name) for name in NAMES} == stood


def test_garbage_for_a_virtual_ip_that_can_be_read_is_written_over() -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24"))
    cluster.run()
    stood = cluster.specs()
    newer(NEWS["value"])(cluster)
    cluster.run()
    assert cluster.specs() == stood


# What a newer daemon says.


def test_a_newer_daemon_is_understood_but_for_what_is_new() -> None:
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24"))
    cluster.levels["n1"] = 9
    cluster.run()
    document = cluster.api.get("NodeConfig", "n1")
    state = {"name": "web-0", "state": "Active", "sinceTime": "2026-01-01T00:00:00Z", "priority": 1, "transitions": 1}
    document["status"] |= {
        "pools": [{"x": 1}],
        "kubeProxy": {"mode": "EBPF"},
        "instances": [state | {"later": 1}, state | {"name": "other-0", "state": "Standby"}],
    }
    cluster.api.add(document)
    written = len([w for w in cluster.api.log if w.kind == "NodeConfig"])
    cluster.run()
    assert len([w for w in cluster.api.log if w.kind == "NodeConfig"]) == written
    assert cluster.programmed()[:2] == ("True", "Programmed")
    assert cluster.api.get("VirtualIP", "web")["status"]["groups"][0]["holder"] == "n1"


# Of virtual servers too.


def entry(name: str, **fields: Any) -> Document:
    base = {"name": name, "virtualServer": name.partition(":")[0], "addresses": ["10.0.0.100"], "port": 80}
    return base | fields


def written(stored: Document, made: Document, kept: frozenset[str], servers: frozenset[str]) -> Document:
    document = {"metadata": {"name": "n1", "generation": 1}, "spec": stored}
    return as_they_stand(made, stored, standing_of(document), kept, servers)


HELD = {"name": "web-0", "virtualIP": "web", "addresses": [{"address": "10.0.0.100/24"}]}


def test_what_stands_of_a_virtual_server_that_only_a_newer_operator_can_read_stays() -> None:
    stored = {"instances": [], "virtualServers": [entry("a/x:p", later=1), entry("a/y:p", port=81, scheduler="later")]}
    made = {"instances": [HELD], "virtualServers": [entry("a/x:p"), entry("b/z:p", port=82)]}
    found = written(stored, made, frozenset(), frozenset({"a/x", "a/y"}))
    assert found["virtualServers"] == [entry("a/x:p", later=1), entry("b/z:p", port=82), stored["virtualServers"][1]]
    assert written(stored, made, frozenset(), frozenset())["virtualServers"] == made["virtualServers"]


def test_it_goes_with_the_addresses_that_it_had() -> None:
    stored = {"instances": [], "virtualServers": [entry("a/x:p", later=1, addresses=["10.0.0.100", "10.0.0.101"])]}
    made = {"instances": [HELD], "virtualServers": [entry("a/x:p")]}
    assert written(stored, made, frozenset(), frozenset({"a/x"}))["virtualServers"] == [entry("a/x:p")]
    gone = {"instances": [], "virtualServers": [entry("a/y:p", scheduler="later")]}
    assert (
        written(gone, {"instances": [], "virtualServers": []}, frozenset(), frozenset({"a/y"}))["virtualServers"] == []
    )


@pytest.mark.parametrize("release", ["newer", "older"])
def test_what_an_operator_of_another_release_has_allocated_is_adopted(release: str) -> None:
    """From the statuses: the groups and their virtual router IDs, also where no NodeConfig has them any more."""
    cluster = Cluster(virtual_ip("web", "10.0.0.100/24", virtualRouterIDs=[77]), virtual_ip("api", "10.0.0.101/24"))
    cluster.run()
    cluster.change("web")
    stood = cluster.specs()
    for name in ("web", "api"):
        document = cluster.api.get("VirtualIP", name)
        for group in document["status"]["groups"]:
            if release == "newer":
                group |= {"later": 1}
            else:
                group.pop("order", None)
                group.pop("home", None)
        document["status"] |= {"later": {"x": 1}} if release == "newer" else {"conditions": []}
        cluster.api.add(document)
    cluster.run()
    assert cluster.specs() == stood
    assert {cluster.instance(name)["virtualRouterID"] for name in NAMES} == {77}
