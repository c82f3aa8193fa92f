"""Who holds a group, from what the nodes said last: a dead node's last word says Active for ever."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from mooring_api.virtualip_status import MAX_SUPERSEDED, GroupStatus, PastClaim
from mooring_operator.tell.reports import AT_START, Claim

#: The ranks of claims from before this process began to listen, below all that it saw come in: one that the
#: status does not know came after the holder's, and that after those that the holder has superseded.
_UNKNOWN, _HOLDER, _SUPERSEDED = AT_START, AT_START - 1, AT_START - 2


class Holding(Enum):
    """How the nodes' last words fit together."""

    ONE = auto()
    NOBODY = auto()
    SEVERAL = auto()
    UNREACHABLE = auto()
    """One, whose Node is not Ready."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who holds a group. `claimants` are those that said it last and are neither dead nor out of date, by name."""

    holding: Holding
    holder: Claim | None = None
    claimants: tuple[str, ...] = ()
    superseded: tuple[PastClaim, ...] = ()


def verdict_on(claims: Sequence[Claim], ready: Container[str], before: GroupStatus | None) -> Verdict:
    """Judge the claims on one group.

    The newest claim is right, and an older one counts beside it only if its node has reported since the newest
    came in and still says so. `ready` holds the names of all nodes whose Node is Ready; the others' words count
    only where there is no better. `before` is what was judged last, perhaps by another process: it says what
    came first among claims that were there before this one listened.
    """
    if not claims:
        return Verdict(Holding.NOBODY)
    newest = max(_rank(claim, before) for claim in claims)
    current = [claim for claim in claims if _heard(claim, before) >= newest]
    alive = [claim for claim in current if claim.node in ready]
    if len(alive) > 1:
        older = [claim for claim in claims if claim not in current]
        return Verdict(Holding.SEVERAL, None, tuple(sorted(claim.node for claim in alive)), _past(older))
    holder = alive[0] if alive else max(current, key=lambda claim: (_rank(claim, before), claim.node))
    holding = Holding.ONE if alive else Holding.UNREACHABLE
    return Verdict(holding, holder, (holder.node,), _past([claim for claim in claims if claim is not holder]))


def _past(claims: Sequence[Claim]) -> tuple[PastClaim, ...]:
    """What is remembered of claims that were found to be out of date."""
    by_name = sorted(claims, key=lambda claim: claim.node)
    return tuple(PastClaim(node=claim.node, since_time=claim.since_time) for claim in by_name[:MAX_SUPERSEDED])


def _heard(claim: Claim, before: GroupStatus | None) -> int:
    """When its node last said so; what was there at the start may be as old as the claim itself."""
    return claim.heard if claim.heard != AT_START else _rank(claim, before)


def _rank(claim: Claim, before: GroupStatus | None) -> int:
    """When the claim was made, beside others on the same group."""
    if claim.claimed != AT_START or before is None:
        return claim.claimed
    if (claim.node, claim.since_time) == (before.holder, before.held_since_time):
        return _HOLDER
    past = PastClaim(node=claim.node, since_time=claim.since_time)
    return _SUPERSEDED if past in before.superseded else _UNKNOWN
