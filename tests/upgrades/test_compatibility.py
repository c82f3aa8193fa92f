"""The definitions take nothing away from who was written for a recorded release, unless a reason is written down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.upgrades.compatibility import Schema, added, breaks, pruned, schema_of
from tests.upgrades.record import CRDS, HERE, RELEASES

from mooring_api.levels import LEVEL
from mooring_api.nodeconfig import NodeConfig
from mooring_api.novelties import NOVELTIES
from mooring_api.wire import wire_name

REASONS: Mapping[str, Mapping[str, str]] = yaml.safe_load((HERE / "reasons.yaml").read_text())
FOUND = sorted(path for path in RELEASES.iterdir() if path.is_dir())
RELEASE = pytest.mark.parametrize("release", FOUND, ids=[path.name for path in FOUND])


def schemas(folder: Path) -> dict[str, Schema]:
    documents = (yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml")))
    return {each["spec"]["names"]["kind"]: schema_of(each) for each in documents}


def test_there_is_a_recorded_release() -> None:
    assert [path.name for path in FOUND][:1] == ["0.1.0"]


@RELEASE
def test_what_was_right_for_a_release_is_right_and_means_the_same(release: Path) -> None:
    before, now = schemas(release / "crds"), schemas(CRDS)
    assert before.keys() <= now.keys()
    found = {f"{kind}{text}" for kind in before for text in breaks(before[kind], now[kind])}
    reasons = REASONS.get(release.name, {})
    assert found - reasons.keys() == set(), "write the reason into tests/upgrades/reasons.yaml, or do it otherwise"
    assert reasons.keys() - found == set(), "these reasons are of no difference any more"


@RELEASE
def test_what_is_later_in_a_spec_says_what_it_means_for_an_older_daemon(release: Path) -> None:
    """Each new field of NodeConfig's spec, and each new value, is a Novelty of a level above the release's."""
    level = yaml.safe_load((release / "release.json").read_text())["level"]
    assert level <= LEVEL
    spec = {
        kind: each["properties"]["spec"] for kind, each in (("old", _config(release / "crds")), ("new", _config(CRDS)))
    }
    declared = {
        (wire_name(each.field), value) for each in NOVELTIES if each.level > level for value in each.values or {""}
    }
    unsaid = [(path, value) for path, value in added(spec["old"], spec["new"]) if (_last(path), value) not in declared]
    assert unsaid == [], "say in mooring_api.novelties.NOVELTIES what a daemon is to do that does not know it"


def _config(folder: Path) -> Schema:
    return schemas(folder)[NodeConfig.__name__]


def _last(path: str) -> str:
    return path.removesuffix("[]").rpartition(".")[2]


# That the checker finds what it is there for.

OLD: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "mode": {"type": "string", "enum": ["A", "B"], "default": "A"},
        "many": {"type": "array", "maxItems": 4, "items": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    },
}


def with_field(name: str, **changes: Any) -> Schema:
    fields = OLD["properties"]
    return OLD | {"properties": fields | {name: fields.get(name, {}) | changes}}


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD | {"properties": {k: v for k, v in OLD["properties"].items() if k != "many"}}, ".many: is gone"),
        (OLD | {"required": ["name", "mode"]}, ".mode: must be written now"),
        (with_field("mode", enum=["A"]), ".mode: the value 'B' is gone"),
        (with_field("mode", default="B"), ".mode: default was 'A' and is 'B'"),
        (with_field("name", type="integer"), ".name: type was 'string' and is 'integer'"),
        (with_field("name", maxLength=9), ".name: maxLength was 10 and is 9"),
        (with_field("name", minLength=1), ".name: minLength was None and is 1"),
        (with_field("name", pattern="^a"), ".name: pattern was None and is '^a'"),
        (with_field("name", enum=["a"]), ".name: only ['a'] may be written"),
        (with_field("many", maxItems=3), ".many: maxItems was 4 and is 3"),
        (with_field("many", items={"type": "object", "properties": {}}), ".many[].x: is gone"),
        (with_field("name", **{"x-kubernetes-validations": [{"rule": "1 == 1", "message": "no"}]}), "a new rule: no"),
    ],
)
def test_what_takes_something_away_is_found(new: Schema, words: str) -> None:
    assert [text for text in breaks(OLD, new) if words in text]


@pytest.mark.parametrize(
    ("new", "news"),
    [
        (OLD, []),
        (with_field("later", type="string"), [(".later", "")]),
        (with_field("mode", enum=["A", "B", "C"]), [(".mode", "C")]),
        (with_field("name", maxLength=11), []),
        (OLD | {"required": []}, []),
    ],
)
def test_what_only_adds_takes_nothing_away(new: Schema, news: list[tuple[str, str]]) -> None:
    assert list(breaks(OLD, new)) == []
    assert list(added(OLD, new)) == news


def test_what_a_definition_does_not_know_is_dropped() -> None:
    assert pruned({"name": "a", "later": 1, "many": [{"x": 1, "y": 2}]}, OLD) == {"name": "a", "many": [{"x": 1}]}
