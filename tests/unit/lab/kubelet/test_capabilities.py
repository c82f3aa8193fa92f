"""Which capabilities a securityContext gives."""

import pytest

from mooring_lab.kubelet.capabilities import DEFAULT, NAMES, added, granted, mask


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (None, None, DEFAULT),
        (["NET_ADMIN"], None, DEFAULT | {"NET_ADMIN"}),
        (["cap_net_admin"], ["ALL"], {"NET_ADMIN"}),
        (None, ["all"], frozenset()),
        (["ALL"], None, frozenset(NAMES)),
        (["ALL"], ["SYS_ADMIN"], frozenset(NAMES) - {"SYS_ADMIN"}),
        (["ALL"], ["ALL"], frozenset()),
        (["KILL"], ["KILL"], DEFAULT - {"KILL"}),
    ],
)
def test_granted(add: list[str] | None, drop: list[str] | None, expected: frozenset[str]) -> None:
    assert granted({"capabilities": {"add": add, "drop": drop}}) == expected


def test_privileged_is_all_whatever_else_is_said() -> None:
    assert granted({"privileged": True, "capabilities": {"drop": ["ALL"]}}) == frozenset(NAMES)


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(ValueError, match="TELEPATHY"):
        granted({"capabilities": {"add": ["TELEPATHY"]}})


def test_the_mask_has_the_bits_of_the_kernel() -> None:
    assert mask(frozenset({"CHOWN", "NET_ADMIN", "NET_RAW"})) == 1 | 1 << 12 | 1 << 13
    assert mask(frozenset({"CHECKPOINT_RESTORE"})) == 1 << 40
    assert added({"capabilities": {"add": ["ALL", "NET_RAW"]}}) == {"NET_RAW"}
