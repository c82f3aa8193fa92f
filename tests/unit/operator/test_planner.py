"""The whole plan: the installation of the documentation, and each rule that crosses modules."""

from dataclasses import replace

import pytest

from mooring_api.problems import Severity
from mooring_operator.plan.allocations import Allocations
from mooring_operator.plan.planner import Planner, plan

BALANCED = {"distribution": "Balanced"}


def shape_of(config):
    return {
        i.name: (i.virtual_router_id, i.priority, i.transport.source, i.transport.peers, len(i.addresses))
        for i in config.spec.instances
    }


def condition(result, name, kind):
    return next(c for c in result.statuses[name].conditions if c.type == kind)


def test_dual_master_of_the_documentation(cluster, dual_master):
    result = cluster.plan(dual_master)
    assert result.problems == ()
    assert shape_of(result.node_configs["lb-1"]) == {
        "web-0": (66, 100, "10.0.0.18", ("10.0.0.28",), 6),
        "web-1": (88, 80, "10.0.0.18", ("10.0.0.28",), 5),
    }
    assert shape_of(result.node_configs["lb-2"]) == {
        "web-0": (66, 80, "10.0.0.28", ("10.0.0.18",), 6),
        "web-1": (88, 100, "10.0.0.28", ("10.0.0.18",), 5),
    }
    assert result.node_configs["w-1"].spec.instances == ()
    first, second = result.node_configs["lb-1"].spec.instances
    assert [a.address for a in first.addresses] == [f"10.0.0.{i}/24" for i in range(100, 106)]
    assert [a.label for a in second.addresses] == [f"eth0:{i}" for i in range(6, 11)]
    assert first.sync_group == "web-0"
    assert first.authentication.secret_ref.name == "web-vrrp"
    status = result.statuses["web"]
    assert status.address_count == 11
    assert [(g.name, g.virtual_router_id, [p.node for p in g.order]) for g in status.groups] == [
        ("web-0", 66, ["lb-1", "lb-2"]),
        ("web-1", 88, ["lb-2", "lb-1"]),
    ]
    assert condition(result, "web", "Accepted").status == "True"
    assert result.allocations.virtual_router_ids == {"web-0": 66, "web-1": 88}


def test_two_families_are_two_instances_in_one_sync_group(cluster):
    vip = cluster.virtual_ip("in", ["10.0.5.1/16", "2001:db8::10/64"])
    result = cluster.plan([vip, *cluster.nodes(2)])
    assert result.problems == ()
    four, six = result.node_configs["n-1"].spec.instances
    assert (four.name, six.name) == ("in-0-ipv4", "in-0-ipv6")
    assert four.sync_group == six.sync_group == "in-0"
    assert four.virtual_router_id == six.virtual_router_id
    assert six.transport.source == "fe80::1%eth0"
    assert six.transport.peers == ("fe80::2%eth0",)
    assert {g.family for g in result.statuses["in"].groups} == {"IPv4", "IPv6"}


def test_link_local_peers_carry_the_zone_of_the_node_that_reads_them(cluster):
    vip = cluster.virtual_ip("in", ["2001:db8::10/64"])
    nodes = [cluster.node("a", "2001:db8::1"), cluster.node("b", "2001:db8::2")]
    reports = [
        cluster.report("a", {"eth0": ["fe80::1/64", "2001:db8::1/64"]}),
        cluster.report("b", {"ens3": ["fe80::2/64", "2001:db8::2/64"]}),
    ]
    result = cluster.plan([vip, *nodes, *reports])
    assert result.node_configs["a"].spec.instances[0].transport.peers == ("fe80::2%eth0",)
    assert result.node_configs["b"].spec.instances[0].transport.peers == ("fe80::1%ens3",)


def test_a_single_member_says_that_it_is_alone(cluster):
    result = cluster.plan([cluster.virtual_ip("one", ["10.0.5.1/16"]), *cluster.nodes(1)])
    transport = result.node_configs["n-1"].spec.instances[0].transport
    assert transport.alone
    assert transport.peers == ()


