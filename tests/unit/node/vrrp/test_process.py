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
