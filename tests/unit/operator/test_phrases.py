"""Lists and foreign words in messages."""

import pytest

from mooring_api.virtualip import GroupStatus
from mooring_operator.words.phrases import called, clipped, listed


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["b", "a", "b"], "b, a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c, and 1 more"),
    ],
)
def test_a_list_names_some_and_counts_the_others(parts, text):
    assert listed(parts, most=3) == text


@pytest.mark.parametrize(
    ("text", "clip"),
    [("short", "short"), ("two\nlines", "two lines"), ("0123456789", "0123456789"), ("0" * 11, "0000000...")],
)
def test_a_foreign_text_is_one_line_of_a_bounded_length(text, clip):
    assert clipped(text, 10) == clip


@pytest.mark.parametrize(
    ("name", "family", "text"),
    [("web-0", "IPv4", "web-0"), ("web-0-ipv6", "IPv6", "web-0"), ("my-ipv4-0", "IPv4", "my-ipv4-0")],
)
def test_a_group_is_called_without_its_family(name, family, text):
    assert called(GroupStatus(name=name, family=family, virtual_router_id=1)) == text
