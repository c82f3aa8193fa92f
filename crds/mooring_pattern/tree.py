"""A pattern as a tree."""

import enum
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

LAST = 0x10FFFF
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Letters:
    """One letter out of these ranges of code points: sorted, apart from each other, both ends included."""

    ranges: tuple[Range, ...]

    def has(self, letter: str) -> bool:
        """Whether it is one of them."""
        code = ord(letter)
        at = bisect_right(self.ranges, (code, LAST)) - 1
        return at >= 0 and code <= self.ranges[at][1]


class Place(enum.Enum):
    """What holds between two letters, as Python's `re` has it; words and blanks are ASCII's."""

    TEXT_BEGINS = enum.auto()
    LINE_BEGINS = enum.auto()
    TEXT_ENDS = enum.auto()
    TEXT_OR_LAST_LINE_ENDS = enum.auto()
    LINE_ENDS = enum.auto()
    WORD_EDGE = enum.auto()
    NO_WORD_EDGE = enum.auto()


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; None: without end."""

    part: "Node"
    least: int
    most: int | None


Node: TypeAlias = Letters | Place | Sequence | Choice | Repeat


def letters(ranges: Iterable[Range]) -> Letters:
    """From ranges in any order that may overlap."""
    joined: list[Range] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return Letters(tuple(joined))


def others(of: Letters) -> Letters:
    """All letters that are not among these."""
    found: list[Range] = []
    begin = 0
    for low, high in of.ranges:
        if begin < low:
            found.append((begin, low - 1))
        begin = high + 1
    if begin <= LAST:
        found.append((begin, LAST))
    return Letters(tuple(found))


def of_both_cases(of: Letters) -> Letters:
    """With the other case of each ASCII letter."""
    found = list(of.ranges)
    for low, high in of.ranges:
        for first, last, other in ((65, 90, 32), (97, 122, -32)):
            if low <= last and high >= first:
                found.append((max(low, first) + other, min(high, last) + other))
    return letters(found)


DIGITS = letters([(48, 57)])
WORDS = letters([(48, 57), (65, 90), (95, 95), (97, 122)])
BLANKS = letters([(9, 13), (32, 32)])
NEWLINE = letters([(10, 10)])
ANY = others(letters([]))
EMPTY = Sequence(())


def size(node: Node) -> int:
    """How many instructions it takes, at most; counted repeats are written out."""
    match node:
        case Letters() | Place():
            return 1
        case Sequence(parts):
            return sum(size(part) for part in parts)
        case Choice(parts):
            return sum(size(part) + 2 for part in parts)
        case Repeat(part, least, most):
            times = least + 1 if most is None else max(most, 1)
            return (size(part) + 2) * times
