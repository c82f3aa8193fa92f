"""A group at work, on a network, a kernel and a clock of the test's own."""

import os
import random
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

import pytest

from mooring_node.board import Board, Standing
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress, LeasedAddress
from mooring_node.kernel.links import Link
from mooring_node.vrrp.config import (
    AddressConfig,
    AnnouncementConfig,
    FormConfig,
    GroupConfig,
    MemberConfig,
    TrackerConfig,
)
from mooring_node.vrrp.faults import COOLING_NS, FaultReason
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.losses import INCIDENT_NS, LIMIT
from mooring_node.vrrp.packet import Advert, decode, encode, ipv4_packet
from mooring_node.vrrp.receive import parse_ipv4
from mooring_node.vrrp.refusals import Refusal, Refused
from mooring_node.vrrp.services import Services
from mooring_node.vrrp.snapshot import parts, refused
from mooring_node.vrrp.states import Active, Backup, Doubting, Leaving, Observing, Pace
from mooring_node.vrrp.text import naming
from mooring_node.vrrp.timing import active_down_ns, deadline, skew_ns
from mooring_node.vrrp.tracking import QUORUM_LOST, effective_priority
from mooring_node.vrrp.translation import LastHeard, visible_state

S = 1_000_000_000
MS = 1_000_000
NOW = 100 * S
HERE, PEER = ip_address("10.0.0.18").packed, ip_address("10.0.0.28").packed
QUIET = AnnouncementConfig(count=1, spread_ns=0, delay_ns=0)
MEMBER = MemberConfig(
    "web-0",
    "eth0",
    4,
    66,
    3,
    tuple(AddressConfig(f"10.0.0.{number}", 24, "eth0") for number in (100, 101)),
    peers=("10.0.0.28",),
    announcements=QUIET,
)
CONFIG = GroupConfig("web-0", (MEMBER,), priority=128, interval_ns=S, lease_s=6)
KEYS = tuple((2, socket.AF_INET, ip_address(f"10.0.0.{number}").packed, 24) for number in (100, 101))
LISTED = tuple(key[2] for key in KEYS)
UP = Link(2, "eth0", b"\2\0\0\0\0\1", True, 1500, None)


@dataclass
class Wire:
    """A network of one interface; it notes what is sent as priorities, and counts frames."""

    kernel: Any
    link_now: Link | None = UP
    source_now: bytes | None = HERE
    foreign: set[bytes] = field(default_factory=set)
    sent: list[int] = field(default_factory=list)
    last_sent: Advert | None = None

    def __post_init__(self) -> None:
        self._frames, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._other.setblocking(False)

    def close(self) -> None:
        self._frames.close()
        self._other.close()

    def caught(self) -> list[bytes]:
        """The frames that went out since the last call."""
        frames = []
        while True:
            try:
                frames.append(self._other.recv(2048))
            except BlockingIOError:
                return frames

    def frames(self) -> int:
        """How many that were."""
        return len(self.caught())

    # As Network.

    def link(self, interface: str) -> Link | None:
        return self.link_now if interface == "eth0" else None

    def source(self, _interface: str, _family: int, _wanted: bytes | None) -> bytes | None:
        return self.source_now

    def port(self, _interface: str, _family: int) -> "Wire":
        return self

    def frame_port(self, _interface: str) -> socket.socket:
        return self._frames

    def foreign_addresses(self) -> dict[bytes, str]:
        return dict.fromkeys(self.foreign, "eth1")

    def set_by_others(self, addresses: Iterable[bytes]) -> str:
        return naming((each for each in addresses if each in self.foreign), self.foreign_addresses())

    def read_again(self, _now: int) -> None:
        """Nothing is remembered."""

    def read(self) -> None:
        """Nothing is remembered."""

    def left(self, addresses: Iterable[LeasedAddress]) -> list[KernelAddress]:
        wanted = {(each.interface_index, each.address) for each in addresses}
        found = [(key, s) for key, s in self.kernel.addresses.items() if s and (key[0], key[2]) in wanted]
        return [KernelAddress(*key, None, 0, s, 0, False, PROTOCOL) for key, s in found]

    # As Port.

    def join(self, _group: bytes) -> bool:
        return True

    def send(self, packet: bytes, _source: bytes, _destination: bytes) -> None:
        datagram = parse_ipv4(packet)
        self.last_sent = decode(datagram.message, source=datagram.source, destination=datagram.destination)
        self.sent.append(self.last_sent.priority)


class Reports:
    def __init__(self) -> None:
        self.transitions: list[tuple[str, str, str]] = []
        self.logs: list[tuple[str, str]] = []
        self.priorities: list[int | None] = []

    def transition(self, _group: str, before: str, after: str, reason: str, _former: str) -> None:
        self.transitions.append((before, after, reason))

    def priority(self, _group: str, priority: int | None) -> None:
        self.priorities.append(priority)

    def log(self, level: str, message: str, _group: str) -> None:
        self.logs.append((level, message))


