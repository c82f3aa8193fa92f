"""The engine says what Python's `re` says, and never takes more than linear time."""

import gc
import random
import re
import tracemalloc
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring_pattern import Automaton, Memory, PatternError

MIB = 1024 * 1024
LETTERS = "abB1_ -\n\té{"
#: Up to 160 ways at once, and in a text of chance never the same twice.
MANY_WAYS = "[a-p]*[a-h][a-p]{160}!"
SETS = ("[ab]", "[^a]", "[a-z]", "[]a]", "[^]\\n]", "[-b]", "[\\w-]", "[\\D1]", "[\\b\\x61]", "[^\\s]")
ATOMS = (
    "a",
    "b",
    "B",
    "1",
    "_",
    " ",
    "é",
    "\\n",
    "\\t",
    ".",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\x61",
    "\\{",
    *SETS,
)
PLACES = ("^", "$", "\\A", "\\Z", "\\b", "\\B")
COUNTS = ("*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{,2}", "{0,2}", "{1,2}?", "{0}")


def groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.builds("({}{})".format, st.sampled_from(("", "?:")), inner)
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.builds("{}{}".format, group, st.sampled_from(COUNTS)),
        group,
    )


piece = st.one_of(
    st.sampled_from(ATOMS),
    st.builds("{}{}".format, st.sampled_from(ATOMS), st.sampled_from(COUNTS)),
    st.sampled_from(PLACES),
)
patterns = st.builds(
    "{}{}".format,
    st.sampled_from(("", "", "", "(?i)", "(?s)", "(?m)", "(?ims)")),
    st.recursive(piece, groups, max_leaves=8),
)
texts = st.text(LETTERS, max_size=10)


def letters_of(count: int) -> str:
    """A text of chance, the same each time."""
    return "".join(random.Random(count).choices("abcdefghijklmnop", k=count))


def agrees(pattern: str, text: str) -> None:
    """What we accept Python accepts, and both find the same."""
    try:
        ours = Automaton(pattern)
    except PatternError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = re.compile(pattern, re.ASCII)
    if "\\B" in pattern and not text:
        return  # Python's versions differ
    assert ours.search(text) == bool(theirs.search(text))
    assert ours.search(text) == bool(theirs.search(text)), "what was remembered differs"


@given(patterns, texts)
@example("^$", "\n")
@example("(?m)^$", "a\n")
@example("a$\\n", "a\n")
@example("(a*)*b", "aaaa")
@example("(|a)+$", "aa\n")
@example("\\bab\\b", "-ab ")
@example("a{0}", "")
@example("x|^", "a")
def test_what_python_finds_is_found(pattern: str, text: str) -> None:
    agrees(pattern, text)


@given(st.text("ab(|)[]^$*+?{},12\\dwbAZ.-:P<>i\n", max_size=12), texts)
@example("{", "{")
@example("a{,}", "aaa")
@example("[]-a]", "_")
@example("[a-]", "-")
@example("}{]", "}{]")
def test_no_text_as_a_pattern_breaks_it(pattern: str, text: str) -> None:
    agrees(pattern, text)


@pytest.mark.parametrize("atom", [*ATOMS, *PLACES])
def test_every_atom_is_accepted(atom: str) -> None:
    Automaton(atom)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "back references are not supported at character 4"),
        (r"(?P<a>x)(?P=a)", "of groups that begin with"),
        ("(?=a)", "of groups that begin with"),
        ("(?!a)", "of groups that begin with"),
        ("(?<=a)b", "of groups that begin with"),
        ("(?>a)", "of groups that begin with"),
        ("a++", "possessive"),
        ("a**", "a repeat of a repeat"),
        ("*a", "nothing to repeat at character 1"),
        ("a|+", "nothing to repeat"),
        ("^*", "nothing to repeat"),
        ("(a", "a group is not closed"),
        ("a)", "no group to close at character 2"),
        ("[a", "not closed at character 1"),
        ("[b-a]", "no order"),
        ("[a-\\d]", "no order"),
        ("a{3,2}", "more to less"),
        (r"\q", "without a meaning"),
        ("\\", "without a meaning"),
        (r"\x1", "without a meaning"),
        (r"\U00110000", "without a meaning"),
        ("a{1000}", "too large"),
        ("((((a{9}){9}){9}){9}){9}", "too large"),
        ("(a{99999999999999999999})", "too large"),
        ("(" * 40 + ")" * 40, "too deeply"),
        ("(?x)a", "of groups that begin with"),
    ],
)
def test_what_is_refused_and_why(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=re.escape(why)):
        Automaton(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*)*x", "(.*a){12}$", "(a*)*b", "^(a+)+$", "(?:a?){60}a{60}$"]
)
def test_a_pattern_that_explodes_elsewhere_takes_linear_work(pattern: str) -> None:
    def work(length: int) -> int:
        return sum(1 for _ in Automaton(pattern).searching("a" * length + "!"))

    Automaton(pattern).search("a" * 30 + "!")
    short, long = work(32 * 1024), work(256 * 1024)
    assert long <= 8 * (short + 2)
    assert long < 60, "in breaths of some milliseconds"


