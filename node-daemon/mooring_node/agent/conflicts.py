"""Another MAC claims an address that is held here: evidence of two holders that VRRP cannot see.

A claim counts only if the address is still held here a grace later: in a hand-over the successor claims
it a moment before the leaver lets go.
"""

import ctypes
import socket
import struct
from dataclasses import dataclass

from mooring_node.vrrp.frames import Claim, arp_claim, neighbour_claim
from mooring_node.vrrp.text import address_text

GRACE_NS = 1_000_000_000
LOG_EVERY_NS = 60_000_000_000
MOST_CONFLICTS = 64
FRAMES_AT_ONCE = 128
_FRAME_BYTES = 2048
_ETH_P_ARP = 0x0806
_ETH_P_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
#: Classic BPF: pass a frame whose IPv6 next header is ICMPv6 and whose type is neighbour advertisement.
_NEIGHBOUR_ADVERTISEMENTS = (
    (0x30, 0, 0, 20),
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 54),
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


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
        self._logged: dict[tuple[bytes, bytes, str], int] = {}
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
        """Count the claims whose grace is over and whose address is still held; those that should be logged."""
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
            if now - self._logged.get(key, -LOG_EVERY_NS) >= LOG_EVERY_NS:
                self._logged[key] = now
                to_log.append(conflict)
        if len(self._logged) > 2 * MOST_CONFLICTS:
            self._logged = {key: at for key, at in self._logged.items() if now - at < LOG_EVERY_NS}
        return tuple(to_log)

    def all(self) -> tuple[Conflict, ...]:
        return tuple(self._confirmed.values())


class ClaimSocket:
    """Hears ARP, or neighbour advertisements, on one interface."""

    def __init__(self, interface: str, family: int) -> None:
        self.interface = interface
        self._parse = arp_claim if family == 4 else neighbour_claim
        protocol = _ETH_P_ARP if family == 4 else _ETH_P_IPV6
        # Bound before it hears anything: protocol 0 until bind() names the interface.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            # Our own announcements, thousands at a takeover, are no evidence.
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            if family == 6:
                self._attach(_NEIGHBOUR_ADVERTISEMENTS)
            self._socket.bind((interface, protocol))
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            raise

    def _attach(self, program: tuple[tuple[int, int, int, int], ...]) -> None:
        code = b"".join(struct.pack("=HBBI", *line) for line in program)
        buffer = ctypes.create_string_buffer(code)
        header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)

    def fileno(self) -> int:
        return self._socket.fileno()

    def claims(self) -> tuple[Claim, ...]:
        """What has been claimed since the last call, at most a batch."""
        found = []
        for _ in range(FRAMES_AT_ONCE):
            try:
                frame = self._socket.recv(_FRAME_BYTES)
            except OSError:
                break
            claim = self._parse(frame)
            if claim is not None:
                found.append(claim)
        return tuple(found)

    def close(self) -> None:
        self._socket.close()
