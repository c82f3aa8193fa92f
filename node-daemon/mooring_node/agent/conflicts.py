"""Another MAC claims an address that is held here: evidence of two holders that VRRP cannot see.

A claim counts only if the address is still held here a grace later: in a hand-over the successor claims
it a moment before the leaver lets go.
"""

from dataclasses import dataclass

from mooring_node.vrrp.frames import Claim
from mooring_node.vrrp.text import address_text

GRACE_NS = 1_000_000_000
LOG_EVERY_NS = 60_000_000_000
MOST_CONFLICTS = 64


@dataclass(slots=True)
class Conflict:
    """Claims of one address by one MAC."""

    address: str
    mac: str
    interface: str
    count: int = 0
    last_ns: int = 0


class Conflicts:
    """Weighs claims against what is held; pure but for being told the time."""

    def __init__(self) -> None:
        self._pending: dict[tuple[bytes, bytes, str], int] = {}
        self._confirmed: dict[tuple[bytes, bytes, str], Conflict] = {}
        self._logged: dict[bytes, int] = {}
        self.total = 0

    def claimed(
        self, claim: Claim, interface: str, own_macs: frozenset[bytes], held: frozenset[bytes], now: int
    ) -> None:
        """Somebody claims an address; only foreign claims of held addresses are kept, and not without limit."""
        key = (claim.address, claim.mac, interface)
        if claim.address not in held or claim.mac in own_macs:
            return
        if key in self._pending or len(self._pending) < MOST_CONFLICTS:
            self._pending.setdefault(key, now + GRACE_NS)

    def let_go(self, addresses: frozenset[bytes]) -> None:
        """They are not held any more: who claimed them just now was right, also if they come back within the grace."""
        self._pending = {key: due for key, due in self._pending.items() if key[0] not in addresses}

    def confirm(self, held: frozenset[bytes], now: int) -> tuple[Conflict, ...]:
        """Count claims whose grace is over and whose address is still held; what to log, an address once a minute."""
        to_log = []
        for key, due in tuple(self._pending.items()):
            if now < due:
                continue
            del self._pending[key]
            if key[0] not in held:
                continue
            conflict = self._confirmed.get(key)
            if conflict is None:
                if len(self._confirmed) >= MOST_CONFLICTS:
                    del self._confirmed[min(self._confirmed, key=lambda each: self._confirmed[each].last_ns)]
                conflict = self._confirmed[key] = Conflict(address_text(key[0]), key[1].hex(":"), key[2])
            conflict.count += 1
            conflict.last_ns = now
            self.total += 1
            if now - self._logged.get(key[0], -LOG_EVERY_NS) >= LOG_EVERY_NS:
                self._logged[key[0]] = now
                to_log.append(conflict)
        return tuple(to_log)

    def all(self) -> tuple[Conflict, ...]:
        return tuple(self._confirmed.values())
