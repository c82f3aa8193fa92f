"""One instance at work: its prepared packets, its announcements and its counters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mooring_node.kernel.addresses import LeasedAddress
from mooring_node.kernel.burst import Burst
from mooring_node.vrrp import announcer
from mooring_node.vrrp.config import GroupConfig, MemberConfig
from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.network import Network, forwards_ipv6
from mooring_node.vrrp.ports import FramePort
from mooring_node.vrrp.prepared import (
    Outgoing,
    Prepared,
    announcement_frames,
    joined_groups,
    leased,
    packed,
    prepare,
)
from mooring_node.vrrp.receive import Datagram, Judged, Remark, judge_any
from mooring_node.vrrp.refusals import LOG_EVERY_NS, Refusals
from mooring_node.vrrp.states import Effect
from mooring_node.vrrp.text import address_text

#: What `_prepare` was made from; while it is the same, nothing is built again.
_Basis: TypeAlias = tuple[GroupConfig, bytes, int, tuple[tuple[int, bytes], ...], frozenset[str]]
#: So many senders are told apart; by multicast anybody on the link may make up more.
MOST_PEERS = 64


@dataclass(slots=True)
class Peer:
    """The last that was heard of another member."""

    priority: int = 0
    heard_at_ns: int = 0
    adverts: int = 0


@dataclass(slots=True)
class Counters:
    adverts_sent: int = 0
    releases_sent: int = 0
    adverts_received: int = 0
    adverts_foreign: int = 0
    send_errors: int = 0
    announcements: int = 0


class Remarks:
    """Makes lines for the log of them: of each at most once a minute."""

    def __init__(self) -> None:
        self._logged_ns: dict[Remark, int] = {}

    def lines(self, remarks: Iterable[Remark], source: bytes, now_ns: int) -> tuple[str, ...]:
        new = [each for each in remarks if now_ns >= self._logged_ns.get(each, -LOG_EVERY_NS) + LOG_EVERY_NS]
        self._logged_ns.update(dict.fromkeys(new, now_ns))
        return tuple(f"accepted an advert of {address_text(source)}, but: {each}: {each.meaning}" for each in new)


class _Segment:
    """Addresses next to each other that are announced on one interface with one number of frames each."""

    __slots__ = ("_burst", "_first", "_frames", "_interface", "_units")

    def __init__(self, first: int, interface: str, frames: list[tuple[bytes, ...]]) -> None:
        self._first = first
        self._units = len(frames)
        self._interface = interface
        self._frames = len(frames[0])
        self._burst = Burst([frame for unit in frames for frame in unit])

    def send(self, units: range, network: Network) -> int:
        """Announce those of `units` that are ours; how many frames went out. Raises OSError."""
        start = max(units.start, self._first) - self._first
        stop = min(units.stop, self._first + self._units) - self._first
        port: FramePort | None = network.frame_port(self._interface) if start < stop else None
        if port is None:
            return 0
        return self._burst.send(port.fileno(), start * self._frames, stop * self._frames)


class Member:
    """Prepared when its interface is there, or not prepared, with the reasons in `faults`."""

    def __init__(self, group: GroupConfig, config: MemberConfig, network: Network) -> None:
        self.config = config
        self.counters = Counters()
        self.refusals = Refusals()
        self.remarks = Remarks()
        self.peers: dict[bytes, Peer] = {}
        self.prepared: Prepared | None = None
        self.addresses: tuple[LeasedAddress, ...] = ()
        self._group = group
        self._network = network
        self._plan = announcer.SILENT
        self._segments: tuple[_Segment, ...] = ()
        self._basis: _Basis | None = None
        self._last: tuple[Datagram, Judged] | None = None

    def reconfigure(self, group: GroupConfig, config: MemberConfig, refreshing_from_ns: int | None = None) -> None:
        """Another configuration; where the addresses stay held, their refresh follows it from a time on."""
        refresh_differs = self.config.announcements.refresh_ns != config.announcements.refresh_ns
        self._group, self.config = group, config
        if refreshing_from_ns is not None and refresh_differs:
            self._plan = announcer.refreshed_as(self._plan, config.announcements, refreshing_from_ns)

    def refresh(self) -> frozenset[FaultReason]:
        """Look at the interfaces again, prepare what is not prepared for them, and say what is in the way."""
        config, network = self.config, self._network
        link = network.link(config.interface)
        used = [network.link(name) for name in dict.fromkeys(each.interface for each in config.addresses)]
        if link is None or None in used:
            self.prepared = None
            return frozenset({FaultReason.INTERFACE_MISSING})
        faults = set()
        if not link.up or not all(each.up for each in used if each):
            faults.add(FaultReason.INTERFACE_DOWN)
        if config.peers is not None and not config.peers and not config.alone:
            faults.add(FaultReason.NO_PEERS)
        source = network.source(config.interface, config.family, packed(config.source) if config.source else None)
        if source is None:
            return frozenset(faults | {FaultReason.NO_SOURCE_ADDRESS})
        self._prepare(source, link.mtu, tuple((each.index, each.mac) for each in used if each))
        port = network.port(config.interface, config.family)
        if port is None:
            return frozenset(faults | {FaultReason.SOCKET_REFUSED})
        if not all([port.join(target) for target in joined_groups(config)]):
            faults.add(FaultReason.GROUP_REFUSED)
        return frozenset(faults)

    def _prepare(self, source: bytes, mtu: int, interfaces: tuple[tuple[int, bytes], ...]) -> None:
        routing = self._routing()
        basis = (self._group, source, mtu, interfaces, routing)
        if self.prepared is not None and basis == self._basis:
            return
        self._basis = basis
        self._last = None
        self.prepared = prepare(self._group, self.config, source, mtu)
        addresses, segments = [], []
        run: list[tuple[bytes, ...]] = []
        run_key: tuple[str, int] | None = None
        for number, each in enumerate(self.config.addresses):
            link = self._network.link(each.interface)
            assert link is not None  # refresh has looked
            address = leased(each, link.index)
            addresses.append(address)
            key = (each.interface, address.family)
            if run and key != run_key:
                segments.append(_Segment(number - len(run), run_key[0], run) if run_key else None)
                run = []
            run_key = key
            run.append(announcement_frames(address.address, link.mac, router=each.interface in routing))
        if run_key:
            segments.append(_Segment(len(addresses) - len(run), run_key[0], run))
        self.addresses = tuple(addresses)
        self._segments = tuple(segment for segment in segments if segment)

    def _routing(self) -> frozenset[str]:
        """The interfaces with IPv6 addresses on which this node routes: neighbours are told so."""
        interfaces = {each.interface for each in self.config.addresses if ":" in each.address}
        return frozenset(each for each in interfaces if forwards_ipv6(each))

    def judge(self, datagram: Datagram, now_ns: int) -> tuple[Judged, tuple[str, ...]] | None:
        """What an advert says, and lines for the log, or Refused is raised; None while this is not prepared."""
        if self.prepared is None:
            return None
        if self._last is not None and self._last[0] == datagram:
            judged = self._last[1]
            remarks: tuple[Remark, ...] = ()
        else:
            judged = judge_any(datagram, self.prepared.expectations)
            remarks = judged.remarks
            self._last = (datagram, judged)
        self.counters.adverts_received += 1
        self.counters.adverts_foreign += judged.foreign
        peer = self.peers.get(datagram.source) or Peer()
        if len(self.peers) < MOST_PEERS:
            self.peers[datagram.source] = peer
        peer.priority, peer.heard_at_ns = judged.advert.priority, now_ns
        peer.adverts += 1
        return judged, self.remarks.lines(remarks, datagram.source, now_ns)

    def perform(self, effect: Effect, now_ns: int) -> None:
        """Its part of what the machine wants done."""
        match effect:
            case Effect.SEND_ADVERT:
                self.send()
            case Effect.SEND_RELEASE:
                self.send(release=True)
            case Effect.ANNOUNCE:
                self.announce(now_ns)
            case Effect.REANNOUNCE:
                self.announce_once(now_ns)
            case Effect.STOP_ANNOUNCING:
                self._plan = announcer.SILENT
            case Effect.TAKE_ADDRESSES | Effect.RELEASE_ADDRESSES:
                pass  # The group does it once for all of them.

    def send(self, release: bool = False) -> None:
        """Say that this node is Active, or that it leaves (priority 0)."""
        prepared = self.prepared
        port = self._network.port(self.config.interface, self.config.family) if prepared else None
        if prepared is None or port is None:
            return
        outgoing: tuple[Outgoing, ...] = prepared.releases if release else prepared.adverts
        for each in outgoing:
            try:
                port.send(each.packet, prepared.source, each.destination)
            except OSError:
                self.counters.send_errors += 1
        if release:
            self.counters.releases_sent += 1
        else:
            self.counters.adverts_sent += 1

    def announce(self, now_ns: int) -> None:
        """All rounds, after a taking. Nothing tells whether the node routes by now, so that is looked at again."""
        if self._basis is not None and self._routing() != self._basis[-1]:
            self.refresh()
        self._plan = announcer.taken(self.config.announcements, now_ns)
        self.announce_due(now_ns)

    def announce_once(self, now_ns: int) -> None:
        self._plan = announcer.once_more(self._plan, self.config.announcements, now_ns)
        self.announce_due(now_ns)

    @property
    def announce_at_ns(self) -> int | None:
        return announcer.deadline(self._plan)

    def announce_due(self, now_ns: int) -> None:
        """Send the announcements that are due."""
        due = announcer.deadline(self._plan)
        if due is None or now_ns < due:
            return
        self._plan, ranges = announcer.due(self._plan, self.config.announcements, len(self.addresses), now_ns)
        for units in ranges:
            for segment in self._segments:
                try:
                    self.counters.announcements += segment.send(units, self._network)
                except OSError:
                    self.counters.send_errors += 1
