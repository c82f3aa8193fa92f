"""The measurements, one round each. All times are milliseconds."""

import os
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchmarks.beside_keepalived.system import System
from benchmarks.beside_keepalived.wire import Capture, Frame

from mooring_lab import namespace
from mooring_lab.probe import AddressResult
from mooring_lab.wait import wait_until

#: Below this the phase of an advert can't be met by a command that takes milliseconds itself.
PHASED_FROM_MS = 50
_QUIET_SECONDS = 0.3
_PATIENCE_SECONDS = 30.0
_RTMGRP_IPV4_IFADDR, _RTM_NEWADDR = 0x10, 20
#: Below both daemons: the reader must not keep them waiting.
_READER_PRIORITY = 20


@dataclass(frozen=True, slots=True)
class Outage:
    """What the client missed: from the first lost request to the next reply, and how many were lost."""

    milliseconds: float
    lost: int


@dataclass(frozen=True, slots=True)
class Takeover:
    """Times from the old holder's last advert to the new one's first announcement and first reply: no phase in them.

    `announced` is None where no announcement came after that advert (a takeover by mistake had just been undone).
    """

    outage: Outage
    announced: float | None
    replied: float


@dataclass(frozen=True, slots=True)
class FailBack:
    """From the command that mends the link (it takes some milliseconds) to the first reply of the node."""

    milliseconds: float
    lost: int


def link_down(system: System) -> Takeover:
    """Cut the holder's link half an interval after an advert; ends with the other node holding."""
    capture = system.capture(system.other)
    try:
        with system.lab.client.measure([system.load.first_address]) as measurement:
            frames = _wait_for_phase(capture, system.load.interval_ms)
            start = measurement.now()
            system.holder.fault_link()
            system.settle(system.other)
            time.sleep(_QUIET_SECONDS)
        seen = measurement.result(start)[system.load.first_address]
        frames += capture.read()
        mine, wanted = socket.inet_aton(system.holder.address), socket.inet_aton(system.load.first_address)
        last = max(frame.time for frame in frames if frame.advertiser == mine)
        after = [frame.time for frame in frames if frame.announced == wanted and frame.time > last]
        announced = (min(after) - last) / 1e6 if after else None
        replied = _first_reply(seen, system.other.member.mac)
        return Takeover(_outage(seen), announced, (replied - last) / 1e6)
    finally:
        capture.close()


def link_up(system: System) -> FailBack:
    """Heal the holder's link; ends with the holder holding again."""
    with system.lab.client.measure([system.load.first_address]) as measurement:
        start = measurement.now()
        system.holder.heal()
        system.settle()
        time.sleep(_QUIET_SECONDS)
    seen = measurement.result(start)[system.load.first_address]
    return FailBack((_first_reply(seen, system.holder.member.mac) - start) / 1e6, seen.lost)


def planned_stop(system: System) -> Outage:
    """SIGTERM of the holder's daemon; starts it again when the other has everything."""
    with system.lab.client.measure([system.load.first_address]) as measurement:
        start = measurement.now()
        system.stop(system.holder)
        system.settle(system.other)
        time.sleep(_QUIET_SECONDS)
    outage = _outage(measurement.result(start)[system.load.first_address])
    system.start(system.holder)
    system.settle()
    return outage


def kill(system: System) -> Outage:
    """SIGKILL of the holder's VRRP process; its daemon starts another."""
    with system.lab.client.measure([system.load.first_address]) as measurement:
        time.sleep(_QUIET_SECONDS)
        start = measurement.now()
        killed = system.daemon.vrrp_process(system.holder)
        killed.send(signal.SIGKILL)
        # Four intervals: by then a backup that was to take over has done so.
        time.sleep(4 * system.load.interval_ms / 1000 + 1)
        system.settle()
        time.sleep(_QUIET_SECONDS)
    return _outage(measurement.result(start)[system.load.first_address])


def _outage(seen: AddressResult) -> Outage:
    """Everything that was lost, as one: a second gap after a first reply is no less an outage."""
    return Outage(sum(outage.milliseconds for outage in seen.outages), seen.lost)


def _first_reply(seen: AddressResult, mac: str) -> int:
    return next(held.start for held in seen.held if held.mac == mac)


def _wait_for_phase(capture: Capture, interval_ms: int) -> list[Frame]:
    """Return half an interval after an advert, where that can be met; what was read until then."""
    time.sleep(_QUIET_SECONDS)
    if interval_ms < PHASED_FROM_MS:
        return []
    capture.read()

    def advert() -> list[Frame]:
        return [frame for frame in capture.read() if frame.advertiser]

    seen = wait_until(advert, _PATIENCE_SECONDS, "an advert")
    time.sleep(interval_ms / 2000)
    return seen


@dataclass(frozen=True, slots=True)
class Many:
    """Many addresses at once, each counted from the first address up in the kernel: see the README."""

    last_up: float
    last_announced: float
    announcements: int


def many(system: System) -> Many:
    """Cut the holder's link and watch the other take all addresses; ends with the holder holding again."""
    expected = {socket.inet_aton(address) for address in system.load.all_addresses}
    capture = system.capture()
    with _address_events(system.other.namespace) as events:
        system.holder.fault_link()
        up = _times_up(events, expected)
    system.settle(system.other)
    time.sleep(_QUIET_SECONDS)
    announced: dict[bytes, int] = {}
    frames = [frame for frame in capture.read() if frame.announced in expected]
    for frame in frames:
        announced.setdefault(frame.announced or b"", frame.time)
    capture.close()
    system.holder.heal()
    system.settle()
    missing = expected - announced.keys()
    if missing:
        raise RuntimeError(f"{system.name}: {len(missing)} of {len(expected)} addresses were never announced")
    first = min(up.values())
    return Many((max(up.values()) - first) / 1e6, (max(announced.values()) - first) / 1e6, len(frames))


@contextmanager
def _address_events(name: str) -> Iterator[socket.socket]:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        made.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        made.bind((0, _RTMGRP_IPV4_IFADDR))
        return made

    events = namespace.call(name, make)
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_READER_PRIORITY))
    try:
        yield events
    finally:
        os.sched_setscheduler(0, *before)
        events.close()


def _times_up(events: socket.socket, expected: set[bytes]) -> dict[bytes, int]:
    """When each address came up, as the kernel tells its listeners."""
    up: dict[bytes, int] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(up) < len(expected):
        if not select.select([events], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"{len(up)} of {len(expected)} addresses came up within {_PATIENCE_SECONDS:g} s")
        data = events.recv(1 << 16)
        now = time.monotonic_ns()
        for address in _new_addresses(data):
            if address in expected:
                up.setdefault(address, now)
    return up


def _new_addresses(data: bytes) -> Iterator[bytes]:
    """IFA_LOCAL (2) of each RTM_NEWADDR; a header of 16 bytes, ifaddrmsg of 8, then attributes."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        body, data = data[24:length], data[(length + 3) & ~3 :]
        while kind == _RTM_NEWADDR and len(body) >= 4:
            size, attribute = struct.unpack_from("=HH", body)
            if attribute == 2:
                yield body[4:size]
            body = body[max((size + 3) & ~3, 4) :]