class Bench:
    """A group and everything around it."""

    def __init__(self, kernel: Any, board: Board, config: GroupConfig = CONFIG, *, maintenance: bool = False) -> None:
        self.kernel, self.board = kernel, board
        self.wire, self.reports, self.now = Wire(kernel), Reports(), NOW
        services = Services(kernel, self.wire, self.reports, lambda: self.now)  # type: ignore[arg-type]
        self.group = Group(config, services, board.slot(config.name), maintenance=maintenance)

    def start(self) -> None:
        self.group.start(self.now)

    def run(self, until: int) -> None:
        """On time at each deadline, up to `until`."""
        while (due := self.group.deadline_ns) is not None and due <= until:
            self.now = max(self.now, due)
            self.group.on_time(self.now)
        self.now = until

    def hear(self, priority: int, interval_ns: int = S) -> None:
        self.hear_form(Advert(3, 66, priority, interval_ns, LISTED))

    def hear_form(self, advert: Advert) -> None:
        message = encode(advert, source=PEER, destination=HERE)
        packet = ipv4_packet(message, source=PEER, destination=HERE)
        self.group.heard(self.group.members[0], parse_ipv4(packet), self.now)

    @property
    def shown(self) -> str:
        return visible_state(self.group.router)


@pytest.fixture
def board() -> Iterator[Board]:
    with Board() as made:
        yield made


@pytest.fixture
def bench(kernel: Any, board: Board) -> Iterator[Bench]:
    made = Bench(kernel, board)
    yield made
    made.wire.close()


@pytest.fixture
def active(bench: Bench) -> Bench:
    bench.start()
    bench.run(NOW + 4 * S)
    assert isinstance(bench.group.router.state, Active)
    bench.wire.sent.clear()
    bench.reports.transitions.clear()
    bench.wire.frames()
    return bench


def test_it_takes_the_role_when_nobody_speaks(bench: Bench) -> None:
    bench.start()
    assert bench.shown == "Backup"
    bench.run(NOW + 3 * S)
    assert bench.kernel.addresses == {}
    bench.run(NOW + 3500 * MS)
    assert bench.kernel.addresses == dict.fromkeys(KEYS, 6)
    assert bench.wire.sent == [128]
    assert bench.wire.frames() == 4  # request and reply, for two addresses
    assert [each[:2] for each in bench.reports.transitions] == [("Initialize", "Backup"), ("Backup", "Active")]
    assert bench.board.slot("web-0").read() == Standing(NOW + 3500 * MS, NOW + 9500 * MS)


@pytest.mark.parametrize("peers", [("10.0.0.28",), None], ids=["unicast", "multicast"])
def test_a_stranger_with_our_id_keeps_the_role_and_is_no_holder(kernel: Any, board: Board, peers: Any) -> None:
    """It has to be obeyed, because its ID is ours; that it holds none of our addresses is told and counted."""
    bench = Bench(kernel, board, replace(CONFIG, members=(replace(MEMBER, peers=peers),)))
    bench.start()

    def told() -> tuple[str, bool, int]:
        (state,) = [each for part in parts([bench.group], {}, bench.now) for each in part.get("part", ())]
        return state["state"], state["activeHeard"], state["members"][0]["advertsForeign"]

    def hear(*addresses: bytes) -> None:
        target = HERE if peers else ip_address("224.0.0.18").packed
        message = encode(Advert(3, 66, 200, S, addresses), source=PEER, destination=target)
        bench.group.heard(
            bench.group.members[0], parse_ipv4(ipv4_packet(message, source=PEER, destination=target)), bench.now
        )

    hear(LISTED[0])
    assert told() == ("Backup", True, 0), "it lists one of ours"
    for second in range(1, 6):
        bench.run(NOW + second * S)
        hear(ip_address("10.0.0.200").packed)
        hear(ip_address("10.0.0.200").packed)
    assert told() == ("Backup", False, 10)
    assert sum("NoAddressOfOurs" in text for _, text in bench.reports.logs) == 1
    bench.wire.close()


def test_the_lease_is_renewed_at_a_third_and_the_board_knows(active: Bench) -> None:
    active.kernel.said()
    active.run(NOW + 5499 * MS)
    assert active.kernel.said() == []
    active.run(NOW + 5500 * MS)
    assert active.kernel.said() == [("renew", 100), ("renew", 101)]
    assert active.board.slot("web-0").read().lease_end_ns == NOW + 11500 * MS


# Starting where a predecessor was.


def held(kernel: Any, lifetime_s: int = 4) -> None:
    kernel.addresses = dict.fromkeys(KEYS, lifetime_s)