def test_multicast_has_a_source_and_no_peers(cluster):
    vip = cluster.virtual_ip("m", ["10.0.5.1/16"], vrrp={"transport": {"type": "Multicast", "group": "224.0.0.99"}})
    result = cluster.plan([vip, *cluster.nodes(2)])
    transport = result.node_configs["n-2"].spec.instances[0].transport
    assert (transport.type, transport.group, transport.source) == ("Multicast", "224.0.0.99", "10.0.1.2")
    assert transport.peers == ()
    assert not transport.alone


def test_a_node_that_has_not_reported_gets_nothing_and_the_condition_says_so(cluster):
    documents = [cluster.virtual_ip("v", ["10.0.5.1/16"]), *cluster.nodes(2), cluster.node("n-3", "10.0.1.3")]
    result = cluster.plan(documents)
    assert result.problems == ()
    assert result.node_configs["n-3"].spec.instances == ()
    assert "n-3: not reported" in condition(result, "v", "Programmed").message
    assert result.reasons["v-0"]["n-3"].startswith("not reported")


def test_nothing_is_planned_while_nobody_has_reported(cluster):
    result = cluster.plan([cluster.virtual_ip("v", ["10.0.5.1/16"]), cluster.node("a", "10.0.1.1")])
    assert condition(result, "v", "Programmed").status == "False"
    assert condition(result, "v", "Programmed").reason == "NotReported"
    assert condition(result, "v", "Accepted").status == "True"
    assert "1 have not reported" in result.problems[0].message


def test_no_eligible_node_is_told(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"selector": {"matchLabels": {"a": "b"}}})
    result = cluster.plan([vip, *cluster.nodes(2)])
    assert condition(result, "v", "Programmed").reason == "NoEligibleNode"
    assert result.problems[0].path == "spec.nodes.selector"


def test_a_node_of_another_segment_is_left_out_with_a_warning(cluster):
    other = [cluster.node("far", "10.9.0.1"), cluster.report("far", {"eth0": ["10.9.0.1/16"]})]
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], interface="eth0")
    result = cluster.plan([vip, *cluster.nodes(2), *other])
    assert result.node_configs["far"].spec.instances == ()
    assert result.node_configs["n-1"].spec.instances[0].transport.peers == ("10.0.1.2",)
    (problem,) = result.problems
    assert problem.severity is Severity.WARNING
    assert "far: 10.9.0.1 on eth0 is not on the segment" in problem.message


def test_a_written_node_that_the_selector_does_not_choose_is_told_and_the_rest_is_planned(cluster):
    nodes = {"preferred": [{"node": "n-2"}, {"node": "n1"}], "overrides": [{"node": "m-1", "interface": "eth0"}]}
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes=nodes)
    result = cluster.plan([vip, *cluster.nodes(2)])
    accepted = condition(result, "v", "Accepted")
    assert (accepted.status, accepted.reason) == ("True", "NodesNotChosen")
    assert "spec.nodes.preferred: n1: no such node is there, or the selector does not choose it" in accepted.message
    assert "spec.nodes.overrides: m-1: no such node" in accepted.message
    assert [problem.severity for problem in result.problems] == [Severity.WARNING] * 2
    assert {len(result.node_configs[node].spec.instances) for node in ("n-1", "n-2")} == {1}

    named = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"preferred": [{"node": "n-2"}, {"node": "n-1"}]})
    assert condition(cluster.plan([named, *cluster.nodes(2)]), "v", "Accepted").reason == "Accepted"


def test_an_interface_that_is_not_there_is_named(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"overrides": [{"node": "n-2", "interface": "eth7"}]})
    result = cluster.plan([vip, *cluster.nodes(3)])
    assert "n-2: has no interface eth7 (it reports eth0)" in result.problems[0].message
    assert result.node_configs["n-1"].spec.instances[0].transport.peers == ("10.0.1.3",)


