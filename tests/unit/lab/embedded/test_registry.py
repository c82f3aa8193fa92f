"""The life of objects: what goes with them, what waits, and that no document breaks the server."""

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.errors import StatusError
from mooring_lab.api.embedded.patches import json_patch, merge_patch, strategic
from mooring_lab.api.embedded.registry import Registry
from mooring_lab.api.embedded.store import Store

from .conftest import NOW, SHIPS, Harbour

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KNOWN = [
    "metadata", "name", "labels", "annotations", "finalizers", "ownerReferences", "managedFields", "fieldsV1", "uid",
    "spec", "status", "crew", "flag", "data", "stringData", "type", "versions", "names", "containers", "taints",
    "resourceVersion", "generateName", "deletionTimestamp", "conditions", "schema", "openAPIV3Schema", "properties",
    "nodeName", "involvedObject", "$patch", "$setElementOrder/crew", "",
]  # fmt: skip
PLURALS = [
    "ships",
    "nodes",
    "secrets",
    "pods",
    "events",
    "customresourcedefinitions",
    "configmaps",
    "leases",
    "namespaces",
]


def _mutated(document: Any) -> st.SearchStrategy[Any]:
    """The document with something else at a place that means something."""
    return st.recursive(
        st.just(document) | JSON,
        lambda inner: st.dictionaries(st.sampled_from(KNOWN), inner | JSON, max_size=4),
        max_leaves=10,
    )


def _refusal(write: Callable[[], Any]) -> StatusError | None:
    """Anything else that is raised is a bug."""
    try:
        write()
    except StatusError as error:
        return error
    return None


@pytest.mark.parametrize("plural", PLURALS)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_is_written_is_stored_or_refused(
    tmp_path_factory: pytest.TempPathFactory, plural: str, data: st.DataObject
) -> None:
    """Each refusal is a Status of the client's fault, and nothing is stored that cannot be written again."""
    with closing(Store(tmp_path_factory.mktemp("fuzz"), 100)) as store:
        _write_what_is_drawn(Registry(store, NOW), plural, data)


def _write_what_is_drawn(registry: Registry, plural: str, data: st.DataObject) -> None:
    kind = Harbour(registry).kind(plural)
    key = ("default" if kind.namespaced else "", "fuzz")
    head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "fuzz"}}
    _refusal(partial(registry.create, kind, key[0], head, Ask("fuzz", NOW)))
    for document in data.draw(st.lists(_mutated({}), min_size=1, max_size=3)):
        whole = {**head, **document} if isinstance(document, dict) else document
        validation = data.draw(st.sampled_from(["Ignore", "Warn", "Strict"]))
        ask = Ask("fuzz", NOW, patch=True, validation=validation, force=data.draw(st.booleans()))
        for write in data.draw(st.lists(st.sampled_from(WRITES), min_size=1, max_size=4)):
            refused = _refusal(partial(write, registry, kind, key, document, whole, ask))
            assert refused is None or 400 <= refused.code < 500 or refused.message.startswith("failed to create typed")
        for stored in registry.store.objects(kind.bucket):
            assert stored.body["kind"] == kind.kind
            assert isinstance(stored.body["metadata"]["uid"], str)


def _status(ask: Ask) -> Ask:
    return replace(ask, subresource="status")


WRITES: list[Callable[..., Any]] = [
    lambda registry, kind, key, _, whole, ask: registry.create(kind, key[0], copy.deepcopy(whole), ask),
    lambda registry, kind, key, part, _, ask: registry.update(kind, key, lambda live: merge_patch(live, part), ask),
    lambda registry, kind, key, part, _, ask: registry.update(kind, key, lambda live: json_patch(live, part), ask),
    lambda registry, kind, key, part, _, ask: registry.update(
        kind, key, lambda live: strategic(kind.schema, live, part), ask
    ),
    lambda registry, kind, key, _, whole, ask: registry.update(kind, key, lambda _: whole, ask),
    lambda registry, kind, key, _, whole, ask: registry.apply(kind, key, copy.deepcopy(whole), ask),
    lambda registry, kind, key, _, whole, ask: registry.apply(kind, key, copy.deepcopy(whole), _status(ask)),
    lambda registry, kind, key, part, _, ask: registry.update(
        kind, key, lambda live: merge_patch(live, part), _status(ask)
    ),
    lambda registry, kind, key, _, __, ask: registry.delete(kind, key, {}, ask),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in below for place in _places(item, (*path, key)))]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    place=st.sampled_from(_places(SHIPS)),
    value=JSON | st.sampled_from(["object", "array", "map", "(", {"type": "array"}]),
)
def test_a_definition_that_is_taken_serves_its_kind(
    tmp_path_factory: pytest.TempPathFactory, place: Any, value: Any
) -> None:
    """Any part of a definition is replaced by something else: it is refused, or objects can be written by it."""
    folder = tmp_path_factory.mktemp("fuzz")
    with closing(Store(folder, 100)) as store:
        kinds = _kinds_after(Harbour(Registry(store, NOW)), place, value)
    if kinds:
        with closing(Store(folder, 100)) as store:
            assert Registry(store, NOW).kinds.keys() == kinds


