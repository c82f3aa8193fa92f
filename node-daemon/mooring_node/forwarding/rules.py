"""The nftables table of this node as text for `nft -f -` (pure)."""

from collections.abc import Iterable

from mooring_node.balance.config import BalanceConfig
from mooring_node.forwarding.guard import guard
from mooring_node.forwarding.marking import marking
from mooring_node.forwarding.masquerade import masquerade

TABLE = "mooring"
#: Removes the table whether there is one or not: `add` so that `delete` finds one.
REMOVE = f"add table inet {TABLE}\ndelete table inet {TABLE}\n"


def ruleset(config: BalanceConfig, unwrapping: Iterable[str] = ()) -> str:
    """The transaction that replaces the table; "" when this configuration needs no rule at all.

    `unwrapping`: interfaces on which packets appear that a director sent through a tunnel.
    """
    parts = [*masquerade(config), *marking(config, sorted(unwrapping)), *guard(config)]
    if not parts:
        return ""
    return f"{REMOVE}table inet {TABLE} {{\n" + "\n".join(parts) + "\n}\n"