def test_overrides_of_interface_and_source_and_label(cluster):
    vip = cluster.virtual_ip(
        "v",
        [{"address": "10.0.5.1/16", "label": "{interface}:0"}],
        interface="eth0",
        nodes={"overrides": [{"node": "b", "interface": "ens3", "source": "10.0.2.22"}]},
    )
    documents = [
        vip,
        cluster.node("a", "10.0.2.1"),
        cluster.report("a", {"eth0": ["10.0.2.1/16"]}),
        cluster.node("b", "10.0.2.2"),
        cluster.report("b", {"eth0": ["192.168.0.1/24"], "ens3": ["10.0.2.2/16", "10.0.2.22/16"]}),
    ]
    result = cluster.plan(documents)
    (own,) = result.node_configs["b"].spec.instances
    assert (own.interface, own.transport.source, own.addresses[0].label) == ("ens3", "10.0.2.22", "ens3:0")
    (other,) = result.node_configs["a"].spec.instances
    assert (other.transport.peers, other.addresses[0].label) == (("10.0.2.22",), "eth0:0")


def test_a_host_address_goes_where_the_internal_ip_is(cluster):
    documents = [
        cluster.virtual_ip("v", ["192.0.2.10/32"]),
        cluster.node("a", "10.0.1.1"),
        cluster.report("a", {"mgmt": ["172.16.0.1/24"], "eth0": ["10.0.1.1/16"]}),
    ]
    assert cluster.plan(documents).node_configs["a"].spec.instances[0].interface == "eth0"


def test_duplicate_address_stays_with_the_older(cluster):
    documents = [
        cluster.virtual_ip("young", ["10.0.5.1/16", "10.0.5.2/16"], created=9),
        cluster.virtual_ip("old", ["10.0.5.1/24"], created=1),
        *cluster.nodes(2),
    ]
    result = cluster.plan(documents)
    held = {i.virtual_ip: [a.address for a in i.addresses] for i in result.node_configs["n-1"].spec.instances}
    assert held == {"old": ["10.0.5.1/24"], "young": ["10.0.5.2/16"]}
    (problem,) = result.problems
    assert (problem.object, problem.path) == ("VirtualIP/young", "spec.addresses[0].address")
    assert "VirtualIP/old" in problem.message
    assert condition(result, "young", "Accepted").reason == "DuplicateAddress"
    assert condition(result, "old", "Accepted").status == "True"


def test_clash_of_written_vrids_is_won_by_the_older(cluster):
    documents = [
        cluster.virtual_ip("young", ["10.0.5.1/16"], created=9, vrrp={"virtualRouterIDs": [66]}),
        cluster.virtual_ip("old", ["10.0.5.2/16"], created=1, vrrp={"virtualRouterIDs": [66]}),
        cluster.virtual_ip("other", ["10.0.5.3/16"], created=5),
        *cluster.nodes(2),
    ]
    result = cluster.plan(documents)
    assert {i.virtual_ip for i in result.node_configs["n-1"].spec.instances} == {"old", "other"}
    (problem,) = result.problems
    assert (problem.object, problem.path) == ("VirtualIP/young", "spec.vrrp.virtualRouterIDs[0]")
    assert "VirtualIP/old" in problem.message
    assert condition(result, "young", "Accepted").reason == "VirtualRouterIDConflict"


def test_the_loser_of_a_clash_is_planned_when_the_winner_goes(cluster):
    old = cluster.virtual_ip("old", ["10.0.5.1/16"], created=1, vrrp={"virtualRouterIDs": [66]})
    young = cluster.virtual_ip("young", ["10.0.5.2/16"], created=2, vrrp={"virtualRouterIDs": [66]})
    third = cluster.virtual_ip("third", ["10.0.5.3/16"], created=3)
    first = cluster.plan([old, young, third, *cluster.nodes(2)])
    after = cluster.plan([young, third, *cluster.nodes(2)], first.allocations)
    assert after.problems == ()
    held = {i.virtual_ip: i for i in after.node_configs["n-1"].spec.instances}
    assert held["young"].virtual_router_id == 66
    assert held["third"] in first.node_configs["n-1"].spec.instances


def test_ties_of_age_go_by_uid(cluster):
    first = cluster.virtual_ip("b", ["10.0.5.1/16"], vrrp={"virtualRouterIDs": [66]})
    second = cluster.virtual_ip("a", ["10.0.5.2/16"], vrrp={"virtualRouterIDs": [66]})
    first["metadata"]["uid"], second["metadata"]["uid"] = "1", "2"
    result = cluster.plan([second, first, *cluster.nodes(2)])
    assert [p.object for p in result.problems] == ["VirtualIP/a"]