def test_a_fresh_predecessor_is_adopted(bench: Bench) -> None:
    held(bench.kernel)
    bench.board.slot("web-0").write(NOW - 3 * S + 1, NOW + 1)
    bench.start()
    assert bench.shown == "Active"
    assert bench.wire.sent == [128]
    assert bench.wire.frames() == 4
    assert bench.kernel.said() == []
    assert bench.group.holdings.held == frozenset(KEYS)
    assert [each[:2] for each in bench.reports.transitions] == [("Initialize", "Active")]


@pytest.mark.parametrize(
    ("last_advert_ns", "lease_end_ns"), [(NOW - 3 * S, NOW + S), (NOW - 1, NOW), (NOW - 10 * S, NOW - 5 * S)]
)
def test_one_that_spoke_too_long_ago_is_cleared_away(bench: Bench, last_advert_ns: int, lease_end_ns: int) -> None:
    held(bench.kernel)
    bench.board.slot("web-0").write(last_advert_ns, lease_end_ns)
    bench.start()
    assert bench.shown == "Backup"
    assert bench.kernel.addresses == {}
    assert bench.wire.sent == []
    assert bench.board.slot("web-0").read() == Standing()


@pytest.mark.parametrize(("factor", "intervals"), [(1, 1), (2, 2), (3, 3), (100, 3)])
def test_nothing_is_adopted_that_another_may_have_taken_by_now(
    kernel: Any, board: Board, factor: int, intervals: int
) -> None:
    """Who waits for `factor` intervals and no skew at all takes over then."""
    for younger_ns, shown in ((1, "Active"), (0, "Backup")):
        held(kernel)
        made = Bench(kernel, board, replace(CONFIG, active_down_factor=factor))
        board.slot("web-0").write(NOW - intervals * S + younger_ns, NOW + S)
        made.start()
        assert made.shown == shown
        made.wire.close()


def test_half_of_the_addresses_is_nothing_to_adopt(bench: Bench) -> None:
    bench.kernel.addresses = {KEYS[0]: 4}
    bench.board.slot("web-0").write(NOW - 1, NOW + S)
    bench.start()
    assert bench.shown == "Backup"
    assert bench.kernel.addresses == {}


def test_without_a_predecessor_nothing_is_touched(bench: Bench) -> None:
    held(bench.kernel)
    bench.start()
    assert bench.shown == "Backup"
    assert bench.kernel.said() == []


def test_clearing_away_spares_what_somebody_set_for_good(bench: Bench) -> None:
    bench.kernel.addresses = {KEYS[0]: 4, KEYS[1]: 0}
    bench.board.slot("web-0").write(NOW - 1, NOW + S)
    bench.start()
    assert bench.kernel.addresses == {KEYS[1]: 0}


def test_with_a_fault_nothing_is_adopted(bench: Bench) -> None:
    held(bench.kernel)
    bench.board.slot("web-0").write(NOW - 1, NOW + S)
    bench.wire.link_now = replace(UP, up=False)
    bench.start()
    assert bench.shown == "Fault"
    assert bench.kernel.addresses == {}
    assert bench.wire.sent == []


# Faults.


def test_an_address_in_use_is_a_fault_until_it_is_gone(bench: Bench) -> None:
    bench.kernel.addresses = {KEYS[1]: 0}
    bench.start()
    bench.run(NOW + 3500 * MS)
    assert bench.shown == "Fault"
    assert bench.kernel.addresses == {KEYS[1]: 0}
    assert bench.wire.frames() == 0
    assert 128 not in bench.wire.sent
    assert 0 not in bench.wire.sent, "a router that never spoke has nothing to release"
    assert FaultReason.ADDRESS_IN_USE in bench.group.faults
    assert bench.reports.transitions[-1][2].startswith(f"AddressInUse: {ip_address(KEYS[1][2])}: ")
    assert bench.reports.logs[-1][1].endswith(f"{ip_address(KEYS[1][2])}: set on this node already")
    bench.wire.foreign = {KEYS[1][2]}
    bench.run(NOW + 60 * S)
    assert bench.shown == "Fault"
    bench.wire.foreign = set()
    bench.kernel.addresses = {}
    bench.run(NOW + 70 * S)
    assert bench.shown == "Active"
    assert bench.group.faults == frozenset()


def test_an_address_in_use_elsewhere_on_the_node_is_seen_before_it_is_taken(bench: Bench) -> None:
    bench.wire.foreign = {KEYS[0][2]}
    bench.start()
    assert bench.group.faults == {FaultReason.ADDRESS_IN_USE}
    assert bench.kernel.said() == []
    where = f"{ip_address(KEYS[0][2])} on eth1"
    assert bench.group.remedies == [f"{where}: {FaultReason.ADDRESS_IN_USE.remedy}"]
    (part, _) = parts([bench.group], {}, bench.now)
    assert part["part"][0]["detail"] == where


