"""What a node reports, by mistake or on purpose, takes no address from the others; all with an operator that runs."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running
from tests.unit.operator.test_reconcile import virtual_ip

Document = dict[str, Any]
V4, V6 = "10.0.0.100/24", "2001:db8::100/64"


def node(name: str, address: str | None, *, age: int = 0, ready: bool = True) -> Document:
    """`age` is the minute in which it was made: less is older."""
    status: Document = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    if address:
        status["addresses"] = [{"type": "InternalIP", "address": address}]
    metadata = {"name": name, "creationTimestamp": f"2026-01-01T00:{age:02d}:00Z"}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


class Cluster:
    """Nodes n1, n2, ... with 10.0.0.1, 10.0.0.2, ... and one VirtualIP; `reports` is what each daemon says."""

    def __init__(self, count: int, *addresses: str, **spec: Any) -> None:
        self.reports: dict[str, dict[str, list[str]]] = {}
        self.dead: set[str] = set()
        self.api = FakeApi([virtual_ip("web", *(addresses or (V4,)), **spec)])
        for number in range(1, count + 1):
            self.add(f"n{number}", f"10.0.0.{number}", age=number)
        self.running = Running(self.api)

    def add(self, name: str, address: str, *, age: int, also: tuple[str, ...] = ()) -> None:
        self.api.add(node(name, address, age=age))
        number = int(address.rpartition(".")[2])
        self.reports[name] = {"eth0": [f"{address}/24", f"fe80::{number:x}/64", f"2001:db8::{number:x}/64", *also]}

    def die(self, name: str, address: str) -> None:
        self.dead.add(name)
        before = self.api.get("Node", name)
        self.api.add(before | {"status": node(name, address, ready=False)["status"]})

    def settle(self) -> "Cluster":
        """Until nobody has anything to do; who is dead says nothing more."""
        self.running.settle()
        for _ in range(60):
            if not any([self._say(name, document) for name, document in self.api.all("NodeConfig").items()]):
                return self
            self.running.settle()
        raise AssertionError("no end")

    def _say(self, name: str, document: Document) -> bool:
        if name in self.dead or name not in self.reports:
            return False
        generation, said = document["metadata"]["generation"], document.get("status", {})
        own = {i["name"]: i["addresses"] for i in said.get("interfaces", [])}
        if said.get("observedGeneration") == generation and own == self.reports[name]:
            return False
        self.api.report(name, self.reports[name])
        return True

    def instances(self, name: str) -> list[Document]:
        found: list[Document] = self.api.get("NodeConfig", name)["spec"]["instances"]
        return found

    def taking_part(self) -> list[str]:
        """Nodes that may take the role in all that they run."""
        names = self.api.all("NodeConfig")
        return [n for n in names if (own := self.instances(n)) and all(i.get("eligible", True) for i in own)]

    def accepted(self) -> tuple[str, str]:
        conditions = self.api.get("VirtualIP", "web")["status"]["conditions"]
        found = next(c for c in conditions if c["type"] == "Accepted")
        return found["reason"], found["message"]


def test_another_node_is_given_the_address_of_a_dead_one() -> None:
    cluster = Cluster(3).settle()
    before = cluster.instances("n1")
    cluster.die("n2", "10.0.0.2")
    cluster.reports["n3"] = {"eth0": ["10.0.0.2/24"]}
    cluster.settle()
    assert cluster.taking_part()[0] == "n1"
    assert cluster.instances("n1")[0]["addresses"] == before[0]["addresses"]
    reason, message = cluster.accepted()
    assert reason == "NodesLeftOut"
    assert "n3: 10.0.0.2 on eth0 is the InternalIP of node n2" in message


@pytest.mark.parametrize("younger", [True, False])
def test_a_dead_node_is_installed_anew_under_another_name(younger: bool) -> None:
    """It takes part when the dead Node is deleted; until then the others have what they had."""
    cluster = Cluster(3).settle()
    cluster.die("n3", "10.0.0.3")
    before = [cluster.instances(name) for name in ("n1", "n2")]
    cluster.add("n4", "10.0.0.3", age=9 if younger else 0)
    cluster.settle()
    assert [cluster.instances(name) for name in ("n1", "n2")] == before
    assert cluster.instances("n4") == []
    assert (
        "n4: 10.0.0.3 on eth0 is where n3 speaks from; give one of the two another address; n3 is not Ready"
        in (cluster.accepted()[1])
    )
    cluster.api.remove("Node", "n3")
    cluster.settle()
    for _ in range(150):
        cluster.running.api.now += 0.5
        cluster.settle()
    assert cluster.taking_part() == ["n1", "n2", "n4"]
    assert cluster.accepted()[0] == "Accepted"


def test_readiness_that_goes_up_and_down_moves_no_part_between_two_nodes_with_one_address() -> None:
    cluster = Cluster(2).settle()
    cluster.add("n3", "10.0.0.2", age=3)
    cluster.settle()
    before = {name: cluster.instances(name) for name in ("n1", "n2", "n3")}
    assert [bool(own) for own in before.values()] == [True, True, False]
    for ready in (False, True, False):
        document = cluster.api.get("Node", "n2")
        cluster.api.add(document | {"status": node("n2", "10.0.0.2", ready=ready)["status"]})
        cluster.settle()
        assert {name: cluster.instances(name) for name in before} == before


def test_ready_comes_first_where_neither_has_a_part() -> None:
    cluster = Cluster(1)
    cluster.add("n2", "10.0.0.2", age=2)
    cluster.add("n3", "10.0.0.2", age=3)
    cluster.api.add(node("n2", "10.0.0.2", age=2, ready=False))
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n3"]


def test_of_two_alike_the_older_node_comes_first() -> None:
    cluster = Cluster(1)
    cluster.add("n2", "10.0.0.2", age=8)
    cluster.add("n3", "10.0.0.2", age=3)
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n3"]


def test_one_link_local_address_on_all_nodes_is_passed_over_where_they_have_another() -> None:
    cluster = Cluster(3, V6)
    for own in cluster.reports.values():
        own["eth0"].insert(0, "fe80::f/64")
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2", "n3"]
    sources = [cluster.instances(name)[0]["transport"]["source"] for name in ("n1", "n2", "n3")]
    assert len(set(sources)) == 3


def test_one_link_local_address_that_comes_to_all_nodes_changes_nothing() -> None:
    cluster = Cluster(3, V6).settle()
    before = [cluster.instances(name) for name in ("n1", "n2", "n3")]
    for own in cluster.reports.values():
        own["eth0"].insert(0, "fe80::f/64")
    cluster.settle()
    assert [cluster.instances(name) for name in ("n1", "n2", "n3")] == before


def test_where_all_have_one_link_local_address_alone_one_takes_part() -> None:
    cluster = Cluster(3, V6)
    for own in cluster.reports.values():
        own["eth0"] = ["fe80::f/64", own["eth0"][2]]
    cluster.settle()
    assert cluster.taking_part() == ["n1"]
    assert "n2: fe80::f on eth0 is where n1 speaks from; give one of the two another address" in cluster.accepted()[1]


def test_another_nodes_address_on_a_second_interface() -> None:
    cluster = Cluster(3)
    cluster.reports["n3"] = {"eth1": ["10.0.0.1/24"], **cluster.reports["n3"]}
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2", "n3"]
    assert cluster.instances("n3")[0]["interface"] == "eth0"
    cluster.reports["n3"] = {"eth1": ["10.0.0.1/24"]}
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2"]


def test_a_strangers_address_that_two_nodes_report_first() -> None:
    cluster = Cluster(3)
    for name in ("n1", "n2"):
        cluster.reports[name]["eth0"].insert(0, "10.0.0.200/24")
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2", "n3"]
    assert cluster.instances("n1")[0]["transport"]["source"] == "10.0.0.1"


def test_a_virtual_address_is_no_source() -> None:
    """Somebody set it on a node by hand, after it was given out."""
    cluster = Cluster(2).settle()
    cluster.reports["n2"]["eth0"] = ["10.0.0.100/24"]
    cluster.settle()
    assert cluster.taking_part() == ["n1"]
    assert cluster.accepted()[0] == "TakenByNode"
    assert "n2: 10.0.0.100 on eth0 is an address of VirtualIP/web; take it away on n2" in cluster.accepted()[1]


@pytest.mark.parametrize("multicast", [False, True])
def test_a_forged_address_of_another_node(multicast: bool) -> None:
    cluster = Cluster(3, vrrp={"transport": {"type": "Multicast"}} if multicast else {}).settle()
    cluster.reports["n3"] = {"eth0": ["10.0.0.1/24"]}
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2"]


@pytest.mark.parametrize("standing", [True, False])
def test_a_forged_segment_that_ranks_first(standing: bool) -> None:
    cluster = Cluster(2, nodes={"preferred": [{"node": "n0"}]})
    if standing:
        cluster.settle()
    cluster.api.add(node("n0", "10.0.0.99", age=9))
    cluster.reports["n0"] = {"eth0": ["10.0.0.99/29"]}
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2"]
    assert "n0: 10.0.0.99 on eth0 is not on the segment" in cluster.accepted()[1]


def test_a_forged_segment_against_one_other_member() -> None:
    """Of two networks each has one node's word: who is there already stays, also beside the older one."""
    cluster = Cluster(1, nodes={"preferred": [{"node": "n0"}]}).settle()
    before = cluster.instances("n1")
    cluster.api.add(node("n0", "10.0.0.99"))
    cluster.reports["n0"] = {"eth0": ["10.0.0.99/29"]}
    cluster.settle()
    assert cluster.instances("n1") == before
    assert cluster.taking_part() == ["n1"]