def test_what_has_no_timestamp_yet_is_the_youngest(cluster):
    there = cluster.virtual_ip("z", ["10.0.5.1/16"], created=59)
    new = cluster.virtual_ip("a", ["10.0.5.1/16"], created=None)
    assert [p.object for p in cluster.plan([new, there, *cluster.nodes(2)]).problems] == ["VirtualIP/a"]


def test_a_written_vrid_takes_the_place_of_an_allocated_one(cluster):
    old = cluster.virtual_ip("old", ["10.0.5.1/16"], created=1)
    before = cluster.plan([old, *cluster.nodes(2)])
    vrid = before.allocations.virtual_router_ids["old-0"]
    young = cluster.virtual_ip("young", ["10.0.5.2/16"], created=2, vrrp={"virtualRouterIDs": [vrid]})
    after = cluster.plan([old, young, *cluster.nodes(2)], before.allocations)
    assert after.problems == ()
    assert after.allocations.virtual_router_ids["young-0"] == vrid
    assert after.allocations.virtual_router_ids["old-0"] != vrid


def test_one_vrid_may_serve_two_segments(cluster):
    def site(name, third):
        address = f"10.{third}.0.1"
        return [
            cluster.node(name, address, {"site": name}),
            cluster.report(name, {"eth0": [f"{address}/16"]}),
            cluster.virtual_ip(
                f"v-{name}",
                [f"10.{third}.5.1/16"],
                nodes={"selector": {"matchLabels": {"site": name}}},
                vrrp={"virtualRouterIDs": [7]},
            ),
        ]

    assert cluster.plan([*site("a", 1), *site("b", 2)]).problems == ()


def test_vrids_heard_from_strangers_are_avoided_and_an_allocated_one_stays(cluster):
    documents = [cluster.virtual_ip("v", ["10.0.5.1/16"]), cluster.node("a", "10.0.1.1")]
    quiet = cluster.plan([*documents, cluster.report("a", {"eth0": ["10.0.1.1/16"]})])
    vrid = quiet.allocations.virtual_router_ids["v-0"]
    heard = [*documents, cluster.report("a", {"eth0": ["10.0.1.1/16"]}, [("eth0", vrid)])]
    assert cluster.plan(heard).allocations.virtual_router_ids["v-0"] != vrid
    assert cluster.plan(heard, quiet.allocations).allocations.virtual_router_ids["v-0"] == vrid