def _kinds_after(harbour: Harbour, place: Any, value: Any) -> set[Any]:
    """Every kind that is served after the replacement, and written once; none where it is refused."""
    key, change = ("", SHIPS["metadata"]["name"]), Ask("fuzz", NOW, patch=True)
    path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)
    operations = [{"op": "replace", "path": path, "value": value}]
    definitions = harbour.kind("customresourcedefinitions")
    if _refusal(lambda: harbour.registry.update(definitions, key, lambda live: json_patch(live, operations), change)):
        return set()
    for kind in [kind for kind in harbour.registry.kinds.values() if not kind.builtin]:
        where = ("default" if kind.namespaced else "", "a")
        spec = {"flag": "red", "masts": 2, "crew": [{"name": "Jim", "age": 9}, {"name": "Ned"}], "x": [None]}
        head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "a"}}
        registry = harbour.registry
        _refusal(partial(registry.create, kind, where[0], {**head, "spec": spec}, change))
        _refusal(partial(registry.apply, kind, where, {**head, "spec": {"crew": spec["crew"]}}, change))
        _refusal(partial(registry.update, kind, where, lambda live: {**live, "spec": {"crew": {}}}, change))
    return set(harbour.registry.kinds)


def test_a_namespace_takes_its_content_with_it(harbour: Harbour) -> None:
    harbour.create("namespaces", {"metadata": {"name": "port"}})
    harbour.ship("a", "port")
    harbour.ship("b")
    harbour.create("secrets", {"metadata": {"name": "s"}}, "port")
    marked, gone = harbour.delete("namespaces", "port")
    assert (marked.body["status"], gone) == ({"phase": "Terminating"}, False)
    assert [
        harbour.get(*where) for where in (("ships", "a", "port"), ("secrets", "s", "port"), ("namespaces", "port"))
    ] == [None] * 3
    assert harbour.get("ships", "b") is not None


def test_a_namespace_waits_for_what_is_held(harbour: Harbour) -> None:
    harbour.create("namespaces", {"metadata": {"name": "port"}})
    harbour.ship("a", "port", finalizers=["harbour.test/anchor"])
    harbour.delete("namespaces", "port")
    with pytest.raises(StatusError) as refused:
        harbour.ship("b", "port")
    assert (refused.value.code, "being terminated" in refused.value.message) == (403, True)
    assert harbour.get("ships", "a", "port")["metadata"]["deletionTimestamp"] == NOW
    harbour.registry.update(
        harbour.kind("ships"),
        ("port", "a"),
        lambda live: merge_patch(live, {"metadata": {"finalizers": None}}),
        Ask("test", NOW, patch=True),
    )
    assert harbour.get("ships", "a", "port") is None
    assert harbour.get("namespaces", "port") is None


def test_a_namespace_that_waits_may_be_labelled(harbour: Harbour) -> None:
    harbour.create("namespaces", {"metadata": {"name": "port"}})
    harbour.ship("a", "port", finalizers=["harbour.test/anchor"])
    harbour.delete("namespaces", "port")
    change = {"metadata": {"labels": {"x": "y"}}}
    ask = Ask("test", NOW, patch=True)
    kind = harbour.kind("namespaces")
    harbour.registry.update(kind, ("", "port"), lambda live: merge_patch(live, change), ask)
    assert harbour.get("namespaces", "port")["metadata"]["labels"]["x"] == "y"
    assert harbour.get("ships", "a", "port") is not None