def test_a_member_that_forges_its_network_later_leaves_the_others_what_they_have() -> None:
    cluster = Cluster(2).settle()
    before = cluster.instances("n2")
    cluster.reports["n1"] = {"eth0": ["10.0.0.1/32"]}
    cluster.settle()
    assert cluster.instances("n2") == before
    assert cluster.taking_part() == ["n1", "n2"]


def test_a_forged_network_that_holds_the_virtual_address_alone() -> None:
    """The others have the group by their InternalIPs: no subnet of theirs holds it."""
    cluster = Cluster(2, "192.0.2.1/32").settle()
    before = cluster.instances("n1")
    cluster.api.add(node("n3", "10.0.0.3"))
    cluster.reports["n3"] = {"eth0": ["192.0.2.9/24"]}
    cluster.settle()
    assert cluster.instances("n1") == before


def test_a_new_address_that_a_node_reports_is_refused_with_the_nodes_name() -> None:
    cluster = Cluster(2).settle()
    cluster.reports["n2"]["eth0"] += [f"10.0.0.{host}/32" for host in range(128, 160)]
    cluster.settle()
    cluster.api.add(virtual_ip("late", "10.0.0.140/24"))
    cluster.settle()
    accepted = next(c for c in cluster.api.get("VirtualIP", "late")["status"]["conditions"] if c["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "DuplicateAddress")
    assert "10.0.0.140 is an address of node n2 on eth0" in accepted["message"]
    assert cluster.taking_part() == ["n1", "n2"]


def test_nodes_that_move_to_another_network_one_after_the_other_are_not_held_up_by_a_dead_one() -> None:
    cluster = Cluster(3, "192.0.2.1/32").settle()
    cluster.die("n3", "10.0.0.3")
    for name in ("n1", "n2"):
        address = f"10.9.0.{name[1:]}"
        cluster.api.add(node(name, address, age=int(name[1:])))
        cluster.reports[name] = {"eth0": [f"{address}/24"]}
        cluster.settle()
    assert "n3: 10.0.0.3 on eth0 is not on the segment of the other members (10.9.0.0/24)" in cluster.accepted()[1]
    cluster.api.remove("Node", "n3")
    for _ in range(150):
        cluster.running.api.now += 0.5
        cluster.settle()
    assert cluster.taking_part() == ["n1", "n2"]
    assert cluster.instances("n1")[0]["transport"]["source"] == "10.9.0.1"


# What can't be made at all.

LABELLED = {"address": V4, "label": "{interface}:web"}


def labelled() -> Cluster:
    cluster = Cluster(3)
    document = cluster.api.get("VirtualIP", "web")
    document["spec"]["addresses"] = [LABELLED]
    cluster.api.add(document)
    return cluster


def test_a_group_of_which_one_part_cannot_be_made_stays_as_it_stands() -> None:
    cluster = labelled().settle()
    before = {name: cluster.instances(name) for name in cluster.reports}
    assert all(before.values())
    cluster.reports["n3"] = {"enp130s0f1np1": cluster.reports["n3"]["eth0"]}
    cluster.settle()
    assert {name: cluster.instances(name) for name in before} == before
    reason, message = cluster.accepted()
    assert reason == "KeptAsItStands"
    assert "instance web-0 can't be planned on n3: web-0.label: must have at most 15 characters" in message
    assert "or n3 is no longer selected" in message
    programmed = next(
        c for c in cluster.api.get("VirtualIP", "web")["status"]["conditions"] if c["type"] == "Programmed"
    )
    assert (programmed["status"], programmed["reason"]) == ("False", "NotAccepted")
    cluster.reports["n3"] = {"eth0": cluster.reports["n3"]["enp130s0f1np1"]}
    cluster.settle()
    assert cluster.accepted()[0] == "Accepted"


def test_a_new_group_of_which_one_part_cannot_be_made_is_not_planned() -> None:
    cluster = labelled()
    cluster.reports["n3"] = {"enp130s0f1np1": cluster.reports["n3"]["eth0"]}
    cluster.settle()
    assert [cluster.instances(name) for name in cluster.reports] == [[], [], []]
    assert cluster.accepted()[0] == "KeptAsItStands"
    cluster.api.remove("Node", "n3")
    cluster.settle()
    assert cluster.taking_part() == ["n1", "n2"]


def test_a_report_that_makes_two_segments_one_takes_no_virtual_router_id_from_who_runs_with_it() -> None:
    cluster = Cluster(2, vrrp={"virtualRouterIDs": [5]})
    cluster.api.add(virtual_ip("other", "10.1.0.100/24", vrrp={"virtualRouterIDs": [5]}))
    for number in (3, 4):
        cluster.api.add(node(f"n{number}", f"10.1.0.{number}"))
        cluster.reports[f"n{number}"] = {"eth0": [f"10.1.0.{number}/24"]}
    cluster.settle()
    before = {name: cluster.instances(name) for name in cluster.reports}
    assert all(before.values())
    cluster.api.add(node("n5", "10.2.0.5"))
    cluster.reports["n5"] = {"eth0": ["10.2.0.5/24"], "eth1": ["10.0.0.9/32", "10.1.0.9/32"]}
    cluster.settle()
    assert {name: cluster.instances(name) for name in before} == before
    told = cluster.api.get("VirtualIP", "other")["status"]["conditions"][0]
    assert (told["status"], told["reason"]) == ("False", "KeptAsItStands")
    assert "virtual router ID 5 is in use by group web-0 of VirtualIP/web" in told["message"]
    cluster.reports["n5"] = {"eth0": ["10.2.0.5/24"]}
    cluster.settle()
    assert cluster.api.get("VirtualIP", "other")["status"]["conditions"][0]["status"] == "True"


# Whatever one of them says.

_HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.99", "10.0.0.100", "10.9.0.1", "192.0.2.9"]
_FOUR = st.tuples(st.sampled_from(_HOSTS), st.sampled_from([8, 16, 24, 25, 29, 30, 32])).map("{0[0]}/{0[1]}".format)
_LOCAL = st.sampled_from(["fe80::1/64", "fe80::2/64", "fe80::3/64", "fe80::f/64"])
_SIX = st.sampled_from(["2001:db8::1/64", "2001:db8::2/48", "2001:db8::100/128", "2001:db8::9/124", "2001:db8:1::9/64"])
_NARROW = st.sampled_from(["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/29", "10.0.0.4/29"])
_OWN = st.lists(st.one_of(_FOUR, _NARROW, _LOCAL, _SIX), max_size=4, unique=True)
REPORTS = st.dictionaries(st.sampled_from(["eth0", "eth1", "enp130s0f1np1"]), _OWN, max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 4),
    addresses=st.sampled_from([(V4,), (V6,), (V4, V6), ("192.0.2.1/32",)]),
    spec=st.sampled_from(
        [{}, {"vrrp": {"transport": {"type": "Multicast"}}}, {"nodes": {"preferred": [{"node": "n1"}]}}]
    ),
    internal=st.booleans(),
    old=st.booleans(),
    joined=st.booleans(),
    said=st.lists(REPORTS, min_size=1, max_size=3),
)
def test_whatever_one_node_reports_the_others_keep_their_instances(
    count: int,
    addresses: tuple[str, ...],
    spec: Document,
    internal: bool,
    old: bool,
    joined: bool,
    said: list[dict[str, list[str]]],
) -> None:
    """The liar is the first or the last of them, old or new, a member before it lies or not."""
    liar = "n1" if old else f"n{count}"
    cluster = Cluster(count, *addresses, **spec)
    if not internal and addresses != ("192.0.2.1/32",):
        for name in cluster.reports:
            cluster.api.add(node(name, None, age=int(name[1:])))
    honest = [name for name in cluster.reports if name != liar]
    if not joined:
        cluster.reports.pop(liar)
    cluster.settle()
    for report in said:
        before = {name: cluster.instances(name) for name in honest}
        assert all(before.values())
        cluster.reports[liar] = report
        cluster.settle()
        for name in honest:
            now, was = cluster.instances(name), before[name]
            assert [(i["name"], i["addresses"], i["transport"]["source"], i.get("eligible", True)) for i in now] == [
                (i["name"], i["addresses"], i["transport"]["source"], i.get("eligible", True)) for i in was
            ]
