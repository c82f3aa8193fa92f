"""Matches a pattern: all ways at once (Thompson), each set of ways met once and then remembered (a lazy automaton).

A step over a letter that was met before in the same state is one dictionary look-up. A new one costs at most one
visit of each instruction, so a text takes time linear in its length whatever pattern and text are, and memory is
bounded by forgetting: what is remembered is counted in bytes, since a state has up to hundreds of ways.
"""

from array import array
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mooring_pattern.grammar import parse
from mooring_pattern.memory import Memory
from mooring_pattern.tree import NEWLINE, WORDS, Choice, Letters, Node, Place, Repeat, Sequence

#: So many look-ups, or instructions visited, between two breaths of `searching`: one or two milliseconds.
_BREATH = 20_000
_SLICE = 64
#: What is remembered takes at most so many bytes, beside those of a state's ways; a test measures it.
_INSTRUCTION_BYTES, _STATE_BYTES, _STEP_BYTES, _LETTER_BYTES = 256, 520, 64, 72
#: Of the letters before this one Python has one object each.
_FIRST_OWN_LETTER = "\u0100"

#: What comes next, beside a letter: the end, or a newline that is the last letter.
_END, _LAST_NEWLINE = "", "\n$"


@dataclass(frozen=True, slots=True)
class _Split:
    ways: tuple[int, ...]


#: None: it matches.
_Instruction: TypeAlias = Letters | Place | _Split | None


class _State(dict[str, "_State"]):
    """A set of ways, and where each letter leads. `before` is the letter before, as far as it matters.

    The ways are numbers in ascending order, of two bytes each: a set of hundreds is 20 times as large.
    """

    __slots__ = ("automaton", "before", "ways")

    def __init__(self, automaton: "Automaton", ways: bytes, before: str) -> None:
        self.automaton = automaton
        self.ways = ways
        self.before = before

    def __missing__(self, coming: str) -> "_State":
        return self.automaton.step(self, coming)


class _Found(_State):
    """Whatever comes, it was found."""

    __slots__ = ()

    def __missing__(self, coming: str) -> "_State":
        return self


