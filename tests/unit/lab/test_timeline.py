"""A measurement as a line of characters."""

from array import array

from mooring_lab.probe import UNANSWERED, Recording
from mooring_lab.timeline import rows

A, B, STRANGER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:09"


def line(answers: list[int], times: list[int], width: int) -> str:
    recording = Recording(("10.0.0.100",), [A, B, STRANGER], array("q", times), [bytearray(answers)])
    (row,) = rows(recording, [A, B], width)
    return row.cells


def test_each_cell_says_who_answered() -> None:
    assert line([0, 0, UNANSWERED, 1, 2], [0, 1, 2, 3, 4], 5) == "11.2?"


def test_one_lost_packet_shows_in_its_cell() -> None:
    assert line([0, 0, UNANSWERED, 0, 0, 0, 0, 0], list(range(8)), 2) == ".1"


def test_a_time_in_which_nothing_was_sent_is_empty() -> None:
    assert line([0, 0], [0, 9], 10) == "1        1"


def test_nothing_at_all_is_empty() -> None:
    assert line([], [], 4) == "    "
