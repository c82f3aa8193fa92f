"""UDP and DNS checks against servers that are good, bad and hostile."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.checks.trying import target, tried

from mooring_node.checks import dns_message
from mooring_node.checks.config import DNSProbe, UDPProbe
from mooring_node.checks.verdict import GOOD, Outcome, Reason

Answers = Callable[[bytes], list[bytes]]


@contextlib.contextmanager
def answering(answer: Answers) -> Iterator[int]:
    """A server of datagrams; gives its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                    data, sender = sock.recvfrom(65536)
                    for each in answer(data):
                        sock.sendto(each, sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            stopped.set()
            thread.join(60)


def silence(_: bytes) -> list[bytes]:
    return []


def nobody() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        return int(gone.getsockname()[1])


def udp(probe: UDPProbe, answer: Answers, timeout_s: float = 60) -> Outcome:
    with answering(answer) as port:
        return tried(target(probe, port), timeout_s)


def test_an_icmp_error_is_a_failure() -> None:
    assert tried(target(UDPProbe(), nobody())).reason is Reason.REFUSED
    assert tried(target(DNSProbe(), nobody())).reason is Reason.REFUSED


def test_silence_is_good_where_no_reply_is_asked_for() -> None:
    assert udp(UDPProbe(), silence, timeout_s=0.2).good
    for probe in (UDPProbe(require_reply=True), UDPProbe(reply="00"), UDPProbe(minimum_reply_bytes=1)):
        outcome = udp(probe, silence, timeout_s=0.2)
        assert (outcome.reason, outcome.words) == (Reason.TIMEOUT, "timed out while waiting for the reply")


def test_the_payload_is_sent() -> None:
    sent: list[bytes] = []

    def answer(data: bytes) -> list[bytes]:
        sent.append(data)
        return [b""]

    assert udp(UDPProbe("00ff10", require_reply=True), answer).good
    assert sent == [b"\x00\xff\x10"]


@pytest.mark.parametrize(
    ("probe", "reply", "good"),
    [
        (UDPProbe(reply="0102"), b"\x01\x02\x03", True),
        (UDPProbe(reply="0102"), b"\x01\x03", False),
        (UDPProbe(reply="0102"), b"\x01", False),
        (UDPProbe(reply="0102", reply_mask="ff00"), b"\x01\x99", True),
        (UDPProbe(reply="0102", reply_mask="ff02"), b"\x01\xfd", False),
        (UDPProbe(minimum_reply_bytes=2, maximum_reply_bytes=3), b"ab", True),
        (UDPProbe(minimum_reply_bytes=2, maximum_reply_bytes=3), b"a", False),
        (UDPProbe(minimum_reply_bytes=2, maximum_reply_bytes=3), b"abcd", False),
        (UDPProbe(maximum_reply_bytes=100), bytes(65507), False),
    ],
)
def test_replies(probe: UDPProbe, reply: bytes, good: bool) -> None:
    outcome = udp(probe, lambda _: [reply])
    assert outcome.reason is (Reason.SUCCESS if good else Reason.REPLY_WRONG)


# DNS.


def answer_of(asked: bytes, *, flags: int = 0x8180, rest: bytes = b"") -> bytes:
    return asked[:2] + struct.pack("!H", flags) + asked[4:6] + b"\0" * 6 + asked[12:] + rest


def dns(answer: Answers, timeout_s: float = 60) -> Outcome:
    with answering(answer) as port:
        return tried(target(DNSProbe("www.Example.com", "AAAA"), port), timeout_s)


def test_the_question() -> None:
    asked = dns_message.question(0x1234, "www.example.com", "MX")
    assert asked.hex() == "1234" + "0100" + "0001" + "000000000000" + b"\3www\7example\3com\0".hex() + "000f0001"
    assert dns_message.question(1, ".", "SOA")[12:] == b"\0\0\6\0\1"
    assert dns_message.question(1, "a.", "A") == dns_message.question(1, "a", "A")


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["x" * 60] * 5), "..", ""])
def test_names_that_cannot_be_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="no name of DNS"):
        dns_message.question(1, name, "A")


def test_answers() -> None:
    assert dns(lambda asked: [answer_of(asked)]).good
    outcome = dns(lambda asked: [answer_of(asked, flags=0x8183)])
    assert (outcome.reason, outcome.words) == (Reason.REPLY_WRONG, "answered with the error NXDOMAIN")
    assert dns(lambda asked: [answer_of(asked, flags=0x8182)]).words.endswith("SERVFAIL")


def test_the_case_of_letters_does_not_matter() -> None:
    asked = dns_message.question(7, "www.Example.com", "A")
    assert dns_message.judged(asked, answer_of(asked[:12] + asked[12:].lower())) == GOOD


def test_what_does_not_answer_the_question_is_passed_over() -> None:
    def answers(asked: bytes) -> list[bytes]:
        wrong_id = bytes([asked[0] ^ 1]) + asked[1:]
        other = asked[:12] + b"\3xxx" + asked[16:]
        loop = asked[:12] + b"\xc0\x0c" * 20
        return [
            answer_of(wrong_id),
            asked,
            answer_of(other),
            answer_of(loop),
            b"",
            b"\0" * 11,
            asked[:12],
            answer_of(asked),
        ]

    assert dns(answers).good
    assert dns(lambda asked: answers(asked)[:-1] * 10, timeout_s=0.3).reason is Reason.TIMEOUT


def test_an_answer_with_loops_and_endless_records_behind_it_is_not_read() -> None:
    assert dns(lambda asked: [answer_of(asked, rest=b"\xc0\x0c" * 30_000)]).good


@given(st.binary(max_size=64))
def test_any_datagram_has_some_meaning(datagram: bytes) -> None:
    asked = dns_message.question(1, "a.b", "A")
    assert dns_message.judged(asked, datagram) is None
    dns_message.judged(asked, asked[:2] + datagram)