def test_a_refusal_of_the_kernel_is_waited_out(bench: Bench) -> None:
    bench.kernel.refuses = {KEYS[0]: 13}
    bench.start()
    bench.run(NOW + 3500 * MS)
    assert bench.group.faults == {FaultReason.KERNEL_REFUSED}
    assert bench.kernel.addresses == {}
    assert any("EACCES" in message for _, message in bench.reports.logs)
    bench.kernel.refuses = {}
    bench.run(NOW + 3500 * MS + COOLING_NS[FaultReason.KERNEL_REFUSED] - 1)
    assert bench.shown == "Fault"
    bench.run(NOW + 3500 * MS + COOLING_NS[FaultReason.KERNEL_REFUSED] + 6 * S)
    assert bench.shown == "Active"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"link_now": None}, FaultReason.INTERFACE_MISSING),
        ({"link_now": replace(UP, up=False)}, FaultReason.INTERFACE_DOWN),
        ({"source_now": None}, FaultReason.NO_SOURCE_ADDRESS),
    ],
)
def test_what_is_missing_is_named_and_lets_go_at_once(active: Bench, what: dict[str, Any], reason: FaultReason) -> None:
    for name, value in what.items():
        setattr(active.wire, name, value)
    active.group.refresh(active.now)
    assert active.shown == "Fault"
    assert active.group.faults == {reason}
    assert active.kernel.addresses == {}
    (told,) = active.reports.transitions
    assert told == ("Active", "Fault", f"{reason}: {reason.remedy}")
    active.wire.link_now, active.wire.source_now = UP, HERE
    active.run(active.now + 7 * S)
    assert active.shown == "Active"


@pytest.mark.parametrize(("alone", "faults"), [(False, {FaultReason.NO_PEERS}), (True, set())])
def test_no_peers_is_a_fault_unless_it_is_meant(
    kernel: Any, board: Board, alone: bool, faults: set[FaultReason]
) -> None:
    bench = Bench(kernel, board, replace(CONFIG, members=(replace(MEMBER, peers=(), alone=alone),)))
    bench.start()
    assert bench.group.faults == faults
    bench.wire.close()


# Late.


def test_late_and_nobody_spoke(active: Bench) -> None:
    active.now += 3 * S
    assert active.group.is_late(active.now)
    active.group.late(active.now)
    active.group.on_time(active.now)
    active.group.drained(active.now)
    assert isinstance(active.group.router.state, Active)
    assert active.wire.sent == [128]


@pytest.mark.parametrize("priority", [1, 200])
def test_late_and_another_claims_the_role(active: Bench, priority: int) -> None:
    active.now += 3 * S
    active.group.late(active.now)
    assert isinstance(active.group.router.state, Doubting)
    active.hear(priority)
    active.group.on_time(active.now)
    active.group.drained(active.now)
    assert isinstance(active.group.router.state, Backup)
    assert active.kernel.addresses == {}
    assert active.wire.sent == []


def test_a_lease_that_ended_in_sleep_is_not_renewed(active: Bench) -> None:
    active.kernel.said()
    active.now += 20 * S
    active.group.late(active.now)
    active.group.on_time(active.now)
    active.group.drained(active.now)
    assert active.shown == "Backup"
    assert active.wire.sent == []
    assert {verb for verb, _ in active.kernel.said()} == {"delete"}


def test_the_lease_is_judged_by_a_clock_that_is_read_again(active: Bench) -> None:
    due = active.group.holdings.renew_at_ns
    active.now = active.group.holdings.lease_end_ns
    active.kernel.said()
    active.group.on_time(due)
    assert active.shown == "Backup"
    assert ("renew", 100) not in active.kernel.said()


# Losses, changes, maintenance, stopping.


def test_a_deleted_address_is_back_and_announced(active: Bench) -> None:
    del active.kernel.addresses[KEYS[0]]
    active.group.address_gone(active.now)
    assert set(active.kernel.addresses) == set(KEYS)
    assert active.wire.frames() == 4
    assert [level for level, _ in active.reports.logs] == ["warning"]
    active.group.address_gone(active.now)
    assert active.wire.frames() == 0


def test_another_mac_of_the_interface_is_announced_at_once(active: Bench) -> None:
    """Nothing in the adverts changes by it, but everybody has the former one in his caches."""
    active.wire.link_now = replace(UP, mac=b"\2\0\0\0\0\2")
    active.group.refresh(active.now)
    assert [frame[6:12] for frame in active.wire.caught()] == [b"\2\0\0\0\0\2"] * 4
    assert (active.shown, active.kernel.addresses) == ("Active", dict.fromkeys(KEYS, 6))
    active.group.refresh(active.now)
    assert active.wire.frames() == 0


