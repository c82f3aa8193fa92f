"""Which running group goes on as which configured one. Pure.

A group is what it is on the wire: an interface, a family and a VRID. Its name, its members' names and their
order may change, and members may join, without its state or its timers being touched.
"""

from collections.abc import Sequence
from typing import TypeAlias

from mooring_node.vrrp.config import GroupConfig, MemberConfig

Router: TypeAlias = tuple[str, int, int]


def router_of(member: MemberConfig) -> Router:
    """Interface, family and VRID."""
    return (member.interface, member.family, member.virtual_router_id)


def continued(running: Sequence[GroupConfig], wanted: Sequence[GroupConfig]) -> dict[str, int]:
    """Names of wanted groups, each with the place of the running group that goes on as it; others begin anew.

    Of several that could, the one of the same name is taken, else the first; each goes on at most once.
    """
    found: dict[str, int] = {}
    free = dict(enumerate(running))
    for same_name in (True, False):
        for config in wanted:
            if config.name in found:
                continue
            routers = {router_of(member) for member in config.members}
            for place, other in free.items():
                if same_name and other.name != config.name:
                    continue
                if routers & {router_of(member) for member in other.members}:
                    found[config.name] = place
                    del free[place]
                    break
    return found