def test_many_states_are_forgotten_and_found_again() -> None:
    memory = Memory(MIB)
    engine = Automaton(MANY_WAYS, memory)
    text = letters_of(8_000)
    assert not engine.search(text)
    assert engine.search(text + "a" * 200 + "!")
    assert len(engine._states) < 300
    assert 0 < memory.total <= MIB // 8


def test_what_is_counted_is_what_is_remembered() -> None:
    """In bytes, within a half: few ways and many, few letters and many, with what Python keeps beside them."""
    unicode = "".join(map(chr, range(0x10000, 0x14000)))
    for pattern, text in ((MANY_WAYS, letters_of(3_000)), ("[^x]y", unicode), (r"(?:\w+ ){50}!", "ab c d_e " * 200)):
        memory = Memory(1024 * MIB)
        tracemalloc.start()
        try:
            Automaton(pattern, memory).search(text)
            gc.collect()
            remembered = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert remembered <= memory.total < 2 * remembered + 40_000


def test_what_is_forgotten_is_given_back_at_once() -> None:
    """States name each other in circles: nothing waits for the collector."""
    gc.disable()
    tracemalloc.start()
    try:
        Automaton(MANY_WAYS, Memory(MIB)).search("".join(7 * letters_of(40 + number) for number in range(20)))
        assert tracemalloc.get_traced_memory()[0] < MIB // 4
    finally:
        tracemalloc.stop()
        gc.enable()


def test_who_was_begun_with_longest_ago_forgets_first() -> None:
    memory = Memory(MIB)
    engines = [Automaton(MANY_WAYS, memory) for _ in range(20)]
    for engine in engines:
        engine.search(letters_of(80))
        engines[0].search("a")
    assert len(engines[0]._states) > 70, "it was always used last"
    remembering = [number for number, engine in enumerate(engines) if engine._states]
    assert remembering == [0, *range(20 - len(remembering) + 1, 20)]
    assert 3 < len(remembering) < 20
    assert memory.total <= MIB


def test_whoever_forgets_meanwhile_finds_what_there_is() -> None:
    """Each breath of one search makes the other forget."""
    memory = Memory(MIB // 8)
    text = letters_of(3_000)
    searches = [
        Automaton(pattern, memory).searching(text + end)
        for end in ("", "a" * 70 + "!")
        for pattern in ("[a-p]*[a-h][a-p]{60}!", "(?:[a-p]|b)*[a-c].{50}[!?]", "q|[a-p]{70}!$")
    ]
    found: dict[int, bool] = {}
    while len(found) < len(searches):
        for number, search in enumerate(searches):
            try:
                next(search)
            except StopIteration as end:
                found.setdefault(number, end.value)
    assert found == {0: False, 1: False, 2: False, 3: True, 4: True, 5: True}
    assert memory.total <= MIB // 8


def test_every_letter_of_unicode_is_met_in_bounded_memory() -> None:
    memory = Memory(MIB)
    engine = Automaton("[^x]y", memory)
    assert not engine.search("".join(map(chr, range(0x10000, 0x14000))))
    assert memory.total <= MIB // 8


def test_breath_is_taken_while_much_is_searched() -> None:
    assert sum(1 for _ in Automaton("a.c").searching("a" * 262_144)) >= 10
    assert sum(1 for _ in Automaton("abc").searching("a" * 262_144)) == 0, "without special characters it is quick"


def test_two_who_search_with_one_engine_do_not_disturb_each_other() -> None:
    engine = Automaton("(a|b)*a(a|b){9}c")
    body = "".join("ab"[(n * n // 7 + n // 3) % 2] for n in range(60_000))
    searches = [engine.searching(body + "a" + "b" * 9 + "c"), engine.searching("x" + body)]
    found: dict[int, bool] = {}
    while len(found) < 2:
        for number, search in enumerate(searches):
            try:
                next(search)
            except StopIteration as end:
                found.setdefault(number, end.value)
    assert found == {0: True, 1: False}
