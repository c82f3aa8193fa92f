"""$(NAME), as Kubernetes' own tests of third_party/forked/golang/expansion have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_lab.kubelet.expansion import expand

VARIABLES = {"VAR_A": "A", "VAR_B": "B", "VAR_C": "C", "VAR_REF": "$(VAR_A)", "VAR_EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_A)$(VAR_B)", "AB"),
        ("f000-$(VAR_EMPTY)-end", "f000--end"),
        ("$(VAR_REF)", "$(VAR_A)"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$(VAR_A)", "$A"),
        ("$$$$(VAR_A)", "$$(VAR_A)"),
        ("$(VAR_DNE)", "$(VAR_DNE)"),
        ("$VAR_A", "$VAR_A"),
        ("foo$(", "foo$("),
        ("$(VAR_A", "$(VAR_A"),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
        ("$a$(VAR_A)", "$aA"),
        ("$?_boo_$!", "$?_boo_$!"),
        ("$((VAR_A)", "$((VAR_A)"),
        ("", ""),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@given(st.text(alphabet="$(A)x"))
def test_any_text_has_an_answer_and_nothing_unknown_is_lost(text: str) -> None:
    assert expand(text, {}).replace("$", "") == text.replace("$", "")
