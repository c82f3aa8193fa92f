"""VRRP routers heard on the wire whose VRID is nobody's here: for the report, and for whoever allocates VRIDs."""

from collections.abc import Iterable
from dataclasses import dataclass

from mooring_node.vrrp.config import MemberConfig

LIMIT = 32


@dataclass(frozen=True, slots=True)
class ForeignRouter:
    interface: str
    virtual_router_id: int
    source: str
    priority: int
    version: int


@dataclass(slots=True)
class Astray:
    """Adverts of a peer that came here by unicast, with a virtual router ID that nobody here has."""

    interface: str
    virtual_router_id: int
    source: str
    instances: tuple[str, ...]
    """Those that have the sender as a peer, with their own virtual router IDs: `web (6)`."""
    count: int = 0
    last_ns: int = 0


class AstrayAdverts:
    """At most LIMIT senders and IDs: who is meant by the configuration is not many."""

    def __init__(self) -> None:
        self._members: tuple[MemberConfig, ...] = ()
        self._peers: dict[tuple[str, str], list[str]] | None = None
        self._heard: dict[tuple[str, int, str], Astray] = {}

    def expect(self, members: Iterable[MemberConfig]) -> None:
        """These are configured from now on; what was heard before is forgotten."""
        self._members, self._peers = tuple(members), None
        self._heard.clear()

    def record(self, interface: str, virtual_router_id: int, source: str, now_ns: int) -> None:
        """An advert that nobody here has a place for; one of a stranger is ignored."""
        if self._peers is None:
            # Not before: hardly anybody ever comes here, and there may be thousands.
            self._peers = {}
            for member in self._members:
                for peer in member.peers or ():
                    said = f"{member.name} ({member.virtual_router_id})"
                    self._peers.setdefault((member.interface, peer), []).append(said)
        instances = self._peers.get((interface, source))
        key = (interface, virtual_router_id, source)
        if instances is None or (key not in self._heard and len(self._heard) >= LIMIT):
            return
        found = self._heard.setdefault(key, Astray(*key, tuple(instances)))
        found.count += 1
        found.last_ns = now_ns

    def all(self) -> tuple[Astray, ...]:
        """In the order in which they were first heard."""
        return tuple(self._heard.values())


class ForeignRouters:
    """At most LIMIT routers; the least recently heard goes first, so a flood cannot grow it."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, int, str], ForeignRouter] = {}

    def record(self, router: ForeignRouter) -> bool:
        """Remember it as just heard; True when it is new."""
        key = (router.interface, router.virtual_router_id, router.source)
        known = self._heard.pop(key, None)
        self._heard[key] = router
        if len(self._heard) > LIMIT:
            del self._heard[next(iter(self._heard))]
        return known is None

    def all(self) -> tuple[ForeignRouter, ...]:
        """Least recently heard first."""
        return tuple(self._heard.values())
