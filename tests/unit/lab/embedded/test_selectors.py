"""Selectors, against what Kubernetes documents of them."""

import pytest

from mooring_lab.api.embedded import selectors
from mooring_lab.api.embedded.errors import StatusError

LABELS = {"a": "b", "empty": "", "x.test/y": "1"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("a=b", True),
        ("a==b", True),
        ("a!=b", False),
        ("c!=b", True),
        ("a", True),
        ("!a", False),
        ("!c", True),
        ("a in (b, c)", True),
        ("a in (c)", False),
        ("a notin (b)", False),
        ("c notin (b)", True),
        ("c in (b)", False),
        ("a=b,empty=", True),
        ("empty in ()", True),
        ("a=b, !c ,x.test/y=1", True),
        ("a=b,c=d", False),
        ("a in (b),c", False),
    ],
)
def test_labels(text: str, fits: bool) -> None:
    assert selectors.labels(text)(LABELS) is fits


@pytest.mark.parametrize("text", ["a b", "a in b", "a in (b", "=b", "a=b=c", "a=(", ",", "a,,b"])
def test_what_is_no_label_selector(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        selectors.labels(text)
    assert refused.value.code == 400


def test_fields() -> None:
    assert selectors.fields("a.b=c,d!=e,f==") == [("a.b", "c", True), ("d", "e", False), ("f", "", True)]
    assert selectors.fields("") == []
    with pytest.raises(StatusError):
        selectors.fields("a")