def test_256_groups_on_a_segment_are_one_clear_problem(cluster):
    ips = [
        cluster.virtual_ip(f"v{i:03d}", [f"10.0.{5 + i // 200}.{i % 200 + 1}/16"], created=i // 5) for i in range(256)
    ]
    result = cluster.plan([*ips, *cluster.nodes(1)])
    assert len(set(result.allocations.virtual_router_ids.values())) == 255
    (problem,) = result.problems
    assert problem.object == "VirtualIP/v255"
    assert "all 255 virtual router IDs" in problem.message


def test_an_object_that_cannot_be_read_keeps_what_was_allocated(cluster):
    good = cluster.virtual_ip("good", ["10.0.5.1/16"])
    bad = cluster.virtual_ip("bad", ["10.0.5.2/16"])
    before = cluster.plan([good, bad, *cluster.nodes(2)])
    broken = {**bad, "spec": {"addresses": "10.0.5.2"}}
    after = cluster.plan([good, broken, *cluster.nodes(2)], before.allocations)
    assert after.allocations == before.allocations
    assert {p.object for p in after.problems} == {"VirtualIP/bad"}
    assert condition(after, "bad", "Accepted").reason == "Invalid"
    assert after.statuses["bad"].groups[0].addresses == ("10.0.5.2",)
    assert [i.virtual_ip for i in after.node_configs["n-1"].spec.instances] == ["good"]


def test_balanced_without_preference_gives_every_node_a_group(cluster):
    vip = cluster.virtual_ip("v", [f"10.0.5.{i}/16" for i in range(1, 8)], **BALANCED)
    result = cluster.plan([vip, *cluster.nodes(3)])
    groups = result.statuses["v"].groups
    assert sorted(g.order[0].node for g in groups) == ["n-1", "n-2", "n-3"]
    assert [len(g.addresses) for g in groups] == [3, 2, 2]
    assert [p.priority for p in groups[0].order] == [250, 240, 230]


def test_second_places_of_a_balanced_virtual_ip_are_spread(cluster):
    vip = cluster.virtual_ip("v", [f"10.0.5.{i}/16" for i in range(1, 7)], **BALANCED)
    groups = cluster.plan([vip, *cluster.nodes(6)]).statuses["v"].groups
    assert len({g.order[1].node for g in groups}) == 6


def test_a_node_that_joins_a_balanced_virtual_ip_moves_no_address(cluster):
    vip = cluster.virtual_ip("v", [f"10.0.5.{i}/16" for i in range(1, 8)], **BALANCED)
    before = cluster.plan([vip, *cluster.nodes(3)])
    after = cluster.plan([vip, *cluster.nodes(6)], before.allocations)

    def leaders(result):
        return [(g.addresses, g.order[0].node) for g in result.statuses["v"].groups]

    assert leaders(after) == leaders(before)


def test_a_share_comes_back_with_its_node(cluster):
    vip = cluster.virtual_ip("v", [f"10.0.5.{i}/16" for i in range(1, 8)], **BALANCED)
    before = cluster.plan([vip, *cluster.nodes(3)])
    away = cluster.plan([vip, *cluster.nodes(2)], before.allocations)
    leaders = [g.order[0].node for g in away.statuses["v"].groups]
    expected = [g.order[0].node for g in before.statuses["v"].groups]
    assert [a for a, b in zip(leaders, expected, strict=True) if b != "n-3"] == [b for b in expected if b != "n-3"]
    back = cluster.plan([vip, *cluster.nodes(3)], away.allocations)
    assert back.node_configs == before.node_configs


def test_cordoned_nodes_go_last_and_others_keep_their_priorities(cluster, dual_master):
    for document in dual_master:
        if document["kind"] == "Node" and document["metadata"]["name"] == "lb-1":
            document["spec"]["unschedulable"] = True
    result = cluster.plan(dual_master)
    first, second = result.statuses["web"].groups
    assert [p.node for p in first.order] == ["lb-2", "lb-1"]
    assert first.order[0].priority == 80
    assert first.order[1].priority < 80
    assert [(p.node) for p in second.order] == ["lb-2", "lb-1"]
    assert second.order[0].priority == 100
    assert result.reasons["web-0"]["lb-1"].startswith("cordoned, placed last")


def test_a_node_that_is_not_ready_keeps_its_place(cluster, dual_master):
    before = cluster.plan(dual_master)
    for document in dual_master:
        if document["kind"] == "Node":
            document["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    assert cluster.plan(dual_master).node_configs == before.node_configs


def test_max_candidates_bounds_a_group(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"maxCandidates": 3})
    result = cluster.plan([vip, *cluster.nodes(10)])
    assert len(result.statuses["v"].groups[0].order) == 3
    assert sum(bool(c.spec.instances) for c in result.node_configs.values()) == 3


@pytest.mark.parametrize("field", ["status", "kind"])
def test_other_kinds_and_bad_statuses_cost_nothing(cluster, dual_master, field):
    expected = cluster.plan(dual_master).node_configs
    if field == "kind":
        dual_master.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-vrrp"}})
    else:
        dual_master[0]["status"] = {"groups": "nonsense"}
    assert cluster.plan(dual_master).node_configs == expected


def test_a_planner_with_a_memory_sees_a_node_cordoned_and_uncordoned(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], nodes={"maxCandidates": 1})
    planner = Planner()
    free = cluster.snapshot([vip, *cluster.nodes(8)])
    first = planner.plan(free, Allocations())
    holder = first.statuses["v"].groups[0].order[0].node
    cordoned = replace(free, nodes=tuple(replace(n, cordoned=n.name == holder) for n in free.nodes))
    away = planner.plan(cordoned, first.allocations)
    assert away.statuses["v"].groups[0].order[0].node != holder
    # Planned once more without it, so that it is not among those looked at.
    gone = replace(free, nodes=tuple(n for n in free.nodes if n.name != holder))
    planner.plan(gone, away.allocations)
    planner.plan(cordoned, away.allocations)
    assert planner.plan(free, away.allocations) == plan(free, away.allocations)


