"""Which nodes each label selector chooses, kept from plan to plan."""

from collections.abc import Mapping

from mooring_api.virtualip import LabelSelector
from mooring_operator.plan.labels import selects
from mooring_operator.plan.snapshot import Node


class Selection:
    """Answers are the same object as long as the set is equal, so that they can be compared by identity."""

    def __init__(self) -> None:
        self._nodes: Mapping[str, Node] = {}
        self._chosen: dict[str, tuple[LabelSelector, frozenset[str]]] = {}
        self._asked: set[str] = set()

    def see(self, nodes: Mapping[str, Node], changed: set[str]) -> None:
        """These are the nodes now; `changed` names all that are new, gone or differ."""
        self._nodes = nodes
        self._chosen = {key: entry for key, entry in self._chosen.items() if key in self._asked}
        self._asked = set()
        if not changed:
            return
        for key, (selector, chosen) in self._chosen.items():
            fit = {name for name in changed if name in nodes and selects(selector, nodes[name].labels)}
            if chosen & changed != fit:
                self._chosen[key] = (selector, (chosen - changed) | fit)

    def of(self, selector: LabelSelector) -> frozenset[str]:
        """The names of the nodes that the selector chooses."""
        key = selector.model_dump_json()
        self._asked.add(key)
        entry = self._chosen.get(key)
        if entry is None:
            chosen = frozenset(name for name, node in self._nodes.items() if selects(selector, node.labels))
            entry = self._chosen[key] = (selector, chosen)
        return entry[1]
