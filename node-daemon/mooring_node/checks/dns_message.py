"""A question of DNS and what answers it (RFC 1035). Pure."""

import struct

from mooring_node.checks.verdict import GOOD, Outcome, Reason

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "ANY": 255}

_HEADER = struct.Struct("!6H")
_IN = 1
_RECURSION_DESIRED, _IS_RESPONSE, _OPCODE = 0x0100, 0x8000, 0x7800
_RCODE = 0x000F
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def question(identifier: int, name: str, kind: str) -> bytes:
    """A query for one record, in class IN; ValueError for a name that cannot be asked for."""
    header = _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + _encoded(name) + struct.pack("!2H", TYPES[kind], _IN)


def judged(asked: bytes, datagram: bytes) -> Outcome | None:
    """What a datagram says; None where it does not answer this question.

    The question comes back as it was asked, but for the case of its letters; it is never compressed, because
    nothing stands before it. What follows is not read.
    """
    if len(datagram) < len(asked):
        return None
    identifier, flags, questions, *_ = _HEADER.unpack_from(datagram)
    if identifier != _HEADER.unpack_from(asked)[0] or not flags & _IS_RESPONSE or flags & _OPCODE:
        return None
    if questions != 1 or datagram[_HEADER.size : len(asked)].lower() != asked[_HEADER.size :].lower():
        return None
    code = flags & _RCODE
    if code:
        return Outcome(Reason.REPLY_WRONG, f"answered with the error {_RCODES.get(code, code)}")
    return GOOD


def _encoded(name: str) -> bytes:
    encoded = b""
    for label in name.removesuffix(".").split(".") if name != "." else ():
        raw = label.encode("ascii")
        if not 1 <= len(raw) <= 63:
            raise ValueError(f"{name!r} is no name of DNS: a label has 1 to 63 letters")
        encoded += bytes([len(raw)]) + raw
    if len(encoded) > 254:
        raise ValueError(f"{name!r} is no name of DNS: it is too long")
    return encoded + b"\0"
