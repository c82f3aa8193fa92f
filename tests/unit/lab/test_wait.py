"""Waiting ends by what happens, or with words."""

import os

import pytest

from mooring_lab.wait import wait_until


def test_the_answer_comes_back() -> None:
    answers = iter(["", "", "here"])
    assert wait_until(lambda: next(answers), 10, "an answer") == "here"


def test_what_did_not_happen_is_named() -> None:
    with pytest.raises(TimeoutError, match="pigs to fly"):
        wait_until(lambda: False, 0.02, "pigs to fly")


class Pipe:
    """A wake that is readable once for each byte."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def fileno(self) -> int:
        return self.reader

    def drain(self) -> None:
        while True:
            try:
                os.read(self.reader, 100)
            except BlockingIOError:
                return


def test_it_asks_again_when_it_is_woken_and_not_before() -> None:
    pipe, asked = Pipe(), 0

    def ask() -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            os.write(pipe.writer, b"x")
        return asked == 3

    wait_until(ask, 10, "the third time", [pipe])
    assert asked == 3
    os.close(pipe.reader)
    os.close(pipe.writer)
