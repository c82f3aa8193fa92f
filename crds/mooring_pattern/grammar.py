"""Reads a pattern: Python's syntax of `re` without what cannot be matched in linear time."""

import re

from mooring_pattern.tree import (
    ANY,
    BLANKS,
    DIGITS,
    EMPTY,
    NEWLINE,
    WORDS,
    Choice,
    Letters,
    Node,
    Place,
    Repeat,
    Sequence,
    letters,
    of_both_cases,
    others,
    size,
)

MOST_INSTRUCTIONS = 512
_MOST_DEPTH = 32

_COUNTS = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")
_FLAGS = re.compile(r"\(\?([aims]+)\)")
_CODE = {"x": re.compile(r"[0-9a-fA-F]{2}"), "u": re.compile(r"[0-9a-fA-F]{4}"), "U": re.compile(r"[0-9a-fA-F]{8}")}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CLASSES = {
    "d": DIGITS,
    "D": others(DIGITS),
    "s": BLANKS,
    "S": others(BLANKS),
    "w": WORDS,
    "W": others(WORDS),
}
_PLACES = {
    "A": Place.TEXT_BEGINS,
    "Z": Place.TEXT_ENDS,
    "b": Place.WORD_EDGE,
    "B": Place.NO_WORD_EDGE,
}


class PatternError(ValueError):
    """A pattern that cannot be used; the words say where and why."""


def parse(text: str) -> Node:
    """The tree of a pattern; PatternError where it has none, or would be too large."""
    tree = _Reader(text).whole()
    if size(tree) > MOST_INSTRUCTIONS:
        raise PatternError(f"{text!r} is too large with its counted repeats written out; make it simpler")
    return tree


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        flags = _FLAGS.match(text)
        self._flags = flags[1] if flags else ""
        if flags:
            self._at = flags.end()

    def whole(self) -> Node:
        tree = self._choice()
        if self._at < len(self._text):
            raise self._error("there is no group to close")
        return tree

    def _error(self, why: str) -> PatternError:
        return PatternError(f"{self._text!r}: {why} at character {self._at + 1}")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, expected: str) -> bool:
        found = self._text.startswith(expected, self._at)
        if found:
            self._at += len(expected)
        return found

    def _choice(self) -> Node:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._next() not in ("", "|", ")"):
            begin = self._at
            counts = self._counts()
            if counts is not None:
                self._at = begin
                raise self._error("nothing to repeat")
            parts.append(self._repeated(self._atom()))
        if len(parts) == 1:
            return parts[0]
        return Sequence(tuple(parts)) if parts else EMPTY

    def _repeated(self, part: Node) -> Node:
        begin = self._at
        counts = self._counts()
        if counts is None:
            return part
        if isinstance(part, Place):
            self._at = begin
            raise self._error("nothing to repeat")
        if self._take("+"):
            raise self._error("possessive repeats are not supported")
        self._take("?")  # lazy or not: it matches the same texts
        begin = self._at
        if self._counts() is not None:
            self._at = begin
            raise self._error("a repeat of a repeat; write a group")
        return Repeat(part, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        found = _COUNTS.match(self._text, self._at)
        if not found or not (found[1] or found[2]):
            return None
        least = int(found[1] or 0)
        most = (int(found[3]) if found[3] else None) if found[2] else least
        if most is not None and most < least:
            raise self._error("a repeat of more to less")
        self._at = found.end()
        return least, most

    def _atom(self) -> Node:
        letter = self._next()
        match letter:
            case "(":
                return self._group()
            case "[":
                return self._folded(self._class())
            case "\\":
                return self._escape()
        self._at += 1
        match letter:
            case ".":
                return ANY if "s" in self._flags else others(NEWLINE)
            case "^":
                return Place.LINE_BEGINS if "m" in self._flags else Place.TEXT_BEGINS
            case "$":
                return Place.LINE_ENDS if "m" in self._flags else Place.TEXT_OR_LAST_LINE_ENDS
            case _:
                return self._folded(_only(letter))

    def _folded(self, found: Letters) -> Letters:
        return of_both_cases(found) if "i" in self._flags else found

    def _group(self) -> Node:
        self._at += 1
        if not self._take("?:") and self._next() == "?":
            raise self._error("of groups that begin with (? only (?:...) is supported")
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._error("groups are nested too deeply")
        inner = self._choice()
        self._depth -= 1
        if not self._take(")"):
            raise self._error("a group is not closed")
        # A group is more than a place: a repeat of it is allowed, as Python has it.
        return Sequence((inner,)) if isinstance(inner, Place) else inner

    def _escape(self) -> Node:
        letter = self._text[self._at + 1 : self._at + 2]
        if letter in _PLACES and letter:
            self._at += 2
            return _PLACES[letter]
        found = self._letters_of_escape()
        return self._folded(found)

    def _letters_of_escape(self) -> Letters:
        letter = self._text[self._at + 1 : self._at + 2]
        if letter in _CLASSES:
            self._at += 2
            return _CLASSES[letter]
        if letter in _CONTROLS:
            self._at += 2
            return _only(_CONTROLS[letter])
        if letter in _CODE:
            return self._code(letter)
        if letter.isdecimal():
            raise self._error("back references are not supported")
        if not letter or (letter.isascii() and letter.isalpha()):
            raise self._error("an escape without a meaning")
        self._at += 2
        return _only(letter)

    def _code(self, kind: str) -> Letters:
        found = _CODE[kind].match(self._text, self._at + 2)
        if not found or int(found[0], 16) > 0x10FFFF:
            raise self._error("an escape without a meaning")
        self._at = found.end()
        return _only(chr(int(found[0], 16)))

    def _class(self) -> Letters:
        opened = self._at
        self._at += 1
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self._next() != "]":
            if not self._next():
                self._at = opened
                raise self._error("a set of characters is not closed")
            first = False
            ranges += self._member().ranges
        self._at += 1
        return self._of_class(letters(ranges), negated)

    def _of_class(self, found: Letters, negated: bool) -> Letters:
        # Both cases first, then the opposite: [^a] without case is neither a nor A.
        return others(self._folded(found)) if negated else found

    def _member(self) -> Letters:
        low = self._class_letter()
        after = self._text[self._at + 1 : self._at + 2]
        if self._next() != "-" or after in ("]", ""):
            return low
        self._at += 1
        high = self._class_letter()
        begin, end = _single(low), _single(high)
        if begin is None or end is None or end < begin:
            raise self._error("a range that has no order")
        return letters([(begin, end)])

    def _class_letter(self) -> Letters:
        if self._take("\\b"):
            return _only("\b")
        if self._next() == "\\":
            return self._letters_of_escape()
        self._at += 1
        return _only(self._text[self._at - 1])


def _only(letter: str) -> Letters:
    return letters([(ord(letter), ord(letter))])


def _single(found: Letters) -> int | None:
    (low, high), *more = found.ranges
    return low if low == high and not more else None
