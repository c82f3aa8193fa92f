"""A whole VRRP process over the turns that configurations, restarts and the kernel's news bring."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.vrrp.node import NOW, Node, S, group, key

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