def test_a_change_that_changes_no_instance_keeps_the_node_configs(cluster, dual_master):
    planner = Planner()
    first = planner.plan(cluster.snapshot(dual_master), Allocations())
    dual_master[0]["metadata"]["generation"] = 2
    dual_master[0]["spec"]["vrrp"]["activeDownFactor"] = 3
    second = planner.plan(cluster.snapshot(dual_master), first.allocations)
    assert second.statuses["web"].observed_generation == 2
    assert all(second.node_configs[name] is config for name, config in first.node_configs.items())


def test_a_memory_remembers_the_vrid_of_a_group_that_loses_it(cluster):
    planner = Planner()
    old = cluster.virtual_ip("old", ["10.0.5.1/16"], created=1)
    young = cluster.virtual_ip("young", ["10.0.5.2/16"], created=2, vrrp={"virtualRouterIDs": [66]})
    nodes = cluster.nodes(2)
    first = planner.plan(cluster.snapshot([old, young, *nodes]), Allocations())
    old["spec"]["vrrp"] = {"virtualRouterIDs": [66]}
    clash = cluster.snapshot([old, young, *nodes])
    assert planner.plan(clash, first.allocations) == plan(clash, first.allocations)


def test_a_node_with_too_many_instances_costs_the_youngest_and_nobody_else(cluster, monkeypatch):
    monkeypatch.setattr("mooring_operator.plan.planner.MAX_INSTANCES", 3)
    ages = {"old": 1, "middle": 2, "young": 3, "youngest": 4}
    ips = [cluster.virtual_ip(n, [f"10.0.5.{i}/16"], created=i) for n, i in ages.items() if n != "middle"]
    both = cluster.virtual_ip("middle", ["10.0.5.2/16", "2001:db8::10/64"], created=2)
    result = cluster.plan([*ips, both, *cluster.nodes(2)])
    assert [i.virtual_ip for i in result.node_configs["n-1"].spec.instances] == ["middle", "middle", "old"]
    assert [p.object for p in result.problems] == ["VirtualIP/young", "VirtualIP/youngest"]
    assert "n-1 runs instances of older VirtualIPs and has room for 3 in all" in result.problems[0].message
    assert condition(result, "young", "Accepted").reason == "NodeFull"
    assert condition(result, "middle", "Accepted").status == "True"
    again = cluster.plan([*ips, both, *cluster.nodes(2)], result.allocations)
    assert again == result


def test_what_is_too_young_for_one_node_leaves_room_for_what_is_younger_and_smaller(cluster, monkeypatch):
    monkeypatch.setattr("mooring_operator.plan.planner.MAX_INSTANCES", 2)
    old = cluster.virtual_ip("old", ["10.0.5.1/16"], created=1)
    big = cluster.virtual_ip("big", ["10.0.5.2/16", "2001:db8::10/64"], created=2)
    small = cluster.virtual_ip("small", ["10.0.5.3/16"], created=3)
    result = cluster.plan([old, big, small, *cluster.nodes(1)])
    assert [i.virtual_ip for i in result.node_configs["n-1"].spec.instances] == ["old", "small"]


def test_a_nodes_own_address_is_nobodys_virtual_one(cluster):
    vip = cluster.virtual_ip("in", ["10.0.5.1/16", "10.0.5.9/16"])
    node = cluster.node("n-9", "10.0.5.9")
    result = cluster.plan([vip, node, *cluster.nodes(2)])
    (problem,) = [each for each in result.problems if each.severity is Severity.ERROR]
    assert problem.path == "spec.addresses[1].address"
    assert problem.message == "10.0.5.9 is the InternalIP of node n-9; write an address that no machine has"
    assert condition(result, "in", "Accepted").reason == "DuplicateAddress"
    held = {a.address for config in result.node_configs.values() for i in config.spec.instances for a in i.addresses}
    assert held == {"10.0.5.1/16"}


