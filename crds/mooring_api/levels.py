"""Which level of the contract a program understands, so that operator and daemons of different releases agree.

A level is a number that grows with each release that adds to NodeConfig's spec (novelties.py has what). A daemon
reports its own (`status.contractLevel`). An entry that must not be run without something of a later level bears
`requiredLevel`, and who is below refuses that entry.
"""

from collections.abc import Mapping

#: The level of this release.
LEVEL = 1
#: That of release 0.1.0, and of whoever reports none.
FIRST_LEVEL = 1


def needs_more(given: object, level: int = LEVEL) -> str:
    """Why a document of an entry must not be run by a program of this level; "" when it may."""
    wanted = given.get("requiredLevel") if isinstance(given, Mapping) else None
    if not isinstance(wanted, int) or wanted <= level:
        return ""
    return (
        f"needs level {wanted} of the contract, and this daemon understands level {level}; upgrade the daemon here, or"
        " take back what the newer operator was asked for"
    )