def test_a_fight_for_an_address_ends_in_fault(active: Bench) -> None:
    for _ in range(LIMIT + 1):
        assert active.shown == "Active"
        active.now += INCIDENT_NS + 1
        active.kernel.addresses.pop(KEYS[0])
        active.group.address_gone(active.now)
    assert active.group.faults == {FaultReason.ADDRESS_LOST}
    assert active.kernel.addresses == {}
    since = active.now
    active.run(since + COOLING_NS[FaultReason.ADDRESS_LOST] - 1)
    assert active.shown == "Fault"
    active.run(since + COOLING_NS[FaultReason.ADDRESS_LOST] + 7 * S)
    assert active.shown == "Active"


def test_a_change_touches_only_what_changed(active: Bench) -> None:
    active.kernel.said()
    timer = deadline(active.group.router)
    added = AddressConfig("10.0.0.102", 24, "eth0")
    changed = replace(CONFIG, members=(replace(MEMBER, addresses=(MEMBER.addresses[0], added)),))
    active.group.reconfigure(changed, active.now, maintenance=False)
    said = active.kernel.said()
    assert said[:2] == [("delete", 101), ("add", 102)]
    assert {verb for verb, _ in said[2:]} == {"renew"}
    assert deadline(active.group.router) == timer
    assert active.wire.frames() == 4
    assert active.reports.transitions == []
    active.wire.sent.clear()
    active.group.reconfigure(changed, active.now, maintenance=False)
    assert active.kernel.said() == []
    assert active.wire.sent == []


def test_a_refresh_that_is_turned_off_while_held_ends(kernel: Any, board: Board) -> None:
    refreshing = replace(CONFIG, members=(replace(MEMBER, announcements=replace(QUIET, refresh_ns=10 * S)),))
    bench = Bench(kernel, board, refreshing)
    bench.start()
    bench.run(NOW + 14 * S)
    assert bench.wire.frames() == 8
    bench.group.reconfigure(CONFIG, bench.now, maintenance=False)
    bench.run(NOW + 60 * S)
    assert bench.wire.frames() == 0
    bench.group.reconfigure(refreshing, bench.now, maintenance=False)
    bench.run(NOW + 71 * S)
    assert bench.wire.frames() == 4
    bench.wire.close()


def test_in_maintenance_it_hands_over_and_stays_backup(active: Bench) -> None:
    active.group.reconfigure(CONFIG, active.now, maintenance=True)
    assert isinstance(active.group.router.state, Leaving)
    assert active.wire.sent == [0]
    assert set(active.kernel.addresses) == set(KEYS)
    active.hear(100)
    assert isinstance(active.group.router.state, Observing)
    assert active.kernel.addresses == {}
    active.run(active.now + 60 * S)
    assert active.shown == "Backup"
    active.group.reconfigure(CONFIG, active.now, maintenance=False)
    active.run(active.now + 4 * S)
    assert active.shown == "Active"


def test_a_stop_hands_over(active: Bench) -> None:
    active.group.stop(active.now)
    assert not active.group.stopped
    assert active.wire.sent == [0]
    active.run(active.now + 60 * S)
    assert active.group.stopped
    assert active.wire.sent == [0, 0, 0]
    assert active.kernel.addresses == {}
    assert active.group.deadline_ns is None


def test_a_stop_that_keeps_leaves_fresh_addresses_in_silence(active: Bench) -> None:
    active.kernel.addresses = dict.fromkeys(KEYS, 1)
    active.group.stop(active.now, keep=True)
    assert active.group.stopped
    assert active.kernel.addresses == dict.fromkeys(KEYS, 6)
    assert active.wire.sent == []
    standing = active.board.slot("web-0").read()
    assert standing.lease_end_ns == active.now + 6 * S
    assert standing.last_advert_ns > 0


def test_another_group_gets_what_this_one_gives_up(active: Bench) -> None:
    active.kernel.said()
    active.group.go_on(
        replace(CONFIG, members=(replace(MEMBER, addresses=MEMBER.addresses[1:]),)), active.board.slot(CONFIG.name)
    )
    assert active.kernel.said() == [("delete", 100)]


# What is heard.


def test_a_loser_says_one_last_word(active: Bench) -> None:
    active.hear(200)
    assert active.shown == "Backup"
    assert active.kernel.addresses == {}
    assert active.wire.sent == [128]
    assert active.group.last_heard == LastHeard(str(ip_address(PEER)), 200, active.now)
    (part, _) = parts([active.group], {}, active.now + 3240 * MS)
    told = part["part"][0]
    assert told["lastHeard"] == {"source": str(ip_address(PEER)), "priority": 200, "secondsAgo": 3.2}
    assert told["members"][0]["peers"][0]["secondsAgo"] == 3.2
    assert deadline(active.group.router) == active.now + active_down_ns(active.group.router.settings, Pace(3, S))


