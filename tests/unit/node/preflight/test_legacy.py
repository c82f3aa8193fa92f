"""Tables of iptables-legacy: one as a kernel gave it out, and what no kernel gives out."""

import random
import struct

import pytest

from mooring_node.preflight.legacy import INFO, listed

HEAD = {"family": "ip", "table": "iptables-legacy filter"}


def entry(verdict: int, *, protocol: int = 0, state: int = 0) -> bytes:
    """An entry of 64 bits: a header, perhaps the match `state`, a standard target."""
    match = struct.pack("=H29sBI4x", 40, b"state", 0, state) if state else b""
    head = struct.pack("=80xHBB4xHHI16x", protocol, 0, 0, 112 + len(match), 152 + len(match), 0)
    return head + match + struct.pack("=H29sBi4x", 40, b"", 0, verdict)


def error(name: bytes) -> bytes:
    return struct.pack("=80xHBB4xHHI16x", 0, 0, 0, 112, 176, 0) + struct.pack("=H29sB30s2x", 64, b"ERROR", 0, name)


def table(*entries: bytes, ends: int) -> tuple[bytes, bytes]:
    """One whose only hook is input; `ends` is where its policy is."""
    body = b"".join(entries)
    info = INFO.pack(b"filter", 1 << 1, 0, 0, 0, 0, 0, 0, ends, 0, 0, 0, len(entries), len(body))
    return info, body


DROP, ACCEPT, RETURN = -1, -2, -5


def test_a_table_is_told_in_nft_s_words() -> None:
    first = entry(DROP, protocol=112, state=8)
    jump = entry(3 * 152 + 40 + 176)
    info, body = table(first, jump, entry(ACCEPT), error(b"mine"), entry(RETURN), error(b"ERROR"), ends=192 + 152)
    chains = [each["chain"] for each in listed(4, "filter", info, body) if "chain" in each]
    rules = [each["rule"] for each in listed(4, "filter", info, body) if "rule" in each]
    base = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
    assert chains[0] == {**HEAD, "name": "INPUT", **base}
    assert chains[1] == {**HEAD, "name": "mine"}
    assert [(each["chain"], each["expr"]) for each in rules] == [
        (
            "INPUT",
            [
                {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": 112}},
                {"match": {"op": "==", "left": {"ct": {"key": "state"}}, "right": ["new"]}},
                {"drop": None},
            ],
        ),
        ("INPUT", [{"jump": {"target": "mine"}}]),
        ("mine", [{"return": None}]),
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_laid_out_otherwise_is_one_kind_of_error(family: int) -> None:
    info, body = table(entry(DROP, protocol=112, state=8), entry(ACCEPT), error(b"ERROR"), ends=192)
    dice = random.Random(1)
    for _ in range(500):
        spoiled, head = bytearray(body), bytearray(info)
        for _ in range(dice.randrange(1, 8)):
            spoiled[dice.randrange(len(spoiled))] = dice.randrange(256)
            head[dice.randrange(32, len(head))] = dice.randrange(256)
        try:
            for _ in listed(family, "filter", bytes(head), bytes(spoiled[: dice.randrange(len(spoiled))])):
                pass
        except ValueError:
            continue
