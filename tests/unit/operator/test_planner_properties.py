"""What holds for every plan, whatever the objects: searched for by Hypothesis."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring_api.virtualip import EXCLUSION_LABEL
from mooring_operator.plan.allocations import Allocations, adopt
from mooring_operator.plan.planner import Planner, plan
from mooring_operator.plan.reading import snapshot_of

#: A cluster has many parts, and the whole suite of unit tests is to take seconds.
FEW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
LABELS = ("red", "blue")


def _virtual_ip(draw, number):
    four = draw(st.lists(st.integers(1, 30), max_size=5, unique=True))
    six = draw(st.lists(st.integers(1, 30), min_size=0 if four else 1, max_size=3, unique=True))
    addresses = [{"address": f"10.0.5.{n}/16"} for n in four] + [{"address": f"2001:db8::5:{n:x}/64"} for n in six]
    balanced = draw(st.booleans())
    nodes = {"maxCandidates": draw(st.integers(1, 4))}
    if draw(st.booleans()):
        nodes["selector"] = {"matchLabels": {"color": draw(st.sampled_from(LABELS))}}
    if draw(st.integers(0, 2)) == 0:
        nodes["pods"] = {"namespace": "ingress", "selector": {"matchLabels": {"app": draw(st.sampled_from(LABELS))}}}
    if draw(st.integers(0, 3)) == 0:
        nodes["exclusionLabel"] = "Ignore"
    preferred = draw(st.lists(st.sampled_from([f"n-{i}" for i in range(7)]), max_size=3, unique=True))
    nodes["preferred"] = [{"node": n} for n in preferred]
    for entry in nodes["preferred"]:
        if draw(st.booleans()):
            entry["priority"] = draw(st.integers(1, 254))
    spec = {"addresses": addresses, "nodes": nodes, "distribution": "Balanced" if balanced else "Failover"}
    vrids = draw(st.lists(st.integers(1, 6), max_size=3 if balanced else 1, unique=True))
    spec["vrrp"] = {"virtualRouterIDs": vrids}
    metadata = {"name": f"v-{number}", "uid": f"{draw(st.integers(0, 3))}-{number}"}
    if draw(st.booleans()):
        metadata["creationTimestamp"] = f"2026-01-01T00:00:0{draw(st.integers(0, 3))}Z"
    return {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": metadata, "spec": spec}


def _node(draw, number):
    name = f"n-{number}"
    segment = draw(st.sampled_from([0, 0, 0, 1]))
    address = f"10.{segment}.1.{number + 1}"
    labels = {"color": draw(st.sampled_from(LABELS))}
    if draw(st.integers(0, 3)) == 0:
        labels[EXCLUSION_LABEL] = ""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"unschedulable": draw(st.sampled_from([False, False, True]))},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }
    if draw(st.integers(0, 5)) == 0:
        return [node]
    own = [f"{address}/16"] + ([f"2001:db8:{segment}::{number + 1:x}/64"] if draw(st.booleans()) else [])
    own += [f"fe80::{number + 1:x}/64"] if draw(st.booleans()) else []
    report = {"name": "eth0", "mac": "02:00:00:00:00:01", "addresses": own, "carrier": True, "mtu": 1500}
    heard = draw(st.lists(st.integers(1, 255), max_size=2))
    foreign = [
        {"interface": "eth0", "virtualRouterID": v, "source": "10.0.9.9", "priority": 1, "version": 3} for v in heard
    ]
    status = {"interfaces": [report], "foreignRouters": foreign}
    metadata = {"name": name}
    return [
        node,
        {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": metadata, "status": status},
    ]


def _pod(draw, number):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "ingress", "name": f"p-{number}", "labels": {"app": draw(st.sampled_from(LABELS))}},
        "spec": {"nodeName": f"n-{draw(st.integers(0, 6))}"},
        "status": {"conditions": [{"type": "Ready", "status": draw(st.sampled_from(["True", "True", "False"]))}]},
    }


@st.composite
def clusters(draw, least=1):
    """Documents of one to five VirtualIPs and up to seven nodes, with every trouble in between."""
    documents = [_virtual_ip(draw, number) for number in range(draw(st.integers(least, 5)))]
    for number in range(draw(st.integers(0, 7))):
        documents += _node(draw, number)
    documents += [_pod(draw, number) for number in range(draw(st.sampled_from([0, 0, 2, 5])))]
    return documents


def planned(documents, allocations=None):
    return plan(snapshot_of(documents), allocations or Allocations())


def of_virtual_ip(result, name):
    """node -> its instances of that VirtualIP."""
    found = {}
    for node, config in result.node_configs.items():
        own = [i for i in config.spec.instances if i.virtual_ip == name]
        if own:
            found[node] = own
    return found


@FEW
@given(st.data(), clusters())
def test_the_order_of_the_input_does_not_matter(data, documents):
    shuffled = data.draw(st.permutations(documents))
    assert planned(shuffled) == planned(documents)


@FEW
@given(clusters())
def test_planning_again_changes_nothing(documents):
    first = planned(documents)
    again = planned(documents, first.allocations)
    assert again == first


@FEW
@given(clusters())
def test_adopting_from_what_was_written_changes_no_node(documents):
    first = planned(documents)
    snapshot = snapshot_of(documents)
    written = [v.model_copy(update={"status": first.statuses[v.metadata.name]}) for v in snapshot.virtual_ips]
    again = plan(snapshot, adopt(written, {}))
    assert again.node_configs == first.node_configs


@FEW
@given(st.data(), clusters(least=2))
def test_removing_one_object_changes_no_instance_of_the_others(data, documents):
    first = planned(documents)
    names = [d["metadata"]["name"] for d in documents if d["kind"] == "VirtualIP"]
    gone = data.draw(st.sampled_from(names))
    after = planned([d for d in documents if d["metadata"]["name"] != gone], first.allocations)
    if any(f"VirtualIP/{gone}," in p.message or f"VirtualIP/{gone} " in p.message for p in first.problems):
        # It had won a clash: what lost to it is planned now, and may be older than others that it meets.
        return
    for name in set(names) - {gone}:
        assert of_virtual_ip(after, name) == of_virtual_ip(first, name)


@FEW
@given(st.data(), clusters(least=2))
def test_one_bad_object_is_reported_and_all_others_are_planned(data, documents):
    first = planned(documents)
    place = data.draw(st.integers(0, sum(d["kind"] == "VirtualIP" for d in documents) - 1))
    bad = {**documents[place], "spec": {**documents[place]["spec"], "distribution": "Sideways"}}
    name = bad["metadata"]["name"]
    without = planned([*documents[:place], *documents[place + 1 :]], first.allocations)
    with_bad = planned([*documents[:place], bad, *documents[place + 1 :]], first.allocations)
    of_bad = [p for p in with_bad.problems if p.object == f"VirtualIP/{name}"]
    assert [p.path for p in of_bad] == ["spec.distribution"]
    assert {n for n in with_bad.node_configs} == {n for n in without.node_configs}
    for other in (d["metadata"]["name"] for d in documents if d["kind"] == "VirtualIP"):
        # The VRIDs of the bad one stay reserved, so one that is allocated anew may differ.
        kept = first.allocations.virtual_router_ids.items() <= with_bad.allocations.virtual_router_ids.items()
        if other != name and kept:
            assert of_virtual_ip(with_bad, other).keys() == of_virtual_ip(without, other).keys()


@FEW
@given(st.data(), clusters())
def test_a_lost_node_moves_only_its_share(data, documents):
    first = planned(documents)
    if not first.node_configs:
        return
    lost = data.draw(st.sampled_from(sorted(first.node_configs)))
    after = planned([d for d in documents if d["metadata"]["name"] != lost], first.allocations)
    # A group may come to another segment with its members, and there meet a younger one with its written VRID.
    clashing = {p.object for p in after.problems if "virtual router ID" in p.message}
    for name, status in first.statuses.items():
        if f"VirtualIP/{name}" in clashing:
            continue
        now = {g.name: g for g in after.statuses[name].groups}
        for group in status.groups:
            members = [p.node for p in group.order]
            silent_or_out = set(first.reasons[group.name.removesuffix("-ipv4").removesuffix("-ipv6")]) - set(members)
            if not members or lost in members or lost in silent_or_out or group.name not in now:
                continue
            assert [p.node for p in now[group.name].order] == members
        for group in status.groups:
            if group.name in now and group.order and group.order[0].node not in (lost,) and now[group.name].order:
                same_segment = {p.node for p in group.order} - {lost} <= {p.node for p in now[group.name].order}
                if same_segment:
                    assert now[group.name].order[0].node == group.order[0].node


@FEW
@given(clusters())
def test_no_two_groups_share_a_vrid_on_a_segment(documents):
    result = planned(documents)
    for config in result.node_configs.values():
        for one, other in combinations(config.spec.instances, 2):
            if one.family == other.family and one.interface == other.interface:
                assert one.virtual_router_id != other.virtual_router_id
    # Two nodes of one segment (their second octet) that run different groups.
    on_segment = {}
    for config in result.node_configs.values():
        for instance in config.spec.instances:
            source = instance.transport.source
            segment = source.split(".")[1] if "." in source else config.metadata.name
            key = (segment, instance.family, instance.virtual_router_id)
            assert on_segment.setdefault(key, instance.name) == instance.name


@FEW
@given(clusters())
def test_priorities_are_distinct_decreasing_and_within_bounds(documents):
    result = planned(documents)
    for status in result.statuses.values():
        for group in status.groups:
            priorities = [p.priority for p in group.order]
            assert priorities == sorted(set(priorities), reverse=True)
            assert all(1 <= p <= 254 for p in priorities)


@FEW
@given(clusters())
def test_an_address_is_held_by_one_group_alone_and_peers_are_mutual(documents):
    result = planned(documents)
    owner, sources = {}, {}
    for node, config in result.node_configs.items():
        for instance in config.spec.instances:
            sources.setdefault(instance.name, {})[node] = instance.transport
            for address in instance.addresses:
                assert owner.setdefault(address.address.split("/")[0], instance.name) == instance.name
    for members in sources.values():
        for node, transport in members.items():
            others = sorted(t.source for n, t in members.items() if n != node)
            assert sorted(transport.peers) == others
            assert transport.alone == (not others)


@st.composite
def histories(draw):
    """A few states of one cluster: from each to the next some objects are replaced, added or gone."""
    states = [draw(clusters())]
    for _ in range(draw(st.integers(1, 3))):
        other, dice = draw(clusters()), draw(st.randoms(use_true_random=False))
        merged = {(d["kind"], d["metadata"]["name"]): d for d in states[-1]}
        for document in other:
            key = (document["kind"], document["metadata"]["name"])
            choice = dice.choice(["keep", "keep", "take", "drop"])
            if choice == "take":
                merged[key] = document
            elif choice == "drop":
                merged.pop(key, None)
        states.append(list(merged.values()))
    return states


@FEW
@given(histories(), st.lists(st.sampled_from(["its own", "none", "older"]), min_size=4, max_size=4))
def test_a_planner_with_a_memory_gives_what_plan_gives(states, choices):
    planner = Planner()
    allocations = Allocations()
    for documents, choice in zip(states, choices, strict=False):
        snapshot = snapshot_of(documents)
        result = planner.plan(snapshot, allocations)
        assert result == plan(snapshot, allocations)
        allocations = {"its own": result.allocations, "none": Allocations(), "older": allocations}[choice]


@pytest.mark.parametrize("gone", ["n-1", "n-2", "n-3", "n-4"])
@pytest.mark.parametrize("field", ["preferred", "overrides"])
def test_a_written_node_that_goes_is_told_though_the_search_ended_before_it(cluster, field, gone):
    written = [{"node": f"n-{number}"} | ({"interface": "eth0"} if field == "overrides" else {}) for number in (3, 4)]
    web = cluster.virtual_ip("web", ["10.0.5.1/16"], nodes={"maxCandidates": 1, field: written})
    planner, nodes = Planner(), cluster.nodes(4)
    first = planner.plan(snapshot_of([web, *nodes]), Allocations())
    fewer = snapshot_of([web, *(each for each in nodes if each["metadata"]["name"] != gone)])
    assert planner.plan(fewer, first.allocations) == plan(fewer, first.allocations)


@FEW
@given(st.data(), clusters(least=2))
def test_node_configs_that_did_not_change_are_the_same_objects(data, documents):
    planner = Planner()
    snapshot = snapshot_of(documents)
    first = planner.plan(snapshot, Allocations())
    place = data.draw(st.integers(0, len(snapshot.virtual_ips) - 1))
    fewer = replace(snapshot, virtual_ips=snapshot.virtual_ips[:place] + snapshot.virtual_ips[place + 1 :])
    second = planner.plan(fewer, first.allocations)
    for name, config in second.node_configs.items():
        assert (config is first.node_configs[name]) == (config == first.node_configs[name])
