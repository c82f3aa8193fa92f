"""A whole VRRP process over the turns that configurations, restarts and the kernel's news bring."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.vrrp.node import NOW, Node, S, group, key, own

from mooring_node.kernel.rtnetlink import AddressGone, Overrun
from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.translation import visible_state


@pytest.fixture
def node(kernel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made = Node(kernel, tmp_path, monkeypatch)
    yield made
    made.close()


WEB = group("web", 66, 100, 101)


def test_what_it_holds_it_renews_and_a_successor_adopts(node: Node) -> None:
    node.configure(WEB)
    node.run(NOW + 10 * S)
    assert visible_state(node.group("web").router) == "Active"
    assert node.kernel.addresses == {key(100): 3, key(101): 3}
    node.kernel.said()
    node.restart()
    assert visible_state(node.group("web").router) == "Active"
    assert node.kernel.said() == []


# A group that gives its addresses to another one of this node.


def test_a_group_whose_addresses_another_one_takes_never_puts_them_back(node: Node) -> None:
    """It still says goodbye, for longer than a third of its lease."""
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.configure(group("shop", 67, 100, 101))
    assert node.kernel.addresses == {}
    node.kernel.said()
    node.sent.clear()
    node.run(NOW + 13 * S)
    assert node.kernel.said() == []
    assert node.sent == [0, 0], "it said so once before"
    node.run(NOW + 20 * S)
    assert node.kernel.said()[:2] == [("add", 100), ("add", 101)]
    assert visible_state(node.group("shop").router) == "Active"
    assert node.group("shop").faults == frozenset()


def test_another_group_of_the_same_name_is_elected_like_any(node: Node) -> None:
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.sent.clear()
    node.configure(group("web", 67, 100, 101))
    assert node.kernel.addresses == {}
    assert visible_state(node.group("web").router) == "Backup"
    assert node.group("web").holdings.held == frozenset()
    assert node.sent == [0]
    node.run(NOW + 20 * S)
    assert node.kernel.addresses == {key(100): 3, key(101): 3}


def test_a_new_group_inherits_nothing_from_the_one_whose_name_it_bears(node: Node) -> None:
    """The other goes on under another name, and has given it an address."""
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.configure(group("web", 67, 101), group("old", 66, 100))
    assert visible_state(node.group("old").router) == "Active"
    assert visible_state(node.group("web").router) == "Backup"
    assert node.kernel.addresses == {key(100): 3}
    node.restart()
    assert visible_state(node.group("old").router) == "Active"
    assert visible_state(node.group("web").router) == "Backup"


# What the kernel tells, cannot tell, or will not.


@pytest.fixture
def active(node: Node) -> Node:
    """It holds the addresses of WEB."""
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.kernel.said()
    node.lines()
    node.sent.clear()
    return node


def test_an_own_address_that_is_replaced_by_another_prefix_costs_nothing(active: Node) -> None:
    before, after = own(), own(prefix_length=23)
    active.rtnetlink.own = [after]
    active.turn(AddressGone(before))
    assert visible_state(active.group("web").router) == "Active"
    assert 0 not in active.sent
    active.rtnetlink.own = []
    active.turn(AddressGone(after))
    assert active.group("web").faults == {FaultReason.NO_SOURCE_ADDRESS}
    assert active.sent[-1] == 0


def test_one_of_ours_that_went_unheard_is_put_back_and_told(active: Node) -> None:
    active.deleted(100)
    active.turn(Overrun())
    assert active.kernel.addresses == {key(100): 3, key(101): 3}
    assert [line for line in active.lines() if line.startswith("warning: ")] == [
        "warning: an address was deleted by somebody else; it is back"
    ]


def test_an_overrun_in_which_nothing_went_changes_nothing(active: Node) -> None:
    active.turn(Overrun())
    assert (active.kernel.said(), active.sent, active.lines()) == ([], [], [])


def test_an_own_address_that_went_unheard_is_put_before_ours_when_it_is_back(active: Node) -> None:
    (node_s_own,), active.rtnetlink.own = active.rtnetlink.own, [own("10.0.0.19")]
    active.turn(Overrun())
    active.rtnetlink.own.append(node_s_own)
    looks = active.rtnetlink.dumps
    active.run(active.now + 5 * S)
    assert active.rtnetlink.dumps > looks + 4


def test_a_kernel_that_cannot_be_read_costs_neither_the_role_nor_the_process(active: Node) -> None:
    active.rtnetlink.restless = True
    active.deleted(100)
    active.turn(Overrun())
    active.turn(AddressGone(own("10.0.0.77")))
    active.run(active.now + 5 * S)
    assert visible_state(active.group("web").router) == "Active"
    (line,) = [line for line in active.lines() if "EAGAIN" in line or "changed during" in line]
    assert line.startswith("warning: ")
    del active.kernel.addresses[key(101)]
    active.rtnetlink.restless = False
    active.run(active.now + S)
    assert active.kernel.addresses == {key(100): 3, key(101): 3}
    assert "warning: an address was deleted by somebody else; it is back" in active.lines()


def test_one_that_begins_waits_until_the_kernel_can_be_read(node: Node) -> None:
    """It would adopt nothing, and find its own addresses in its way."""
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.kernel.said()
    node.rtnetlink.restless = True
    node.restart()
    assert node.process.groups == {}
    node.run(NOW + 11 * S)
    node.rtnetlink.restless = False
    node.run(NOW + 12 * S)
    assert visible_state(node.group("web").router) == "Active"
    assert {verb for verb, _ in node.kernel.said()} == {"renew"}


def test_one_that_cannot_clear_away_what_was_left_goes_on(node: Node) -> None:
    node.configure(WEB)
    node.run(NOW + 10 * S)
    node.now += 20 * S
    node.kernel.deaf = True
    node.restart()
    assert visible_state(node.group("web").router) == "Backup"


def test_one_of_another_prefix_is_not_adopted_but_cleared_away(active: Node) -> None:
    """To the kernel it is another address; of IPv6 it would be in the way."""
    active.restart(group("web", 66, 100, 101, prefix_length=25))
    assert visible_state(active.group("web").router) == "Backup"
    assert active.kernel.said() == [("delete", 101), ("delete", 100)]
    assert active.kernel.addresses == {}