def test_a_tie_goes_to_the_higher_address(active: Bench) -> None:
    active.hear(128)
    assert active.shown == "Backup"


def test_what_is_refused_changes_nothing(active: Bench) -> None:
    message = os.urandom(20)
    datagram = parse_ipv4(ipv4_packet(message, source=PEER, destination=HERE))
    with pytest.raises(Refused):
        active.group.heard(active.group.members[0], datagram, active.now)
    assert active.shown == "Active"
    assert active.group.last_heard is None
    refusals = active.group.members[0].refusals
    refusals.record(Refusal.WRONG_VERSION, PEER, active.now)
    (told,) = refused(refusals, active.now + 1500 * MS)
    assert (told["reason"], told["secondsAgo"]) == ("WrongVersion", 1.5)


def test_an_address_that_somebody_set_again_for_good_is_his(active: Bench) -> None:
    active.kernel.addresses[KEYS[0]] = 0
    active.wire.foreign = {KEYS[0][2]}
    active.group.address_gone(active.now)
    assert active.shown == "Fault"
    assert active.group.faults == {FaultReason.ADDRESS_IN_USE}
    assert active.kernel.addresses == {KEYS[0]: 0}


def test_a_fault_at_the_start_is_looked_at_again_without_any_event(bench: Bench) -> None:
    bench.wire.source_now = None
    bench.start()
    assert bench.shown == "Fault"
    bench.wire.source_now = HERE
    bench.run(NOW + 20 * S)
    assert bench.shown == "Active"


# A change that goes round.

PEERS = ("10.0.0.28",)
OLD, NEW = FormConfig(66, 3, S, PEERS), FormConfig(67, 2, 2 * S, PEERS, password="two")
OLD_ADVERT = Advert(3, 66, 200, S, LISTED)
NEW_ADVERT = Advert(2, 67, 200, 2 * S, LISTED, 1, b"two\0\0\0\0\0")


def generation(own: FormConfig, *accepted: FormConfig) -> GroupConfig:
    member = replace(
        MEMBER,
        virtual_router_id=own.virtual_router_id,
        version=own.version,
        password=own.password,
        accepted=accepted,
    )
    return replace(CONFIG, members=(member,), interval_ns=own.interval_ns)


GENERATIONS = (generation(OLD, NEW), generation(NEW, OLD), generation(NEW))


def test_a_holder_goes_through_all_generations_without_touching_its_addresses(active: Bench) -> None:
    (member,) = active.group.members
    active.kernel.said()
    due = deadline(active.group.router)
    for turn, config in enumerate(GENERATIONS, start=1):
        active.group.reconfigure(config, active.now, maintenance=False)
        assert active.wire.sent == [128] * turn
        assert active.wire.last_sent == replace(NEW_ADVERT if turn > 1 else OLD_ADVERT, priority=128)
        assert deadline(active.group.router) == due
    assert {verb for verb, _ in active.kernel.said()} == {"renew"}
    assert (active.group.members, active.reports.transitions, active.wire.frames()) == ((member,), [], 0)
    assert member.counters.adverts_sent == 4


@pytest.mark.parametrize("config", GENERATIONS[:2])
@pytest.mark.parametrize("advert", [OLD_ADVERT, NEW_ADVERT])
def test_meanwhile_both_forms_count(active: Bench, config: GroupConfig, advert: Advert) -> None:
    active.group.reconfigure(config, active.now, maintenance=False)
    active.hear_form(replace(advert, priority=100))
    assert active.shown == "Active"
    active.hear_form(advert)
    assert active.shown == "Backup"
    pace = Pace(advert.version, advert.interval_ns)
    assert deadline(active.group.router) == active.now + active_down_ns(active.group.router.settings, pace)
    # And priority 0, too.
    active.hear_form(replace(advert, priority=0))
    assert deadline(active.group.router) == active.now + skew_ns(active.group.router.settings, pace)


def test_afterwards_the_old_form_is_refused(active: Bench) -> None:
    active.group.reconfigure(GENERATIONS[-1], active.now, maintenance=False)
    with pytest.raises(Refused) as refused:
        active.hear_form(OLD_ADVERT)
    assert refused.value.reason is Refusal.UNKNOWN_VIRTUAL_ROUTER


def test_a_password_alone_is_said_at_once_as_well(kernel: Any, board: Board) -> None:
    """Nothing of it is in the machine's settings."""
    one, two = replace(NEW, password="one"), NEW
    bench = Bench(kernel, board, generation(one, two))
    bench.start()
    bench.run(NOW + 8 * S)
    assert bench.shown == "Active"
    sent = len(bench.wire.sent)
    bench.group.reconfigure(generation(two, one), bench.now, maintenance=False)
    assert len(bench.wire.sent) == sent + 1
    assert bench.wire.last_sent is not None
    assert bench.wire.last_sent.authentication == NEW_ADVERT.authentication
    bench.wire.close()


