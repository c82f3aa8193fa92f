"""The measuring process: one echo request to each address every interval, until its standard input ends.

`python -m mooring_lab.probe_process --interface eth0 --interval-us 1000 --output FILE ADDRESS ...` says `ready`
when it begins; `--requests N` ends it after so many. It runs in the namespace of the machine that measures.
"""

import argparse
import contextlib
import gc
import json
import os
import select
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from mooring_lab.echo import ROUNDS, ArpReply, Requests, arp_question, read, tail
from mooring_lab.probe import UNANSWERED, Claim, Recording
from mooring_lab.store import write_atomically

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 263, 23, 1, 1
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 32 << 20
_CLAIM_EVERY_NS = 10_000_000
#: How long to listen for answers after the last request.
_LINGER_SECONDS = 0.3
_FRAME = 256
_NICE = -15


class Probe:
    """Sends, receives and records; all memory grows in arrays."""

    def __init__(self, interface: str, addresses: Sequence[str], interval_ns: int) -> None:
        identifier = os.getpid() & 0xFFFF
        self._identifier = identifier
        self._interval = interval_ns
        self._requests = [Requests(address, index, identifier) for index, address in enumerate(addresses)]
        self._index_of = {ip_address(a).packed: i for i, a in enumerate(addresses)}
        asked = [a for a in addresses if ":" not in a]
        self._questions = [[arp_question(a, number) for a in asked] for number in range(ROUNDS)]
        self._asked_at = [0] * ROUNDS
        self._round = 0
        self.recording = Recording(tuple(addresses), sent=array("q"), answers=[bytearray() for _ in addresses])
        self._holders: dict[bytes, int] = {}
        self._ipv4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._ipv6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        for sender in (self._ipv4, self._ipv6):
            sender.setblocking(False)
            # Answers are read from the packet socket, which knows who sent them.
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        self._wire = _packet_socket(interface)
        self._frame = bytearray(_FRAME)
        self._view = memoryview(self._frame)

    def run(self, stop: int, requests: int) -> None:
        """Measure until the descriptor `stop` is readable, or so many requests are sent (0: no end)."""
        poll = select.poll()
        poll.register(stop, select.POLLIN | select.POLLHUP)
        due = claim_due = time.monotonic_ns()
        while not poll.poll(0) and not 0 < requests <= len(self.recording.sent):
            now = time.monotonic_ns()
            if now < due:
                self._receive()
                time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
                continue
            late = (now - due) // self._interval
            self.recording.skipped += late
            due += (late + 1) * self._interval
            self._send(now)
            if now >= claim_due:
                claim_due = now + _CLAIM_EVERY_NS
                self._ask(now)
            self._receive()
        deadline = time.monotonic() + _LINGER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            select.select([self._wire], [], [], left)
            self._receive()

    def _send(self, now: int) -> None:
        sequence = len(self.recording.sent)
        self.recording.sent.append(now)
        end = tail(sequence)
        for requests, row in zip(self._requests, self.recording.answers, strict=True):
            row.append(UNANSWERED)
            sender = self._ipv6 if requests.is_ipv6 else self._ipv4
            try:
                sender.sendto(requests.head + end, requests.destination)
            except OSError:
                # No route, no neighbour, no buffer: the client could not reach it, which is what is recorded.
                continue

    def _ask(self, now: int) -> None:
        self._round = (self._round + 1) % ROUNDS
        self._asked_at[self._round] = now
        for question in self._questions[self._round]:
            try:
                self._wire.send(question)
            except OSError:
                return

    def _receive(self) -> None:
        receive, view, identifier = self._wire.recv_into, self._view, self._identifier
        while True:
            try:
                length = receive(view)
            except BlockingIOError:
                return
            except OSError:
                # The link went down; the next call tells of frames again.
                return
            reply = read(view, length, identifier)
            if reply is None:
                continue
            holder = self._holder(reply.mac)
            if isinstance(reply, ArpReply):
                index = self._index_of.get(reply.address)
                if index is not None:
                    self.recording.claims.append(Claim(self._asked_at[reply.round], index, holder))
            elif reply.index < len(self._requests):
                row = self.recording.answers[reply.index]
                if reply.sequence < len(row) and row[reply.sequence] == UNANSWERED:
                    row[reply.sequence] = holder

    def _holder(self, mac: bytes) -> int:
        holder = self._holders.get(mac)
        if holder is None:
            holder = self._holders[mac] = len(self._holders)
            self.recording.holders.append(mac.hex(":"))
        return holder


def _packet_socket(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    # Answers to ARP questions go to a MAC that is not the interface's own.
    membership = socket.if_nametoindex(interface).to_bytes(4, sys.byteorder)
    membership += _PACKET_MR_PROMISC.to_bytes(2, sys.byteorder) + bytes(10)
    made.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
    made.bind((interface, _ETH_P_ALL))
    made.setblocking(False)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--interface", required=True)
    parser.add_argument("--interval-us", type=int, required=True)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args(arguments)
    probe = Probe(options.interface, options.addresses, options.interval_us * 1000)
    # What is measured has real-time priority or none; a sender that waits its turn sees less of it.
    with contextlib.suppress(PermissionError):
        os.nice(_NICE)
    gc.freeze()
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    probe.run(sys.stdin.fileno(), options.requests)
    write_atomically(options.output, json.dumps(probe.recording.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
