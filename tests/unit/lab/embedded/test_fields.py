"""Ownership of fields, as properties: what an applier says is his, twice is once, and nothing of others is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_lab.api.embedded import fields, managers
from mooring_lab.api.embedded.errors import StatusError
from mooring_lab.api.embedded.managers import Manager

TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "plain": TEXT,
        "struct": {"type": "object", "properties": {"a": TEXT, "b": {"type": "object", "properties": {"c": TEXT}}}},
        "map": {"type": "object", "additionalProperties": TEXT},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": TEXT, "b": TEXT}},
        "list": {"type": "array", "items": TEXT},
        "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        "keyed": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": TEXT, "a": TEXT, "b": TEXT}},
        },
    },
}
_text = st.sampled_from("xyz")


def _some(**parts: Any) -> Any:
    return st.fixed_dictionaries({}, optional=parts)


OBJECTS = _some(
    plain=_text,
    struct=_some(a=_text, b=_some(c=_text)),
    map=st.dictionaries(st.sampled_from("kl"), _text),
    atomic=_some(a=_text, b=_text),
    list=st.lists(_text, max_size=2),
    set=st.lists(_text, unique=True),
    keyed=st.lists(
        st.fixed_dictionaries({"name": st.sampled_from("pqr")}, optional={"a": _text, "b": _text}),
        unique_by=lambda item: item["name"],
    ),
)


def _manager(name: str) -> Manager:
    return Manager(name, "Apply", "v1", "", "")


def _apply(live: Any, config: Any, sets: managers.Sets, name: str) -> tuple[Any, managers.Sets]:
    return managers.applied(SCHEMA, live, config, sets, _manager(name), force=True)


@given(OBJECTS, OBJECTS)
def test_an_applied_value_is_in_the_result(live: Any, config: Any) -> None:
    merged = fields.merge(SCHEMA, live, config)
    assert fields.merge(SCHEMA, merged, config) == merged
    difference = fields.compare(SCHEMA, config, merged)
    assert not difference.modified
    assert all(path not in set(fields.owned(SCHEMA, config)) for path in difference.removed)


@given(OBJECTS, OBJECTS)
def test_who_applies_twice_changes_nothing(live: Any, config: Any) -> None:
    once = _apply(live, config, {}, "me")
    assert _apply(once[0], config, once[1], "me") == once


@given(OBJECTS, OBJECTS, OBJECTS)
def test_what_another_owns_stays(first: Any, mine: Any, less: Any) -> None:
    live, sets = _apply({}, first, {}, "other")
    live, sets = _apply(live, mine, sets, "me")
    held = {identity: paths for identity, (_, paths) in sets.items() if identity[1] == "other"}
    live, sets = _apply(live, less, sets, "me")
    here = set(fields.owned(SCHEMA, live))
    mine_now = set(fields.owned(SCHEMA, less))
    for paths in held.values():
        assert all(path in fields.with_parents(SCHEMA, here) for path in paths - mine_now)


@given(OBJECTS)
def test_nothing_is_left_of_who_applied_alone_and_takes_all_back(config: Any) -> None:
    applied, sets = _apply({}, config, {}, "me")
    empty, sets = _apply(applied, {}, sets, "me")
    assert not set(fields.owned(SCHEMA, empty)) & set(fields.owned(SCHEMA, config)) or not config
    assert sets == {}


@given(OBJECTS, OBJECTS)
def test_without_force_an_apply_that_would_change_others_fields_is_refused(first: Any, second: Any) -> None:
    live, sets = _apply({}, first, {}, "other")
    _, paths = next(iter(sets.values()), (None, frozenset()))
    merged = fields.merge(SCHEMA, live, second)
    changed = fields.compare(SCHEMA, live, merged)
    if not paths & (changed.modified | changed.added):
        managers.applied(SCHEMA, live, second, sets, _manager("me"), force=False)
        return
    with pytest.raises(StatusError) as refused:
        managers.applied(SCHEMA, live, second, sets, _manager("me"), force=False)
    assert refused.value.code == 409


@given(OBJECTS, OBJECTS)
def test_an_updater_owns_what_he_changed(old: Any, new: Any) -> None:
    manager = Manager("me", "Update", "v1", "", "now")
    sets = managers.updated(SCHEMA, old, new, {}, manager)
    difference = fields.compare(SCHEMA, old, new)
    owned = next(iter(sets.values()), (manager, frozenset()))[1]
    assert owned == difference.added | difference.modified - {()}
    assert (old == new) <= (sets == {})


@given(OBJECTS)
def test_fields_v1_says_the_same_set(value: Any) -> None:
    paths = set(fields.owned(SCHEMA, value))
    written = json.loads(json.dumps(fields.to_fields(paths)))
    assert set(fields.from_fields(written)) == paths


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"other": 1}, ".other: field not declared in schema"),
        ({"keyed": [{"a": "x"}]}, "omits all key fields"),
        ({"keyed": [{"name": "p"}, {"name": "p"}]}, 'duplicate entries for key [name="p"]'),
        ({"set": ["x", "x"]}, 'duplicate entries for key [="x"]'),
    ],
)
def test_what_fits_no_schema_cannot_be_owned(value: Any, why: str) -> None:
    with pytest.raises(fields.UntypedError) as refused:
        fields.check(SCHEMA, value)
    assert why in str(refused.value)


def test_conflicts_are_told_by_manager() -> None:
    live, sets = _apply({}, {"plain": "x", "struct": {"a": "x"}}, {}, "one")
    live, sets = _apply(live, {"plain": "x", "list": ["x"]}, sets, "two")
    with pytest.raises(StatusError) as refused:
        managers.applied(SCHEMA, live, {"plain": "y", "struct": {"a": "y"}}, sets, _manager("me"), force=False)
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .plain\n- .struct.a\nconflicts with "two":\n- .plain'
    )


@given(OBJECTS, st.randoms())
def test_fields_v1_is_always_written_in_one_order(value: Any, random: Any) -> None:
    """A write is none if it changes nothing: that is seen by comparing what is written."""
    paths = list(fields.owned(SCHEMA, value))
    shuffled = paths[:]
    random.shuffle(shuffled)
    assert json.dumps(fields.to_fields(paths)) == json.dumps(fields.to_fields(shuffled))