def test_status_says_that_a_change_is_under_way(active: Bench) -> None:
    def shown() -> Any:
        (part, _) = parts([active.group], {}, active.now)
        return part["part"][0]

    assert shown()["detail"] == ""
    assert shown()["members"][0]["alsoAccepts"] == []
    active.group.reconfigure(GENERATIONS[0], active.now, maintenance=False)
    text = "also accepts VRID 67, version 2, interval 2s, another password (a change is under way)"
    assert shown()["detail"] == text
    form = {"virtualRouterID": 67, "version": 2, "intervalNs": 2 * S}
    assert shown()["members"][0]["alsoAccepts"] == [form]
    active.group.reconfigure(replace(GENERATIONS[0], eligible=False), active.now, maintenance=False)
    assert shown()["detail"] == f"handing over; {text}"


# What is tracked.

BenchOf = Callable[[GroupConfig], Bench]


@pytest.fixture
def bench_of(kernel: Any, board: Board) -> Iterator[BenchOf]:
    """Makes a bench of another configuration."""
    made: list[Bench] = []

    def make(config: GroupConfig) -> Bench:
        made.append(Bench(kernel, board, config))
        return made[-1]

    yield make
    for each in made:
        each.wire.close()


def spoken(bench: Bench) -> int:
    """The priority of the last advert."""
    assert bench.wire.last_sent is not None
    return bench.wire.last_sent.priority


WEIGHED = replace(CONFIG, trackers=(TrackerConfig("db", "shop/db", -50), TrackerConfig("web", "shop/web", 20)))
BOUND = replace(CONFIG, trackers=(TrackerConfig("db", "shop/db"), TrackerConfig("web", "shop/web")))


def test_a_lower_priority_is_said_at_once(bench_of: BenchOf) -> None:
    group = bench_of(WEIGHED)
    group.start()
    group.run(NOW + 4 * S)
    assert isinstance(group.group.router.state, Active)
    assert spoken(group) == 148
    state = group.group.router.state
    group.wire.frames()
    group.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), group.now)
    assert spoken(group) == 98
    assert group.reports.priorities == [98]
    assert group.reports.logs[-1] == ("info", "priority 148 -> 98: -50 as shop/db is below its quorum, +20 as shop/web"
                                      " is good")  # fmt: skip
    assert isinstance(group.group.router.state, Active)
    assert group.group.router.state.since == state.since
    assert group.wire.frames() == 0, "whose the addresses are has not changed"
    # An equal of the old priority is now a better one.
    group.hear(148)
    assert isinstance(group.group.router.state, Backup)
    assert group.reports.transitions[-1][:2] == ("Active", "Backup")


def test_a_backup_judges_by_the_priority_that_counts(bench_of: BenchOf) -> None:
    group = bench_of(WEIGHED)
    group.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), group.now)
    assert group.wire.sent == [], "nothing is said before it starts"
    group.start()
    for second in range(1, 6):
        group.run(NOW + second * S)
        group.hear(120)
    assert isinstance(group.group.router.state, Backup)
    group.group.tracked({}, group.now)
    for second in range(6, 11):
        group.run(NOW + second * S)
        if not isinstance(group.group.router.state, Active):
            group.hear(120)
    assert isinstance(group.group.router.state, Active)
    assert spoken(group) == 148


def test_a_lost_quorum_is_a_fault_by_name(bench_of: BenchOf) -> None:
    group = bench_of(BOUND)
    group.start()
    group.run(NOW + 4 * S)
    group.group.tracked(dict.fromkeys(["shop/web", "nobody/here"], QUORUM_LOST), group.now)
    assert group.group.faults == {FaultReason.TRACKED}
    assert group.wire.sent[-1] == 0, "the others need not wait"
    assert not group.kernel.addresses
    assert group.reports.transitions[-1] == (
        "Active",
        "Fault",
        f"Tracked: shop/web: {FaultReason.TRACKED.remedy}",
    )
    assert group.group.remedies == [f"shop/web: {FaultReason.TRACKED.remedy}"]
    group.run(group.now + 10 * S)
    assert visible_state(group.group.router) == "Fault"
    group.group.tracked(dict.fromkeys(["nobody/here"], QUORUM_LOST), group.now)
    assert visible_state(group.group.router) == "Fault", "one interval of quiet first"
    group.run(group.now + S)
    assert visible_state(group.group.router) == "Backup"
    assert group.group.faults == frozenset()


