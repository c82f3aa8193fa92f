"""What keeps something from being balanced, in lines for a person: equal ones once, and in the log when they begin and
end. The time is an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from mooring_node.log import Log, Subject, of_configuration, of_server
from mooring_node.units import SECOND_NS

#: A problem that comes and goes is told of so rarely.
QUIET_NS = 60 * SECOND_NS
#: Lines in one turn; the others are counted.
MOST_LINES = 16
MOST_NAMED = 3
LONGEST_LINE = 400
IPVS = "ip_vs"

Message: TypeAlias = Mapping[str, Any]
Cause: TypeAlias = tuple[str, str]
"""Path and message: what many servers may have in common."""


def merged(problems: Iterable[Message]) -> dict[Cause, str]:
    """One line for each cause, with the servers that it concerns."""
    found = list(problems)
    whole = {_cause(each): _words(each) for each in found}
    return {cause: _line(names, whole[cause])[:LONGEST_LINE] for cause, names in _servers(found).items()}


def _cause(problem: Message) -> Cause:
    return str(problem.get("path", "")), str(problem["message"])


def _servers(problems: Iterable[Message]) -> dict[Cause, list[str]]:
    """The servers that each cause concerns, each once; empty: it concerns none alone."""
    servers: dict[Cause, dict[str, None]] = {}
    for each in problems:
        servers.setdefault(_cause(each), {})[str(each.get("server", ""))] = None
    return {cause: list(names) for cause, names in servers.items()}


def _words(problem: Message) -> str:
    message = str(problem["message"])
    without_ipvs = problem.get("module") == IPVS and not problem.get("server") and not problem.get("path")
    return f"nothing is balanced: {message}; checks go on" if without_ipvs else message


def _line(servers: list[str], words: str) -> str:
    named = [name for name in servers if name]
    if len(named) < len(servers) or not named:
        return words
    if len(named) == 1:
        return f"{named[0]}: {words}"
    more = ", ..." if len(named) > MOST_NAMED else ""
    return f"{len(named)} virtual servers ({', '.join(named[:MOST_NAMED])}{more}): {words}"


class ProblemLog:
    """An error when a problem begins, a line when it ends."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._standing: dict[Cause, str] = {}
        """Told of, and not over."""
        self._told_ns: dict[Cause, int] = {}
        self._subjects: dict[Cause, Subject] = {}

    def turn(self, problems: Iterable[Message], now_ns: int) -> None:
        """These are the problems now."""
        found = list(problems)
        lines = merged(found)
        self._subjects |= {cause: self._about(names) for cause, names in _servers(found).items()}
        over = {cause: self._standing.pop(cause) for cause in self._standing.keys() - lines.keys()}
        self._told_ns = {
            cause: at for cause, at in self._told_ns.items() if cause in self._standing or now_ns - at < QUIET_NS
        }
        new = {
            cause: line for cause, line in lines.items() if cause not in self._standing and cause not in self._told_ns
        }
        self._standing |= new
        self._told_ns |= dict.fromkeys(new, now_ns)
        self._write("error", new)
        self._write("info", {cause: f"no longer: {line}" for cause, line in sorted(over.items())})
        self._subjects = {cause: about for cause, about in self._subjects.items() if cause in self._standing}

    def _write(self, level: str, lines: Mapping[Cause, str]) -> None:
        for cause, line in list(lines.items())[:MOST_LINES]:
            self._log.write(level, line, self._subjects[cause])
        if len(lines) > MOST_LINES:
            self._log.write(level, f"and {len(lines) - MOST_LINES} more of what is balanced", self._about([]))

    def _about(self, servers: list[str]) -> Subject:
        """One virtual server, or what configures all of them."""
        named = [name for name in servers if name]
        return replace(of_server(named[0]), text="") if len(named) == 1 else of_configuration(self._log.configuration)
