"""In which order nodes come for a group, and which priority belongs to each place."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from mooring_api.virtualip import Distribution, VirtualIP
from mooring_operator.plan.allocations import Allocation, GroupAllocation
from mooring_operator.plan.snapshot import Node

#: A node's score and name. Scores are as good as random, so a node that goes moves only what it had.
Ranked = tuple[bytes, str]

DEFAULT_PRIORITY = 250
HIGHEST_PRIORITY = 254
DEFAULT_STEP = 10


class Ring:
    """The nodes of one VirtualIP that are not named in `preferred`, highest rendezvous score first."""

    def __init__(self, virtual_ip: str) -> None:
        self._base = blake2b(virtual_ip.encode() + b"/", digest_size=8)
        self._scores: dict[str, bytes] = {}
        self._members: frozenset[str] = frozenset()
        self._ranked: list[Ranked] = []

    def _score(self, name: str) -> bytes:
        score = self._scores.get(name)
        if score is None:
            digest = self._base.copy()
            digest.update(name.encode())
            score = self._scores[name] = digest.digest()
        return score

    def of(self, members: frozenset[str]) -> Sequence[Ranked]:
        """The members ranked. Costs what has changed since the last call."""
        if members is not self._members and members != self._members:
            gone = self._members - members
            joined = members - self._members
            for name in gone:
                del self._ranked[bisect_left(self._ranked, (self._scores.pop(name), name))]
            self._ranked.extend((self._score(name), name) for name in joined)
            self._ranked.sort()
            self._members = members
        return self._ranked

    def start(self, name: str) -> int:
        """The place from which a walk begins that belongs to `name` (a node, here or not, or a group)."""
        digest = self._base.copy()
        digest.update(name.encode())
        return bisect_left(self._ranked, (digest.digest(), name))


@dataclass(frozen=True, slots=True)
class Seat:
    """One node's turn in a group's order. `place` counts from 0 and sets the priority; None: the next free one."""

    node: str
    place: int | None
    why: str


def homes(
    virtual_ip: VirtualIP, allocation: Allocation, ranked: Sequence[Ranked], nodes: Mapping[str, Node]
) -> tuple[GroupAllocation, ...]:
    """The groups with the homes of a Balanced VirtualIP filled in.

    Groups that `preferred` does not lead each have a home: the node with the fewest, by rendezvous. It is kept
    while its node is away, so a node that joins moves no address and one that returns gets its share back.
    """
    preferred = [p.node for p in virtual_ip.spec.nodes.preferred]
    balanced = virtual_ip.spec.distribution is Distribution.BALANCED
    needs_home = [balanced and k >= len(preferred) for k in range(len(allocation.groups))]
    kept = [
        group.home if needed and group.home not in preferred else None
        for group, needed in zip(allocation.groups, needs_home, strict=True)
    ]
    if not any(needed and home is None for needed, home in zip(needs_home, kept, strict=True)):
        return tuple(_at_home(group, home) for group, home in zip(allocation.groups, kept, strict=True))
    count = {name: 0 for _, name in ranked}
    for home in kept:
        if home in count:
            count[home] += 1
    found = []
    for group, home, needed in zip(allocation.groups, kept, needs_home, strict=True):
        if needed and home is None and count:
            home = min(count, key=lambda name: (count[name], nodes[name].cordoned))
            count[home] += 1
        found.append(_at_home(group, home))
    return tuple(found)


def _at_home(group: GroupAllocation, home: str | None) -> GroupAllocation:
    return group if home == group.home else GroupAllocation(group.virtual_router_id, home)


def order(
    preferred: Sequence[str], index: int, home: str | None, ring: Ring, ranked: Sequence[Ranked], group: str
) -> Iterator[Seat]:
    """Everybody's place in group number `index`, first choice first; names in `preferred` may be absent nodes.

    `preferred` is rotated by the group's number. A group with a home begins with it; then come the preferred,
    then the ring from the home's place (Failover: from its beginning) on.
    """
    turn = index % len(preferred) if preferred else 0
    lead = 1 if home is not None else 0
    if home is not None:
        yield Seat(home, 0, "home of this group (rendezvous)")
    for place, name in enumerate((*preferred[turn:], *preferred[:turn])):
        number = (place + turn) % len(preferred) + 1
        yield Seat(name, place + lead, f"preferred #{number}")
    start = ring.start(home) if home is not None else (ring.start(group) if index else 0)
    rest = (name for _, name in (*ranked[start:], *ranked[:start]) if name != home)
    for number, name in enumerate(rest, lead + 1):
        yield Seat(name, None, f"rendezvous place {number}")


def ladder(fixed: Sequence[int | None], count: int) -> tuple[int, ...] | None:
    """The priorities of `count` places, strictly decreasing within 1 to 254; None where they do not fit.

    `fixed` are the first places' priorities as written, None where left out: 250, 240, 230, ... by place, in
    smaller steps where there are many places or a written priority leaves less room.
    """
    wanted = [*fixed[:count], *([None] * (count - len(fixed)))]
    found: list[int] = []
    above = HIGHEST_PRIORITY + 1
    position = 0
    while position < count:
        value = wanted[position]
        run = 0
        while value is None and position + run < count and wanted[position + run] is None:
            run += 1
        if value is not None:
            if value >= above:
                return None
            found.append(value)
            position += 1
        else:
            following = wanted[position + run] if position + run < count else None
            values = _fill(above, following or 0, run, position == 0)
            if values is None:
                return None
            found.extend(values)
            position += run
        above = found[-1]
    return tuple(found)


def _fill(above: int, below: int, count: int, at_top: bool) -> list[int] | None:
    """`count` values between two bounds, neither included; the first places begin at 250 where they can."""
    if at_top:
        top = DEFAULT_PRIORITY if DEFAULT_PRIORITY - below >= count else HIGHEST_PRIORITY
        step = min(DEFAULT_STEP, (top - below - 1) // (count - 1)) if count > 1 else DEFAULT_STEP
        return [top - step * i for i in range(count)] if step > 0 and top > below else None
    step = min(DEFAULT_STEP, (above - below - 1) // count)
    return [above - step * (i + 1) for i in range(count)] if step > 0 else None


def decreasing(priorities: Iterable[int | None]) -> tuple[tuple[int | None, ...], list[int]]:
    """The written priorities without those that are not below all before them, and the places of the latter."""
    found: list[int | None] = []
    contrary = []
    lowest = HIGHEST_PRIORITY + 1
    for place, priority in enumerate(priorities):
        if priority is not None and priority >= lowest:
            contrary.append(place)
            found.append(None)
        else:
            found.append(priority)
            lowest = priority if priority is not None else lowest
    return tuple(found), contrary