def test_what_the_kernel_cannot_balance_is_a_fault_in_its_words(bench_of: BenchOf) -> None:
    group = bench_of(BOUND)
    group.start()
    group.run(NOW + 4 * S)
    group.group.tracked({"shop/web": "the kernel cannot balance it (ip_vs is missing)"}, group.now)
    assert group.group.remedies == ["shop/web: the kernel cannot balance it (ip_vs is missing)"]
    group.group.tracked({"shop/web": QUORUM_LOST}, group.now)
    assert group.group.remedies == [f"shop/web: {FaultReason.TRACKED.remedy}"]


def test_a_group_begins_in_fault_where_the_quorum_is_lost_already(bench_of: BenchOf) -> None:
    group = bench_of(BOUND)
    group.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), group.now)
    group.start()
    assert visible_state(group.group.router) == "Fault"
    assert group.wire.sent == []


def test_trackers_come_and_go_with_the_configuration(bench_of: BenchOf) -> None:
    group = bench_of(CONFIG)
    group.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), group.now)
    group.start()
    group.run(NOW + 4 * S)
    group.group.reconfigure(WEIGHED, group.now, maintenance=False)
    assert spoken(group) == 98
    assert group.reports.priorities == [98]
    group.group.reconfigure(BOUND, group.now, maintenance=False)
    assert group.group.faults == {FaultReason.TRACKED}
    group.group.reconfigure(CONFIG, group.now, maintenance=False)
    assert group.group.faults == frozenset()
    group.run(group.now + 5 * S)
    assert isinstance(group.group.router.state, Active)
    assert spoken(group) == 128


def test_what_is_tracked_is_told(bench_of: BenchOf) -> None:
    group = bench_of(WEIGHED)
    group.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), group.now)
    group.start()
    (part, _end) = parts([group.group], {}, group.now)
    (told,) = part["part"]
    assert (told["priority"], told["configuredPriority"]) == (98, 128)
    assert told["detail"] == "priority 128 by configuration, 98 by what is tracked"
    assert told["tracked"] == [
        {"name": "db", "server": "shop/db", "weight": -50, "good": False},
        {"name": "web", "server": "shop/web", "weight": 20, "good": True},
    ]


@pytest.mark.parametrize("seed", range(40))
def test_no_walk_of_quorums_breaks_what_always_holds(bench_of: BenchOf, seed: int) -> None:
    chance = random.Random(seed)
    configs = (CONFIG, WEIGHED, BOUND, replace(WEIGHED, preempt=False), replace(BOUND, priority=255))
    servers = ("shop/db", "shop/web", "nobody/here")
    bench = bench_of(chance.choice(configs))
    group = bench.group
    bench.start()
    for _ in range(60):
        match chance.randrange(5):
            case 0 | 1:
                group.tracked(dict.fromkeys(chance.sample(servers, chance.randrange(4)), QUORUM_LOST), bench.now)
            case 2:
                bench.run(bench.now + chance.randrange(4 * S))
            case 3:
                bench.hear(chance.randrange(1, 255))
            case 4:
                group.reconfigure(chance.choice(configs), bench.now, maintenance=chance.random() < 0.2)
        config = group.config
        assert group.priority == effective_priority(config.priority, config.trackers, group.bad)
        assert group.router.settings.priority == group.priority
        lost = any(tracker.weight is None and tracker.server in group.bad for tracker in config.trackers)
        assert (FaultReason.TRACKED in group.faults) == lost
        if lost:
            assert visible_state(group.router) == "Fault"
            assert not bench.kernel.addresses
        if isinstance(group.router.state, Active):
            assert spoken(bench) == group.priority


def test_a_quorum_lost_again_while_it_recovers_keeps_it_in_fault(bench_of: BenchOf) -> None:
    both = replace(WEIGHED, trackers=(*WEIGHED.trackers, TrackerConfig("bound", "shop/db")))
    bench = bench_of(both)
    bench.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), bench.now)
    bench.start()
    bench.group.tracked({}, bench.now)
    bench.run(bench.now + S // 2)
    bench.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), bench.now)
    bench.run(bench.now + 10 * S)
    assert visible_state(bench.group.router) == "Fault"
    assert not bench.kernel.addresses


def test_a_fault_that_a_configuration_brings_while_it_recovers_keeps_it_in_fault(bench_of: BenchOf) -> None:
    bench = bench_of(BOUND)
    bench.group.tracked(dict.fromkeys(["shop/db"], QUORUM_LOST), bench.now)
    bench.start()
    bench.group.tracked({}, bench.now)
    bench.group.reconfigure(replace(CONFIG, members=(replace(MEMBER, peers=()),)), bench.now, maintenance=False)
    bench.run(bench.now + 10 * S)
    assert bench.group.faults == {FaultReason.NO_PEERS}
    assert visible_state(bench.group.router) == "Fault"
