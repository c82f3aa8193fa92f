"""`onStop: Keep`: a planned stop that is a restart leaves addresses, and what answers on them, to the next start."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mooring_node.board import Board, Standing
from mooring_node.files import StateFolder, boot_id, read_json, write_atomically
from mooring_node.kernel.process import now_ns
from mooring_node.vrrp import timing
from mooring_node.vrrp.config import GroupConfig, from_json, unread
from mooring_node.vrrp.translation import settings_of


def last_groups(state: StateFolder) -> tuple[GroupConfig, ...]:
    """Those of the last good configuration."""
    try:
        return from_json(state.accepted.read_text()).groups
    except (OSError, ValueError):
        return ()


def left_out_groups(state: StateFolder) -> tuple[str, ...]:
    """The names of those that only a newer release can run."""
    try:
        return unread(state.accepted.read_text())
    except (OSError, ValueError):
        return ()


def keeping(state: StateFolder, board: Board) -> tuple[GroupConfig, ...]:
    """The groups whose addresses stay here while no VRRP process runs."""
    return tuple(
        group for group in last_groups(state) if group.keep_on_stop and board.slot(group.name).read() != Standing()
    )


def adoptable(state: StateFolder, board: Board) -> tuple[GroupConfig, ...]:
    """The groups that a planned stop left to us and that are young enough.

    They are noted on the board, and up to when what checks found was looked after: what answers on their addresses was
    left with them.
    """
    kept = read_json(state.kept)
    if kept is None or kept.get("boot") != boot_id():
        return ()
    young = []
    for group in last_groups(state):
        standing = _kept_standing(kept, group.name)
        if standing is None:
            continue
        adoptable_ns = timing.adoptable_ns(settings_of(group, maintenance=False))
        if standing.last_advert_ns > now_ns() - adoptable_ns and standing.lease_end_ns > now_ns():
            board.slot(group.name).write(standing.last_advert_ns, standing.lease_end_ns)
            young.append(group)
    vouched_ns = kept.get("vouchedNs")
    if young and isinstance(vouched_ns, int):
        board.vouch(vouched_ns)
    return tuple(young)


def _kept_standing(kept: Mapping[str, Any], group: str) -> Standing | None:
    """None where the file says nothing of the group, or in another way than this release does."""
    try:
        values = kept["groups"][group]
        return Standing(int(values["lastAdvertNs"]), int(values["leaseEndNs"]))
    except (KeyError, TypeError, ValueError):
        return None


def write_kept(path: Path, standings: dict[str, Standing], vouched_ns: int) -> None:
    """For the next start: when each kept group last spoke, and when its lease ends; see Board.vouch."""
    groups = {
        name: {"lastAdvertNs": each.last_advert_ns, "leaseEndNs": each.lease_end_ns} for name, each in standings.items()
    }
    write_atomically(path, json.dumps({"boot": boot_id(), "groups": groups, "vouchedNs": vouched_ns}, indent=1))
