"""VRRP routers heard on the wire whose VRID is nobody's here: for the report, and for whoever allocates VRIDs."""

from dataclasses import dataclass

LIMIT = 32


@dataclass(frozen=True, slots=True)
class ForeignRouter:
    interface: str
    virtual_router_id: int
    source: str
    priority: int
    version: int


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