def test_where_no_node_can_join_each_says_why(cluster):
    vip = cluster.virtual_ip("v", ["10.0.5.1/16"], interface="eth7")
    result = cluster.plan([vip, *cluster.nodes(2)])
    told = condition(result, "v", "Programmed")
    assert told.reason == "NoNodeFits"
    assert "nothing is planned: of 2 eligible nodes none can join: n-1: " in told.message
    assert "eth7" in told.message
    assert " 0 " not in told.message


@pytest.mark.parametrize("last", [False, True], ids=["reported by the first node", "reported by a node left out"])
def test_an_address_that_a_node_reports_is_nobodys_virtual_one(cluster, last):
    vip = cluster.virtual_ip("in", ["10.0.5.1/16", "10.0.5.9/16", "2001:db8::9/64"], nodes={"selector": {}})
    own = {"eth0": ["10.0.9.1/16"], "stor0": ["10.0.5.9/24", "2001:db8::9/64"]}
    name = "n-9" if last else "a-1"
    stranger = [cluster.node(name, "10.0.9.1"), cluster.report(name, own)]
    result = cluster.plan([vip, *stranger, *cluster.nodes(2)])
    errors = [each for each in result.problems if each.severity is Severity.ERROR]
    assert [each.path for each in errors] == ["spec.addresses[1].address", "spec.addresses[2].address"]
    assert errors[0].message == (
        f"10.0.5.9 is an address of node {name} on stor0; write an address that no machine has, or take it away there"
    )
    assert condition(result, "in", "Accepted").reason == "DuplicateAddress"
    held = {a.address for config in result.node_configs.values() for i in config.spec.instances for a in i.addresses}
    assert held == {"10.0.5.1/16"}


def test_an_address_that_is_held_stays_though_a_node_reports_it_later(cluster):
    vip = cluster.virtual_ip("in", ["10.0.5.9/16"])
    first = cluster.plan([vip, *cluster.nodes(2)])
    stranger = [cluster.node("n-9", "10.1.9.1"), cluster.report("n-9", {"eth0": ["10.1.9.1/16", "10.0.5.9/16"]})]
    again = cluster.plan([vip, *stranger, *cluster.nodes(2)], first.allocations)
    kept = [a.address for i in again.node_configs["n-1"].spec.instances for a in i.addresses]
    assert kept == ["10.0.5.9/16"]
    accepted = condition(again, "in", "Accepted")
    assert (accepted.status, accepted.reason) == ("True", "TakenByNode")
    assert "10.0.5.9 has become an address of node n-9 on eth0: something other than Mooring" in accepted.message


def test_a_link_local_address_is_a_nodes_on_that_interface_alone(cluster):
    own = {"eth0": ["10.0.9.1/16"], "stor0": ["fe80::9/64"]}
    stranger = [cluster.node("n-9", "10.0.9.1"), cluster.report("n-9", own)]
    for interface, status in (("eth0", "True"), ("stor0", "False")):
        vip = cluster.virtual_ip("in", [{"address": "fe80::9/64", "interface": interface}], interface="eth0")
        result = cluster.plan([vip, *stranger, *cluster.nodes(2)])
        assert condition(result, "in", "Accepted").status == status


def test_an_address_that_is_held_stays_though_a_kubelet_takes_it_for_its_nodes(cluster):
    vip = cluster.virtual_ip("in", ["10.0.5.9/16"])
    first = cluster.plan([vip, *cluster.nodes(2)])
    again = cluster.plan([vip, cluster.node("n-9", "10.0.5.9"), *cluster.nodes(2)], first.allocations)
    assert again.node_configs["n-1"] == first.node_configs["n-1"]
    accepted = condition(again, "in", "Accepted")
    assert (accepted.status, accepted.reason) == ("True", "TakenByKubelet")
    assert "spec.addresses[0].address: 10.0.5.9 has become the InternalIP of node n-9" in accepted.message
    assert "--node-ip" in accepted.message
    (problem,) = [each for each in again.problems if "InternalIP" in each.message]
    assert problem.severity is Severity.WARNING
