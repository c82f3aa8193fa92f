"""Messages between the processes: at once or not at all."""

import socket
from collections.abc import Iterator

import pytest

from mooring_node.channel import MESSAGE_BYTES, Channel


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    one, other = Channel.pair()
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    told = [{"number": number, "text": "ä" * number} for number in range(50)]
    assert all(one.send(each) for each in told)
    assert list(other.receive()) == told
    assert list(other.receive()) == []


def test_a_reader_that_does_not_read_never_blocks_the_writer(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    sent = 0
    while one.send({"number": sent}):
        sent += 1
        assert sent < 100_000
    read = []
    while batch := list(other.receive()):
        read += batch
    assert [each["number"] for each in read] == list(range(sent))
    assert one.send({"number": sent})


def test_the_biggest_message_fits_and_a_bigger_one_is_dropped(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    room = MESSAGE_BYTES - len('{"text":""}')
    assert one.send({"text": "x" * room})
    assert next(other.receive()) == {"text": "x" * room}
    # Dropped for good: whoever keeps what could not be sent must not keep this, and block what is behind it.
    assert one.send({"text": "x" * (room + 1)})
    assert one.dropped == 1
    assert list(other.receive()) == []


def test_a_closed_end_is_no_error() -> None:
    one, other = Channel.pair()
    other.close()
    assert one.send({"a": 1})
    assert one.dropped == 1
    assert list(one.receive()) == []
    one.close()


def test_the_end_of_the_other_side_is_known_when_it_is_come_to(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    theirs.send({"number": 1})
    theirs.close()
    assert not ours.ended
    assert list(ours.receive()) == [{"number": 1}]
    assert ours.ended


def test_the_end_of_a_side_that_left_something_unread_is_known(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    ours.send({"number": 1})
    theirs.close()
    assert list(ours.receive()) == []
    assert ours.ended


def test_what_is_no_object_is_not_told(pair: tuple[Channel, Channel]) -> None:
    one, other = pair
    raw = socket.socket(fileno=one.fileno())
    raw.send(b"[1]")
    raw.send(b'{"a":1}')
    assert list(other.receive()) == [{"a": 1}]
    raw.detach()