class Automaton:
    """One pattern, ready to search. PatternError where the text is no pattern.

    What it remembers is part of `memory`, which is its own where none is given.
    """

    def __init__(self, pattern: str, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()
        tree = parse(pattern)
        self._literal = _literal(tree)
        self._program: list[_Instruction] = [None]
        self._start = self._add(tree, 0)
        self._places = any(isinstance(instruction, Place) for instruction in self._program)
        self._states: dict[tuple[bytes, str], _State] = {}
        self._found = _Found(self, b"", "")
        self._missed = _State(self, b"", "")
        self._work = 0

    def search(self, text: str) -> bool:
        """Whether it occurs in the text."""
        searching = self.searching(text)
        while True:
            try:
                next(searching)
            except StopIteration as end:
                return bool(end.value)

    def searching(self, text: str) -> Generator[None, None, bool]:
        """The same in pieces of a millisecond or two, for one who has other things to do meanwhile."""
        if self._literal is not None:
            return self._literal in text
        self._memory.begin(self)
        whole, text = text, text.removesuffix("\n")
        state = self._begin()
        self._work = 0
        for begin in range(0, len(text), _SLICE):
            for letter in text[begin : begin + _SLICE]:
                state = state[letter]
            if state is self._found:
                return True
            self._work += _SLICE
            if self._work > _BREATH:
                self._work = 0
                yield
        if len(whole) > len(text):
            state = state[_LAST_NEWLINE]
        return state[_END] is self._found

    def step(self, state: _State, coming: str) -> _State:
        """Where a letter leads that was not met in this state before."""
        ways = self._closure(state, coming)
        self._work += 2 * len(self._program)
        if 0 in ways:
            following: _State = self._found
        elif coming == _END:
            following = self._missed
        else:
            following = self._after(ways, coming[0])
        state[coming] = following
        self._memory.charge(self, _STEP_BYTES if coming < _FIRST_OWN_LETTER else _STEP_BYTES + _LETTER_BYTES)
        return following

    def forget(self) -> None:
        """As if nothing had been searched. A search that is under way goes on where it is."""
        for each in self._states.values():
            each.clear()
        self._states.clear()
        self._memory.release(self)

    # How a step is made.

    def _begin(self) -> _State:
        return self._state(b"", "")

    def _after(self, ways: Iterable[int], letter: str) -> _State:
        moved = set()
        for way in ways:
            instruction = self._program[way]
            if isinstance(instruction, Letters) and instruction.has(letter):
                moved.add(way - 1)  # an instruction stands right after the one that follows it
        before = "" if not self._places else "w" if WORDS.has(letter) else "\n" if NEWLINE.has(letter) else "-"
        return self._state(array("H", sorted(moved)).tobytes(), before)

    def _state(self, ways: bytes, before: str) -> _State:
        found = self._states.get((ways, before))
        if found is None:
            # Who remembers is held until it forgets, with its program.
            own = 0 if self._states else _INSTRUCTION_BYTES * len(self._program)
            found = self._states[ways, before] = _State(self, ways, before)
            self._memory.charge(self, own + _STATE_BYTES + len(ways))
        return found

    def _closure(self, state: _State, coming: str) -> set[int]:
        """All instructions that are reached without a letter; the pattern may begin anywhere."""
        reached: set[int] = set()
        open_ways = [self._start, *array("H", state.ways)]
        while open_ways:
            way = open_ways.pop()
            if way in reached:
                continue
            reached.add(way)
            instruction = self._program[way]
            if isinstance(instruction, _Split):
                open_ways += instruction.ways
            elif isinstance(instruction, Place) and _holds(instruction, state.before, coming):
                open_ways.append(way - 1)
        return reached

    # The program: each instruction is added after what follows it, so that it can name it.

    def _add(self, node: Node, following: int) -> int:
        """Add what matches `node` and goes on with instruction `following`; where it begins."""
        match node:
            case Letters() | Place():
                if following != len(self._program) - 1:
                    self._program.append(_Split((following,)))
                self._program.append(node)
                return len(self._program) - 1
            case Sequence(parts):
                for part in reversed(parts):
                    following = self._add(part, following)
                return following
            case Choice(parts):
                return self._split(tuple(self._add(part, following) for part in parts))
            case Repeat(part, least, most):
                return self._repeat(part, least, most, following)

    def _split(self, ways: tuple[int, ...]) -> int:
        self._program.append(_Split(ways))
        return len(self._program) - 1

    def _repeat(self, part: Node, least: int, most: int | None, following: int) -> int:
        if most is None:
            again = self._split(())
            begin = self._add(part, again)
            self._program[again] = _Split((begin, following))
            following = again
        else:
            for _ in range(most - least):
                following = self._split((self._add(part, following), following))
        for _ in range(least):
            following = self._add(part, following)
        return following


def _holds(place: Place, before: str, coming: str) -> bool:
    """`before`: "" where the text begins, w for a letter of a word, a newline, - for any other."""
    match place:
        case Place.TEXT_BEGINS:
            return before == ""
        case Place.LINE_BEGINS:
            return before in ("", "\n")
        case Place.TEXT_ENDS:
            return coming == _END
        case Place.TEXT_OR_LAST_LINE_ENDS:
            return coming in (_END, _LAST_NEWLINE)
        case Place.LINE_ENDS:
            return coming[:1] in ("", "\n")
    edge = (before == "w") != (coming != _END and WORDS.has(coming[0]))
    return edge if place is Place.WORD_EDGE else not edge


def _literal(tree: Node) -> str | None:
    """The text that a pattern without any special character stands for."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    text = ""
    for part in parts:
        if not isinstance(part, Letters) or len(part.ranges) != 1 or part.ranges[0][0] != part.ranges[0][1]:
            return None
        text += chr(part.ranges[0][0])
    return text
