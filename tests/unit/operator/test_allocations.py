"""Groups and who is in which: what stays, what moves, what is adopted."""

import pytest

from mooring_api.virtualip import VirtualIP
from mooring_operator.plan.allocations import Allocation, Allocations, GroupAllocation, adopt, shape


def balanced(cluster, count, vrids=()):
    document = cluster.virtual_ip(
        "v",
        [f"10.0.5.{i}/16" for i in range(1, count + 1)],
        distribution="Balanced",
        vrrp={"virtualRouterIDs": list(vrids)},
    )
    return VirtualIP.model_validate(document)


def names(count):
    return [f"10.0.5.{i}" for i in range(1, count + 1)]


def sizes(allocation):
    return [list(allocation.assignment.values()).count(i) for i in range(len(allocation.groups))]


def test_addresses_are_split_in_order_and_evenly(cluster):
    first = shape(balanced(cluster, 11, (66, 88)), names(11), 2, None)
    assert list(first.assignment.values()) == [0] * 6 + [1] * 5


def test_groups_are_no_more_than_addresses_or_nodes(cluster):
    assert len(shape(balanced(cluster, 3), names(3), 9, None).groups) == 3
    assert len(shape(balanced(cluster, 9), names(9), 2, None).groups) == 2
    assert shape(balanced(cluster, 9), names(9), 0, None).groups == ()


def test_more_nodes_later_make_no_more_groups(cluster):
    first = shape(balanced(cluster, 9), names(9), 2, None)
    assert shape(balanced(cluster, 9), names(9), 9, first) == first


def test_a_new_address_joins_the_smallest_group_and_moves_none(cluster):
    first = shape(balanced(cluster, 11, (66, 88)), names(11), 2, None)
    more = shape(balanced(cluster, 14, (66, 88)), names(14), 2, first)
    assert sizes(more) == [7, 7]
    assert [more.assignment[a] for a in names(14)[11:]] == [1, 1, 0]
    assert more.assignment.items() >= first.assignment.items()


def test_a_removed_address_moves_none(cluster):
    first = shape(balanced(cluster, 6, (66, 88)), names(6), 2, None)
    fewer = shape(balanced(cluster, 6, (66, 88)), names(6)[2:], 2, first)
    assert fewer.assignment == {a: i for a, i in first.assignment.items() if a in names(6)[2:]}


def test_another_number_of_vrids_is_asked_for_by_the_user_and_splits_anew(cluster):
    first = shape(balanced(cluster, 6, (66, 88)), names(6), 2, None)
    three = shape(balanced(cluster, 6, (66, 88, 90)), names(6), 2, first)
    assert sizes(three) == [2, 2, 2]


def test_allocated_ids_stay_with_the_groups_that_stay(cluster):
    groups = (GroupAllocation(7), GroupAllocation(8))
    prior = Allocation(groups, {a: i % 2 for i, a in enumerate(names(4))})
    assert shape(balanced(cluster, 4), names(4), 5, prior).groups == groups


@pytest.mark.parametrize("source", ["status", "nodes", "both"])
def test_adoption(cluster, source):
    documents = [
        cluster.virtual_ip("v", [*(f"10.0.5.{i}/16" for i in range(1, 6)), "2001:db8::9/64"], distribution="Balanced"),
        *cluster.nodes(3),
    ]
    result = cluster.plan(documents)
    (virtual_ip,) = cluster.snapshot(documents).virtual_ips
    written = virtual_ip.model_copy(update={"status": result.statuses["v"]})
    configured = {name: config.spec.instances for name, config in result.node_configs.items()}
    adopted = adopt(
        [written if source != "nodes" else virtual_ip],
        configured if source != "status" else {},
    )
    assert adopted.virtual_router_ids == result.allocations.virtual_router_ids
    again = cluster.plan(documents, adopted)
    assert again.node_configs == result.node_configs


def test_adoption_passes_over_what_is_not_a_group_of_it(cluster):
    document = cluster.virtual_ip("v", ["10.0.5.1/16"])
    odd = {"name": "w-0", "family": "IPv4", "virtualRouterID": 3, "addresses": ["10.0.5.1"]}
    document["status"] = {"groups": [odd, odd | {"name": "v-99"}, odd | {"name": "v-x"}]}
    assert adopt(cluster.snapshot([document]).virtual_ips, {}) == Allocations({})
