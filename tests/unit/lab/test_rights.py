"""Missing rights are named before anything else."""

import pytest

from mooring_lab.rights import missing

ALL = (1 << 41) - 1
TOOLS = frozenset({"ip", "nft"})


def test_nothing_is_missing_for_root() -> None:
    assert missing(ALL, 0, TOOLS) == ()


@pytest.mark.parametrize(("bit", "name"), [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW"), (21, "CAP_SYS_ADMIN")])
def test_each_capability_is_named(bit: int, name: str) -> None:
    assert missing(ALL & ~(1 << bit), 0, TOOLS) == (name,)


def test_everything_that_is_missing_is_named_at_once() -> None:
    named = missing(0, 1000, frozenset())
    assert named[0].startswith("root")
    assert any("iproute2" in text for text in named)
    assert any("nftables" in text for text in named)
    assert len(named) == 6