def test_a_definition_takes_its_objects_with_it(harbour: Harbour) -> None:
    harbour.ship("a")
    harbour.ship("held", finalizers=["harbour.test/anchor"])
    harbour.delete("customresourcedefinitions", "ships.harbour.test")
    assert harbour.get("ships", "a") is None
    ships = harbour.kind("ships")
    change = Ask("test", NOW, patch=True)
    harbour.registry.update(
        ships, ("default", "held"), lambda live: merge_patch(live, {"metadata": {"finalizers": None}}), change
    )
    assert ships not in harbour.registry.kinds.values()
    assert harbour.get("customresourcedefinitions", "ships.harbour.test") is None


def test_what_has_no_owner_left_goes_too(harbour: Harbour) -> None:
    owners = [harbour.ship(name)["metadata"] for name in ("a", "b")]
    refs = [{"apiVersion": "harbour.test/v1", "kind": "Ship", "name": one["name"], "uid": one["uid"]} for one in owners]
    child = harbour.ship("child", ownerReferences=refs)["metadata"]
    harbour.create(
        "secrets", {"metadata": {"name": "s", "ownerReferences": [{**refs[0], "name": "child", "uid": child["uid"]}]}}
    )
    harbour.delete("ships", "a")
    assert harbour.get("ships", "child") is not None
    harbour.delete("ships", "b")
    assert (harbour.get("ships", "child"), harbour.get("secrets", "s")) == (None, None)


def test_definitions_and_objects_are_there_after_a_restart(harbour: Harbour, tmp_path: Any) -> None:
    harbour.ship("a")
    before = harbour.registry.store.revision
    again = Registry(Store(tmp_path, 100), NOW)
    kind = again.kinds["harbour.test", "v1", "ships"]
    assert again.get(kind, ("default", "a")).body == harbour.get("ships", "a")
    assert again.store.revision == before


def test_a_new_schema_is_in_force_at_once(harbour: Harbour) -> None:
    kind = harbour.kind("customresourcedefinitions")
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour"
    operation = {"op": "add", "path": path, "value": {"type": "string"}}
    harbour.registry.update(
        kind,
        ("", SHIPS["metadata"]["name"]),
        lambda live: json_patch(live, [operation]),
        Ask("t", NOW, patch=True),
    )
    head = {"apiVersion": "harbour.test/v1", "kind": "Ship"}
    body = harbour.create("ships", {**head, "metadata": {"name": "a"}, "spec": {"colour": "red"}})
    assert body["spec"] == {"colour": "red", "flag": "white"}


def test_a_rule_that_cannot_be_asked_is_told(harbour: Harbour) -> None:
    kind = harbour.kind("customresourcedefinitions")
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations/0/rule"
    operation = {"op": "replace", "path": path, "value": "quantity('1').isLessThan(quantity('2'))"}
    harbour.registry.update(
        kind,
        ("", SHIPS["metadata"]["name"]),
        lambda live: json_patch(live, [operation]),
        Ask("t", NOW, patch=True),
    )
    ask = Ask("test", NOW)
    document = {"apiVersion": "harbour.test/v1", "kind": "Ship", "metadata": {"name": "a"}, "spec": {}}
    harbour.create("ships", document, ask=ask)
    assert [warning for warning in ask.warnings if "skipped a rule" in warning and "isLessThan" in warning]


def test_words_of_a_schema_that_say_nothing_are_told(harbour: Harbour) -> None:
    kind, ask = harbour.kind("customresourcedefinitions"), Ask("t", NOW, patch=True)
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/oneOf"
    operation = {"op": "add", "path": path, "value": [{"required": ["flag"]}]}
    harbour.registry.update(kind, ("", SHIPS["metadata"]["name"]), lambda live: json_patch(live, [operation]), ask)
    assert ask.warnings == ["the embedded API server does not ask what oneOf says in this definition"]


def test_what_is_only_stored_is_told(harbour: Harbour) -> None:
    ask = Ask("test", NOW)
    harbour.create("clusterroles", {"metadata": {"name": "a"}}, ask=ask)
    assert ask.warnings == ["the embedded API server stores this ClusterRole and enforces nothing of it"]


def test_a_dry_run_stores_nothing(harbour: Harbour) -> None:
    before = harbour.registry.store.revision
    harbour.create("namespaces", {"metadata": {"name": "dry"}}, ask=Ask("test", NOW, dry_run=True))
    kind = harbour.kind("namespaces")
    harbour.registry.delete(kind, ("", "default"), {}, Ask("test", NOW, dry_run=True))
    assert harbour.registry.store.revision == before
    assert harbour.get("namespaces", "default")["status"] == {"phase": "Active"}
