"""Faults of a link, as commands for the switch. Pure."""

from enum import StrEnum


class Direction(StrEnum):
    """Which frames: those that the node sends, those that are on their way to it, or both."""

    FROM = "from"
    TOWARDS = "towards"
    BOTH = "both"


class Fault(StrEnum):
    """What can be done to a node."""

    NODE = "node"
    LINK = "link"
    ONE_WAY = "one-way"
    LOSS = "loss"
    KILL = "kill"
    STOP = "stop"


#: A frame that the node sends enters its port of the bridge; one towards the node leaves there.
_HOOKS = {Direction.FROM: "ingress", Direction.TOWARDS: "egress"}


def drop(port: str, direction: Direction, percent: int = 100) -> str:
    """nftables: drop so many of the frames at a port of the bridge, instead of what was dropped there before."""
    if not 1 <= percent <= 100:
        raise ValueError(f"{percent} is no percentage from 1 to 100")
    condition = "" if percent == 100 else f"numgen random mod 100 < {percent} "
    hooks = _HOOKS if direction is Direction.BOTH else {direction: _HOOKS[direction]}
    chains = "".join(
        f'  chain {way} {{ type filter hook {hook} device "{port}" priority 0; {condition}drop; }}\n'
        for way, hook in hooks.items()
    )
    return f"{restore(port)}table netdev {port} {{\n{chains}}}\n"


def restore(port: str) -> str:
    """nftables: let everything pass at this port again; also when nothing was dropped."""
    return f"table netdev {port} {{}}\ndelete table netdev {port}\n"
