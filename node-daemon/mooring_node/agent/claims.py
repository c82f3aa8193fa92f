"""Hearing who claims an address: ARP and neighbour advertisements on the interfaces that carry held addresses."""

import asyncio
import contextlib
import ctypes
import socket
import struct

from mooring_node.agent.conflicts import Conflict, Conflicts
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.vrrp.config import NodeRuntime
from mooring_node.vrrp.frames import Claim, arp_claim, neighbour_claim
from mooring_node.vrrp.prepared import packed

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


class ClaimWatch:
    """Keeps a socket on each interface that matters, and weighs what it hears against what is held here."""

    def __init__(self, rtnetlink: Rtnetlink) -> None:
        self.conflicts = Conflicts()
        self._rtnetlink = rtnetlink
        self._sockets: dict[tuple[str, int, int], ClaimSocket] = {}
        self._addresses: dict[str, frozenset[bytes]] = {}
        self._states: dict[str, str] = {}

    def configured(self, runtime: NodeRuntime) -> None:
        """Listen where this configuration's addresses are; to be called again when interfaces come or go."""
        self._addresses = {
            group.name: frozenset(packed(each.address) for each in group.addresses()) for group in runtime.groups
        }
        loop = asyncio.get_running_loop()
        addresses = [each for group in runtime.groups for each in group.addresses()]
        indexes = {interface: _index(interface) for interface in {each.interface for each in addresses}}
        # By index too: a socket that is bound to an interface which was made anew hears nothing.
        needed = {
            (each.interface, index, 6 if ":" in each.address else 4)
            for each in addresses
            if (index := indexes[each.interface])
        }
        for key in self._sockets.keys() - needed:
            loop.remove_reader(self._sockets[key].fileno())
            self._sockets.pop(key).close()
        for interface, index, family in needed - self._sockets.keys():
            with contextlib.suppress(OSError):  # gone again already
                opened = ClaimSocket(interface, family)
                self._sockets[interface, index, family] = opened
                loop.add_reader(opened.fileno(), self._hear, opened)

    def state_known(self, group: str, state: str) -> None:
        """What a group was when we came to ask; a change that was told meanwhile is newer."""
        self._states.setdefault(group, state)

    def state_changed(self, group: str, before: str, after: str) -> None:
        self._states[group] = after
        if before == "Active":
            self.conflicts.let_go(self._addresses.get(group, frozenset()))

    def confirm(self) -> tuple[Conflict, ...]:
        """The conflicts to log now."""
        return self.conflicts.confirm(self._held(), now_ns())

    def _hear(self, claims: ClaimSocket) -> None:
        held = self._held()
        # Every ARP frame of the segment comes by here; hardly any concerns us.
        found = [claim for claim in claims.claims() if claim.address in held]
        if not found:
            return
        own = frozenset(link.mac for link in self._rtnetlink.links())
        for claim in found:
            self.conflicts.claimed(claim, claims.interface, own, held, now_ns())

    def _held(self) -> frozenset[bytes]:
        active = (held for group, held in self._addresses.items() if self._states.get(group) == "Active")
        return frozenset[bytes]().union(*active)


def _index(interface: str) -> int:
    """0: there is no such interface."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0
