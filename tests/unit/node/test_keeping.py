"""What a planned stop left to the next start, and for how long it may be taken on."""

from pathlib import Path

import pytest

from mooring_node import keeping
from mooring_node.board import Board, Standing
from mooring_node.files import StateFolder
from mooring_node.keeping import adoptable, write_kept
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig, NodeRuntime, to_json

S = 1_000_000_000
NOW = 1000 * S


@pytest.mark.parametrize(("factor", "intervals"), [(1, 1), (2, 2), (3, 3), (100, 3)])
@pytest.mark.parametrize("younger_ns", [0, 1])
def test_what_another_may_have_taken_by_now_is_not_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int, intervals: int, younger_ns: int
) -> None:
    state = StateFolder(tmp_path)
    member = MemberConfig("web", "eth0", 4, 6, 3, (AddressConfig("10.0.0.100", 24, "eth0"),))
    group = GroupConfig("web", (member,), interval_ns=S, active_down_factor=factor)
    state.accepted.write_text(to_json(NodeRuntime(1, (group,))))
    write_kept(state.kept, {"web": Standing(NOW - intervals * S + younger_ns, NOW + 60 * S)}, NOW)
    monkeypatch.setattr(keeping, "now_ns", lambda: NOW)
    with Board() as board:
        assert bool(adoptable(state, board)) is bool(younger_ns)
