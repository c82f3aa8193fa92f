"""What nobody can read of a daemon's report any more, or what was lost of it, takes no part from any member."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.running import Running
from tests.unit.operator.test_contested import V4, V6, Cluster, node
from tests.unit.operator.test_lost_configs import Fleet
from tests.unit.operator.test_reconcile import virtual_ip

Document = dict[str, Any]
ETH0 = {"name": "eth0", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1/24"], "carrier": True, "mtu": 1500}
ROUTER = {"interface": "eth0", "virtualRouterID": 9, "source": "10.0.0.77", "priority": 100, "version": 3}
#: What may be wrong with a report: a field of its status to something else.
ENTRIES: dict[str, tuple[str, Any]] = {
    "an address of another interface": ("interfaces", {**ETH0, "name": "eth9", "addresses": ["10.9.0.1/24", "soon"]}),
    "a carrier": ("interfaces", {**ETH0, "name": "eth9", "addresses": [], "carrier": "Dormant"}),
    "an interface that is none": ("interfaces", "eth9"),
    "an interface without a name": ("interfaces", {"mac": "02:00:00:00:00:09"}),
    "a router without a priority": ("foreignRouters", {k: v for k, v in ROUTER.items() if k != "priority"}),
    "a VRID": ("foreignRouters", {**ROUTER, "virtualRouterID": 300}),
    "a router that is none": ("foreignRouters", 7),
}


#: The same of the first interface that it has.
OWN: dict[str, Document] = {
    "its own carrier": {"carrier": "Dormant"},
    "its own MAC": {"mac": None},
    "its own interface": {"name": {"is": "eth0"}},
}


def spoil(cluster: Cluster | Fleet, name: str, how: str) -> None:
    """The NodeConfig as somebody else left it; nothing reports until it is mended."""
    document = cluster.api.get("NodeConfig", name)
    status = document.get("status") or {}
    if not isinstance(status, dict):
        return
    own = next((each for each in status.get("interfaces") or () if isinstance(each, dict)), None)
    if how in ENTRIES:
        field, entry = ENTRIES[how]
        before = status.get(field)
        status[field] = [entry, *(before if isinstance(before, list) else ())]
    elif how == "no status":
        document.pop("status", None)
    elif how == "a status that is none":
        document["status"] = "soon"
    elif how == "no interfaces":
        status.pop("interfaces", None)
    elif how == "interfaces that are none":
        status["interfaces"] = {"eth0": ["10.0.0.1/24"]}
    elif own is not None and how == "its own addresses":
        own["addresses"] = [f"{each} dev eth0" for each in own.get("addresses", ())]
    elif own is not None and how in OWN:
        own.update(OWN[how])
    cluster.api.objects["NodeConfig", name] = document
    cluster.api.add(document)


def mend(cluster: Cluster) -> None:
    """The daemons write their whole status anew."""
    for name, interfaces in cluster.reports.items():
        cluster.api.report(name, interfaces)
    cluster.settle()


HOW = [
    *ENTRIES,
    "no status",
    "a status that is none",
    "no interfaces",
    "interfaces that are none",
    "its own addresses",
    *OWN,
]


def parts(cluster: Cluster) -> dict[str, list[Document]]:
    return {name: cluster.instances(name) for name in cluster.api.all("NodeConfig")}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("anew", [False, True])
def test_no_member_loses_its_part_when_all_reports_are_gone_or_spoiled(how: str, anew: bool) -> None:
    cluster = Cluster(3).settle()
    before = parts(cluster)
    for name in before:
        spoil(cluster, name, how)
    running = Running(cluster.api) if anew else cluster.running
    running.settle()
    assert parts(cluster) == before
    mend(cluster)
    assert parts(cluster) == before


@pytest.mark.parametrize("how", HOW)
def test_the_others_go_on_hearing_the_one_whose_report_is_lost(how: str) -> None:
    cluster = Cluster(3).settle()
    before = parts(cluster)
    spoil(cluster, "n2", how)
    Running(cluster.api).settle()
    assert parts(cluster) == before


@pytest.mark.parametrize("how", sorted(ENTRIES))
def test_a_bad_entry_costs_itself_alone(how: str) -> None:
    """Who has no part yet joins: the rest of its report is as good as ever."""
    cluster = Cluster(2)
    cluster.running.settle()
    for name in ("n1", "n2"):
        cluster.api.report(name, cluster.reports[name])
        spoil(cluster, name, how)
    problems = {str(each) for each in cluster.running.settle().turns[-1].problems}
    assert sorted(name for name, own in parts(cluster).items() if own) == ["n1", "n2"]
    field, _ = ENTRIES[how]
    assert {each.partition(": ")[0] for each in problems} == {"NodeConfig/n1", "NodeConfig/n2"}
    assert all(f"status.{field}[0]" in each for each in problems)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 4),
    addresses=st.sampled_from([(V4,), (V6,), (V4, V6), ("192.0.2.1/32",)]),
    spec=st.sampled_from(
        [
            {},
            {"vrrp": {"transport": {"type": "Multicast"}}},
            {"vrrp": {"virtualRouterIDs": [7]}},
            {"nodes": {"preferred": [{"node": "n1"}], "maxCandidates": 2}},
            {"distribution": "Balanced"},
        ]
    ),
    far=st.booleans(),
    steps=st.lists(
        st.tuples(st.dictionaries(st.integers(1, 5), st.sampled_from(HOW), min_size=1), st.booleans(), st.booleans()),
        min_size=1,
        max_size=3,
    ),
)
def test_whatever_is_lost_of_reports_nobody_loses_its_part(
    count: int,
    addresses: tuple[str, ...],
    spec: Document,
    far: bool,
    steps: list[tuple[dict[int, str], bool, bool]],
) -> None:
    """Nodes to what is spoiled there; whether the operator begins anew; whether the daemons report again then."""
    cluster = Cluster(count, *addresses, **spec)
    if far:
        # One more that comes first and is no neighbour, and a group with the same VRID where it is.
        cluster.api.add(node("n0", "10.7.0.5"))
        cluster.reports["n0"] = {"eth0": ["10.7.0.5/24", "fe80::5/64", "2001:db8:7::5/64"]}
        cluster.api.add(virtual_ip("away", "10.7.0.100/24", vrrp={"virtualRouterIDs": [7]}))
    cluster.settle()
    before = parts(cluster)
    assert any(before.values())
    for spoiled, anew, mended in steps:
        for number, how in spoiled.items():
            if f"n{number % (count + 1)}" in before:
                spoil(cluster, f"n{number % (count + 1)}", how)
        if anew:
            cluster.running = Running(cluster.api)
        cluster.running.settle()
        assert parts(cluster) == before
        if mended:
            mend(cluster)
            assert parts(cluster) == before


def test_who_was_no_member_joins_when_it_is_known_where_the_members_are() -> None:
    """First choice, and on a segment that nobody can compare with theirs while their reports are lost."""
    cluster = Cluster(3, nodes={"preferred": [{"node": "n0"}], "maxCandidates": 3}).settle()
    cluster.api.add(node("n0", "10.7.0.5"))
    cluster.reports["n0"] = {"eth0": ["10.7.0.5/24"]}
    before = parts(cluster)
    for name in before:
        spoil(cluster, name, "no status")
    cluster.running.settle()
    cluster.api.report("n0", cluster.reports["n0"])
    cluster.running.settle()
    assert parts(cluster) == before | {"n0": []}
    assert "n0: joins when the interfaces of n1, n2, n3 are known" in cluster.accepted()[1]
    mend(cluster)
    assert parts(cluster) == before | {"n0": []}
    assert "n0: 10.7.0.5 on eth0 is not on the segment" in cluster.accepted()[1]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"addresses": [{"address": V4}, {"address": V6}]}, "n2 has no part in IPv6 yet"),
        ({"addresses": [{"address": "10.0.0.99/24"}]}, "n2 has its part for 10.0.0.100 yet"),
        ({"addresses": [{"address": V4}], "interface": "eth1"}, "n2 has its part on eth0 yet, not on eth1"),
    ],
)
def test_a_change_that_nobody_can_plan_for_a_lost_report_waits_for_it(spec: Document, why: str) -> None:
    cluster = Cluster(3)
    for interfaces in cluster.reports.values():
        interfaces["eth1"] = []
    cluster.settle()
    before = parts(cluster)
    spoil(cluster, "n2", "no status")
    cluster.api.add(cluster.api.get("VirtualIP", "web") | {"spec": spec})
    cluster.dead.add("n2")
    cluster.settle()
    assert parts(cluster) == before
    reason, message = cluster.accepted()
    assert reason == "KeptAsItStands"
    assert why in message
    cluster.dead.clear()
    for name, interfaces in cluster.reports.items():
        if "interface" in spec:
            interfaces["eth1"] = interfaces["eth0"]
            cluster.api.report(name, interfaces)
    cluster.settle()
    assert cluster.accepted()[0] == "Accepted"
    assert all(own != before[name] for name, own in parts(cluster).items())


def test_what_needs_no_report_goes_on_though_one_is_lost() -> None:
    cluster = Cluster(3).settle()
    spoil(cluster, "n2", "no status")
    spec = {"addresses": [{"address": V4}, {"address": "10.0.0.101/24"}]}
    cluster.api.add(cluster.api.get("VirtualIP", "web") | {"spec": spec})
    cluster.running.settle()
    assert [[a["address"] for a in own[0]["addresses"]] for own in parts(cluster).values()] == [
        [V4, "10.0.0.101/24"]
    ] * 3


def test_a_group_with_an_equal_id_elsewhere_keeps_it_and_a_new_one_does_not_get_it() -> None:
    """Two segments, one virtual router ID: by the reports that are lost nobody could tell that they are two."""
    cluster = Cluster(2, vrrp={"virtualRouterIDs": [7]})
    cluster.api.add(virtual_ip("away", "10.7.0.100/24", vrrp={"virtualRouterIDs": [7]}))
    for number in (3, 4):
        cluster.api.add(node(f"n{number}", f"10.7.0.{number}"))
        cluster.reports[f"n{number}"] = {"eth0": [f"10.7.0.{number}/24"]}
    cluster.settle()
    before = parts(cluster)
    assert all(before.values())
    for name in ("n1", "n2"):
        spoil(cluster, name, "no status")
    Running(cluster.api).settle()
    assert parts(cluster) == before
    cluster.api.add(virtual_ip("late", "10.8.0.100/24", vrrp={"virtualRouterIDs": [7]}))
    cluster.api.add(node("n5", "10.8.0.5"))
    cluster.reports = {"n5": {"eth0": ["10.8.0.5/24"]}}
    cluster.settle()
    assert parts(cluster) == before | {"n5": []}
    conditions = cluster.api.get("VirtualIP", "late")["status"]["conditions"]
    assert "virtual router ID 7 is in use by group web-0" in conditions[0]["message"]
