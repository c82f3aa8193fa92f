"""The measurement's bytes, judged by scapy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6
from scapy.layers.l2 import ARP, Ether

from mooring_lab.echo import OBSERVER_MAC, ArpReply, Reply, Requests, arp_question, read

MAC = "02:00:00:00:00:01"


def ip_checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


@given(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 200))
def test_every_sequence_number_has_the_same_valid_checksum(sequence: int, identifier: int, index: int) -> None:
    packet = Requests("10.0.0.100", index, identifier).request(sequence)
    assert ip_checksum(packet) == 0
    read_back = ICMP(packet)
    assert (read_back.type, read_back.id, read_back.seq) == (8, identifier, index)


def answer(request: bytes) -> bytes:
    reply = Ether(src=MAC, dst="02:00:00:00:02:01") / IP(src="10.0.0.100", dst="10.0.0.200")
    return bytes(reply / ICMP(type=0, id=7, seq=3) / request[8:])


def test_an_answer_is_recognised() -> None:
    frame = answer(Requests("10.0.0.100", 3, 7).request(70_000))
    assert read(frame, len(frame), 7) == Reply(3, 70_000, bytes.fromhex(MAC.replace(":", "")))


def test_an_answer_over_ipv6_is_recognised() -> None:
    request = Requests("fd00:10::100", 3, 7).request(9)
    frame = bytes(
        Ether(src=MAC, type=0x86DD)
        / IPv6(src="fd00:10::100", dst="fd00:10::200")
        / ICMPv6EchoReply(id=7, seq=3, data=request[8:])
    )
    assert read(frame, len(frame), 7) == Reply(3, 9, bytes.fromhex(MAC.replace(":", "")))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: (frame, 8),
        lambda frame: (frame[:41], 7),
        lambda frame: (frame[:34] + b"\x08" + frame[35:], 7),
        lambda frame: (frame[:-1] + bytes([frame[-1] ^ 1]), 7),
    ],
    ids=["another's identifier", "too short", "a request", "damaged"],
)
def test_what_is_not_ours_is_passed_over(change: object) -> None:
    assert callable(change)
    frame, identifier = change(answer(Requests("10.0.0.100", 3, 7).request(1)))
    assert read(frame, len(frame), identifier) is None


@given(st.binary(max_size=256))
def test_no_frame_upsets_the_reader(frame: bytes) -> None:
    read(frame, len(frame), 7)


def test_the_question_claims_nothing() -> None:
    question = Ether(arp_question("10.0.0.100", 7))
    assert question.dst == "ff:ff:ff:ff:ff:ff"
    assert (question[ARP].op, question[ARP].psrc, question[ARP].pdst) == (1, "0.0.0.0", "10.0.0.100")


def test_a_claim_is_recognised_and_others_questions_are_not() -> None:
    observer = Ether(arp_question("10.0.0.100", 7)).src
    assert bytes.fromhex(observer.replace(":", "")).startswith(OBSERVER_MAC)
    reply = ARP(op=2, hwsrc=MAC, psrc="10.0.0.100", hwdst=observer, pdst="0.0.0.0")
    frame = bytes(Ether(src=MAC, dst=observer) / reply)
    assert read(frame, len(frame), 7) == ArpReply(bytes([10, 0, 0, 100]), bytes.fromhex(MAC.replace(":", "")), 7)
    reply.hwdst = "02:00:00:00:02:01"
    frame = bytes(Ether(src=MAC) / reply)
    assert read(frame, len(frame), 7) is None
