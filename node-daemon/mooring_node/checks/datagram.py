"""Checks by one datagram: UDP, DNS."""

import secrets
import socket

from mooring_node.checks import dns_message
from mooring_node.checks.attempt import Scope, breathe, readable
from mooring_node.checks.config import DNSProbe, Target, UDPProbe
from mooring_node.checks.connecting import datagrams
from mooring_node.checks.verdict import GOOD, Outcome, Reason

_MOST_BYTES = 65536


async def received(sock: socket.socket, refused: int = 0) -> bytes:
    """The next datagram; `refused` of them were read before in vain."""
    if refused % 8 == 7:
        await breathe()
    while True:
        try:
            return sock.recv(_MOST_BYTES)
        except BlockingIOError:
            await readable(sock.fileno())


async def dns(scope: Scope, target: Target) -> Outcome:
    """A question that is answered without error; datagrams that do not answer it are passed over."""
    probe = target.check.probe
    assert isinstance(probe, DNSProbe)
    asked = dns_message.question(secrets.randbelow(65536), probe.name, probe.type)
    sock = datagrams(scope, target)
    sock.send(asked)
    scope.stage = "waiting for the answer"
    refused = 0
    while True:
        outcome = dns_message.judged(asked, await received(sock, refused))
        if outcome is not None:
            return outcome
        refused += 1


async def udp(scope: Scope, target: Target) -> Outcome:
    """A datagram that nothing refuses; where a reply is asked for, one that is as it must be."""
    probe = target.check.probe
    assert isinstance(probe, UDPProbe)
    sock = datagrams(scope, target)
    sock.send(bytes.fromhex(probe.payload))
    scope.stage = "waiting for the reply"
    wanted = probe.require_reply or bool(probe.reply) or probe.minimum_reply_bytes > 0
    try:
        reply = await received(sock)
    except TimeoutError:
        if wanted:
            raise
        return GOOD
    return judged(probe, reply)


def judged(probe: UDPProbe, reply: bytes) -> Outcome:
    """Length and beginning of a reply."""
    if not probe.minimum_reply_bytes <= len(reply) <= probe.maximum_reply_bytes:
        allowed = f"{probe.minimum_reply_bytes} to {probe.maximum_reply_bytes}"
        return Outcome(Reason.REPLY_WRONG, f"the reply has {len(reply)} bytes, not {allowed}")
    wanted = bytes.fromhex(probe.reply)
    mask = bytes.fromhex(probe.reply_mask) or b"\xff" * len(wanted)
    differs = len(reply) < len(wanted) or any(
        (found ^ want) & bits for found, want, bits in zip(reply, wanted, mask, strict=False)
    )
    if differs:
        return Outcome(Reason.REPLY_WRONG, f"the reply begins with {reply[: min(len(wanted), 16)].hex()}")
    return GOOD
