"""The store: never older than it was, whatever comes twice, late or in the wrong order."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import KINDS, Changed, Listed, Removed, parts_of

Document = dict[str, Any]


def node(name: str, version: int, *, cordoned: bool = False, uid: str = "u") -> Document:
    metadata = {"name": name, "uid": uid, "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"unschedulable": cordoned}}


def versions(store: Store) -> Mapping[str, str]:
    return {name: stored.resource_version for name, stored in store.view().objects["Node"].items()}


def test_an_event_older_than_what_is_known_is_dropped() -> None:
    store = Store()
    assert store.put(node("a", 5))
    assert not store.put(node("a", 4, cordoned=True))
    assert not store.put(node("a", 5, cordoned=True))
    assert versions(store) == {"a": "5"}
    # Compared as numbers: "10" is newer than "9".
    assert store.put(node("a", 10))


def test_a_deletion_older_than_what_is_known_is_dropped() -> None:
    store = Store()
    store.put(node("a", 8, uid="second"))
    assert not store.remove(node("a", 6, uid="first"))
    assert versions(store) == {"a": "8"}


def test_what_was_deleted_does_not_come_back_by_a_late_event() -> None:
    store = Store()
    store.put(node("a", 5))
    assert store.remove(node("a", 7))
    assert not store.put(node("a", 6))
    assert versions(store) == {}
    assert store.put(node("a", 8, uid="made anew"))


def test_a_list_removes_what_has_vanished() -> None:
    store = Store()
    store.put(node("gone", 5))
    store.put(node("stays", 6))
    assert store.replace("Node", [node("stays", 6), node("new", 9)], "10").vanished == 1
    assert versions(store) == {"stays": "6", "new": "9"}


def test_a_list_leaves_what_events_brought_since_it_was_made() -> None:
    store = Store()
    store.replace("Node", [node("a", 1)], "2")
    store.put(node("a", 12, cordoned=True))
    store.put(node("b", 11))
    store.remove(node("c", 13))
    found = store.replace("Node", [node("a", 9), node("c", 8)], "10")
    assert versions(store) == {"a": "12", "b": "11"}
    assert (found.brought, found.vanished) == (0, 0)


def test_an_event_from_before_the_last_list_is_dropped() -> None:
    """The list knows everything up to its version: what is not in it was gone by then."""
    store = Store()
    store.put(node("a", 5))
    store.replace("Node", [], "10")
    assert not store.put(node("a", 7))
    assert not store.remove(node("a", 8))
    assert versions(store) == {}


def test_a_list_of_a_rewound_history_is_taken_as_it_is() -> None:
    """etcd restored from a backup counts from where the backup was."""
    store = Store()
    store.replace("Node", [node("a", 90)], "100")
    store.put(node("b", 120))
    store.replace("Node", [node("a", 40)], "60")
    assert versions(store) == {"a": "40"}
    assert store.put(node("a", 61))


def test_a_rewound_history_is_found_out_though_the_list_is_newer_than_the_last_one() -> None:
    store = Store()
    store.replace("Node", [node("a", 1)], "10")
    store.put(node("a", 90, cordoned=True))
    store.replace("Node", [node("a", 40)], "95")
    assert versions(store) == {"a": "40"}


def test_it_is_complete_when_every_kind_was_listed_once() -> None:
    store = Store()
    for kind in KINDS:
        assert not store.complete
        store.replace(kind, [], "1")
    assert store.complete


def test_of_two_namespaces_each_has_its_own_object_of_a_name() -> None:
    store = Store()
    for version, namespace in enumerate(("shop", "mail"), start=1):
        metadata = {"name": "web", "namespace": namespace, "uid": namespace, "resourceVersion": str(version)}
        assert store.put({"kind": "VirtualServer", "metadata": metadata, "spec": {}})
    objects = store.view().objects["VirtualServer"]
    assert {name: stored.uid for name, stored in objects.items()} == {"shop/web": "shop", "mail/web": "mail"}
    assert [parts_of(name) for name in ("shop/web", "web")] == [("shop", "web"), (None, "web")]
    store.remove({"kind": "VirtualServer", "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "3"}})
    store.forget("VirtualServer", "mail/web")
    assert store.view().objects["VirtualServer"] == {}


def test_a_heartbeat_wakes_nobody_and_its_version_is_known() -> None:
    woken: list[int] = []
    store = Store(lambda: woken.append(1))
    store.put(node("a", 1))
    before = store.view().objects["Node"]["a"]
    beat = node("a", 2) | {"status": {"images": [{"names": ["x"]}]}}
    beat["metadata"] |= {"managedFields": [{"manager": "kubelet"}], "annotations": {"other.dev/x": "1"}}
    assert store.put(beat)
    after = store.view().objects["Node"]["a"]
    assert after.resource_version == "2"
    assert after.document is before.document
    assert len(woken) == 1


def test_news_come_in_the_order_in_which_they_were_heard_and_once() -> None:
    store = Store()
    store.replace("Node", [node("a", 1)], "1")
    store.put(node("b", 2))
    store.put(node("b", 2))
    store.remove(node("a", 3))
    store.put(node("b", 4, cordoned=True))
    kinds = [(type(news), getattr(news, "name", "")) for news in store.view().news]
    assert kinds == [(Listed, ""), (Changed, "b"), (Removed, "a"), (Changed, "b")]
    assert store.view().news == ()


def test_a_list_that_brings_nothing_new_is_no_news() -> None:
    store = Store()
    store.replace("Node", [node("a", 1)], "1")
    store.view()
    store.replace("Node", [node("a", 1)], "5")
    assert store.view().news == ()


def test_a_view_does_not_change_any_more() -> None:
    store = Store()
    store.put(node("a", 1))
    view = store.view()
    store.remove(node("a", 2))
    assert set(view.objects["Node"]) == {"a"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "Node"},
        {"kind": "Node", "metadata": None},
        {"kind": "Node", "metadata": {"resourceVersion": "1"}},
        {"kind": "Secret", "metadata": {"name": "a", "resourceVersion": "1"}},
    ],
)
def test_what_cannot_be_named_is_passed_over(document: Document) -> None:
    store = Store()
    assert not store.put(document)
    assert not store.remove(document)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
    st.integers(0, 12),
)
def test_whatever_the_order_the_end_is_what_is_there(
    history: list[tuple[str, bool]], order: random.Random, listed_at: int
) -> None:
    """All events of a history, in any order and twice, and one list somewhere: the last state of each remains."""
    present: dict[str, int] = {}
    states = [dict(present)]
    events: list[tuple[str, Document]] = []
    for number, (name, there) in enumerate(history, start=1):
        if there:
            present[name] = number
            events.append(("put", node(name, number, cordoned=bool(number % 2))))
        elif name in present:
            del present[name]
            events.append(("remove", node(name, number)))
        states.append(dict(present))
    at = min(listed_at, len(history))
    mixed = events * 2
    order.shuffle(mixed)
    mixed.insert(order.randint(0, len(mixed)), ("list", {}))
    store = Store()
    for what, document in mixed:
        if what == "list":
            items = [node(name, version, cordoned=bool(version % 2)) for name, version in states[at].items()]
            store.replace("Node", items, str(at))
        elif what == "put":
            store.put(document)
        else:
            store.remove(document)
    assert versions(store) == {name: str(version) for name, version in present.items()}
