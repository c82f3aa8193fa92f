"""Problems of what is balanced: one line for each cause, told when it begins and when it ends."""

from typing import Any

import pytest

from mooring_node.agent.balance_problems import MOST_LINES, QUIET_NS, ProblemLog, merged
from mooring_node.log import Log, Subject

NOW = 100 * QUIET_NS
IPVS = {"server": "", "path": "", "message": "the kernel lacks the module ip_vs", "module": "ip_vs"}
LINE = "nothing is balanced: the kernel lacks the module ip_vs; checks go on"


class Lines(Log):
    def __init__(self) -> None:
        super().__init__(as_json=False, node="lb-1")
        self.lines: list[tuple[str, str]] = []
        self.abouts: list[tuple[str, str]] = []

    def write(self, level: str, message: str, about: Subject | None = None) -> None:
        assert about is not None
        assert not about.text, "the line names it already"
        self.lines.append((level, message))
        self.abouts.append((about.kind, about.name))


@pytest.fixture
def lines() -> Lines:
    return Lines()


def of(server: str, message: str = "it is 0") -> dict[str, Any]:
    return {"server": server, "path": "spec.virtualServers", "message": message, "module": ""}


def test_equal_problems_of_many_servers_are_one_line_with_some_names() -> None:
    found = merged([*(of(f"s{number}") for number in range(5)), of("s1", "another"), of("s1"), IPVS])
    assert list(found.values()) == ["5 virtual servers (s0, s1, s2, ...): it is 0", "s1: another", LINE]


def test_it_is_told_once_when_it_begins_and_once_when_it_ends(lines: Lines) -> None:
    log = ProblemLog(lines)
    for _ in range(3):
        log.turn([IPVS], NOW)
    log.turn([], NOW + 1)
    log.turn([], NOW + 2)
    assert lines.lines == [("error", LINE), ("info", f"no longer: {LINE}")]


def test_one_that_comes_and_goes_is_told_rarely_but_not_forgotten(lines: Lines) -> None:
    log = ProblemLog(lines)
    for turn in range(100):
        log.turn([IPVS] if turn % 2 else [], NOW + turn)
    assert len(lines.lines) == 2
    log.turn([IPVS], NOW + QUIET_NS + 1)
    assert lines.lines[2:] == [("error", LINE)]


def test_another_server_of_the_same_cause_is_no_news_and_many_causes_are_counted(lines: Lines) -> None:
    log = ProblemLog(lines)
    log.turn([of("a")], NOW)
    log.turn([of("a"), of("b")], NOW)
    assert lines.lines == [("error", "a: it is 0")]
    log.turn([of("a", f"cause {number}") for number in range(MOST_LINES + 4)], NOW)
    assert ("error", "and 4 more of what is balanced") in lines.lines


def test_a_line_is_about_the_one_server_that_it_concerns(lines: Lines) -> None:
    log = ProblemLog(lines)
    log.turn([of("shop/web:https"), of("a", "of two"), of("b", "of two"), IPVS], NOW)
    log.turn([], NOW + 1)
    one, all_of_them = ("VirtualServer", "shop/web"), ("NodeConfig", "lb-1")
    assert sorted(lines.abouts) == sorted([one, all_of_them, all_of_them] * 2)
