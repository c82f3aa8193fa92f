"""YAML as Kubernetes' users mean it."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.documents import parse_documents
from mooring_api.problems import InvalidObject


def test_several_documents_and_lists_become_single_objects() -> None:
    text = "---\n{kind: A}\n---\n---\nkind: List\nitems:\n- {kind: B}\n- {kind: CList, items: [{kind: C}]}\n"
    assert [document["kind"] for document in parse_documents(text, "f")] == ["A", "B", "C"]
    assert parse_documents("", "f") == ()


@pytest.mark.parametrize(
    ("yaml_text", "value"),
    [
        ("on: [Active]", {"on": ["Active"]}),
        ("1: a", {"1": "a"}),
        ("a: yes", {"a": "yes"}),
        ("a: off", {"a": "off"}),
        ("a: true", {"a": True}),
        ("a: 2026-11-21", {"a": "2026-11-21"}),
        ("a: 12:30:45", {"a": "12:30:45"}),
        ("a: 666", {"a": 666}),
        ("a: '666'", {"a": "666"}),
        ("a: 1.5", {"a": 1.5}),
        ("a:", {"a": None}),
        ("a: ~", {"a": None}),
        ("a: 1_000", {"a": "1_000"}),
        ("x: &x {k: 1, l: 2}\ny: {<<: *x, k: 3}", {"x": {"k": 1, "l": 2}, "y": {"k": 3, "l": 2}}),
    ],
)
def test_scalars_are_what_they_look_like(yaml_text: str, value: object) -> None:
    assert parse_documents(yaml_text, "f") == (value,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "node.yaml, line 3, column 1: not valid YAML: the key 'a' stands twice"),
        ("a:\n  b: {c: 1, c: 2}", "node.yaml, line 2, column 13: not valid YAML: the key 'c' stands twice"),
        ("a: [1,\nb: }", "node.yaml, line 2"),
        ("? [a]\n: b", "node.yaml, line 1, column 3: not valid YAML: a key must be text"),
        ("a: 1\n---\n- b", "node.yaml, line 3: not an object; it must begin with apiVersion and kind"),
        ("kind: List\nitems: [7]", "node.yaml, line 1, items[0]: not an object"),
        ("a: !!python/object:os.system {}", "node.yaml, line 1, column 4: not valid YAML: could not determine"),
        ("a: \x00", "node.yaml: not valid YAML: "),
        ("a: " + "9" * 5000, "node.yaml: not valid YAML: a value cannot be read"),
    ],
)
def test_an_error_names_file_and_line(text: str, says: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_documents(text, "node.yaml")
    assert str(caught.value).startswith(says)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="ascii"), max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text("abcxyz01", min_size=1, max_size=4), inside),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _json))
def test_reads_what_was_dumped(document: dict[str, object]) -> None:
    assert parse_documents(yaml.safe_dump(document), "f") == (document,)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        documents = parse_documents(text, "f")
    except InvalidObject as error:
        said = str(error)
    else:
        said = "f"
        assert all(isinstance(document, dict) for document in documents)
    assert said.startswith("f")
