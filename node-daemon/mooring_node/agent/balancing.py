"""The agent's side of the checks process: what it is told, and what it has said. The time is an argument."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mooring_api.problems import BALANCING, Problem
from mooring_node.agent.balance_problems import IPVS, ProblemLog, merged
from mooring_node.agent.server_report import Told, bounded, is_well, worst_first
from mooring_node.balance.config import BalanceConfig
from mooring_node.channel import Channel
from mooring_node.log import Log, of_server
from mooring_node.units import SECOND_NS

#: What was not taken up is told again.
AGAIN_NS = 5 * SECOND_NS
#: So long it is waited for. A process that died is back within this; one that is not must not hold up the others.
PATIENCE_NS = 3 * SECOND_NS

#: Of the status: etcd takes 1.5 MiB of an object, and an operator reads the statuses of a thousand nodes.
STATUS_BYTES = 192 * 1024
ABOUT_BYTES = 48 * 1024
MOST_TOLD = 64
SILENT = "the checks process does not answer; see the daemon's log"

Message: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks process said last: wire values of the status, and problems by server and path."""

    servers: tuple[Message, ...] = ()
    problems: tuple[Message, ...] = ()
    kube_proxy: Message | None = None


class Balancing:
    """`changed` is told when the status would be other than before, with whether something is newly confirmed."""

    def __init__(self, checks: Channel, log: Log, changed: Callable[[bool], None]) -> None:
        self.report = Report()
        self._checks = checks
        self._log = log
        self._changed = changed
        self._config = BalanceConfig(generation=0)
        self._taken_up: int | None = None
        self._asked_at_ns = 0
        """When the configuration was told that is not taken up yet."""
        self._told_at_ns = 0
        self._silent = False
        self._parts: dict[int, Message] = {}
        self._bounded: tuple[Report, Told] | None = None
        self._problem_log = ProblemLog(log)

    @property
    def wanted(self) -> bool:
        """Whether there is anything to run."""
        return not self._config.empty

    @property
    def silent(self) -> bool:
        """Whether there is something to run, and the process did not say in time that it does."""
        return self._silent and self.wanted

    @property
    def settled(self) -> bool:
        """Whether nothing is to be waited for: it runs what it should, has nothing to run, or does not answer."""
        return not self.wanted or self._taken_up == self._config.generation or self._silent

    # What is told of it.

    def told(self) -> Told:
        """Its servers for the status."""
        if self._bounded is None or self._bounded[0] is not self.report:
            self._bounded = (self.report, bounded(self.report.servers, STATUS_BYTES))
        return self._bounded[1]

    def problems(self) -> tuple[Problem, ...]:
        """What keeps something of the configuration from running, and what somebody should know of it."""
        said = [_problem(each) for each in self.report.problems]
        if self.silent:
            said.append(Problem("", BALANCING[0], SILENT))
        return tuple(said)

    def about(self) -> dict[str, Any]:
        """For `mooring-node status`: the worst first, and no more than a message holds."""
        told = bounded(worst_first(self.report.servers), ABOUT_BYTES)
        problems = self._lines()
        return {
            "wanted": self.wanted,
            "generation": self._config.generation,
            "runs": self._taken_up,
            "servers": len(self.report.servers),
            "well": sum(is_well(each) and not self._unserved(each["name"]) for each in self.report.servers),
            "listed": list(told.reports),
            "problems": problems[:MOST_TOLD],
            "moreProblems": max(0, len(problems) - MOST_TOLD),
            "kubeProxy": self.report.kube_proxy,
        }

    def _unserved(self, server: str) -> bool:
        """Whether the kernel has not all of it, however its backends are."""
        return any(
            each.get("module") == IPVS or (each.get("server") == server and not each.get("path"))
            for each in self.report.problems
        )

    def _lines(self) -> list[str]:
        lines = list(merged(self.report.problems).values())
        return [*lines, SILENT] if self.silent else lines

    # What it is told.

    def configure(self, config: BalanceConfig, now: int) -> None:
        """This is on disk now (or nothing is, where it is empty)."""
        if config != self._config:
            self._config, self._asked_at_ns = config, now
        if config.empty:
            self._taken_up, self._silent, self.report = None, False, Report()
        if self._taken_up != config.generation or config.empty:
            self._told_at_ns = now
            self._checks.send({"do": "configure"})

    def turn(self, now: int) -> None:
        """To be called now and then."""
        self._problem_log.turn(self.report.problems, now)
        if not self.wanted or self._taken_up == self._config.generation:
            return
        if now - self._told_at_ns >= AGAIN_NS:
            self._told_at_ns = now
            self._checks.send({"do": "configure"})
        if not self._silent and now - self._asked_at_ns >= PATIENCE_NS:
            self._silent = True
            self._log.write("error", "the checks process does not answer; what is balanced is as it was left")
            self._changed(True)

    # What it says.

    def hear(self, message: Message) -> None:
        """One of its messages; answers to questions are somebody else's."""
        if "log" in message:
            log = message["log"]
            about = of_server(log["server"]) if log["server"] else None
            self._log.write(log["level"], log["message"], about)
        elif "configured" in message:
            self._configured(message["configured"])
        elif "report" in message:
            self._reported(message["report"])
        elif "happened" in message:
            self._happened(message["happened"])

    def _configured(self, generation: int) -> None:
        before, self._taken_up = self._taken_up, generation
        news = generation == self._config.generation and (before != generation or self._silent)
        if news:
            self._silent = False
            self._changed(True)

    def _reported(self, report: Message) -> None:
        """A report comes in parts, in their order; one that lacks a part is forgotten with the next."""
        number, count = report["part"], report["of"]
        if number in self._parts:
            self._parts = {}
        self._parts[number] = report
        if len(self._parts) < count:
            return
        parts, self._parts = [self._parts[place] for place in sorted(self._parts)], {}
        kube_proxy = [each["kubeProxy"] for each in parts if each.get("kubeProxy")]
        found = Report(
            servers=tuple(server for each in parts for server in each.get("servers", ())),
            problems=tuple(problem for each in parts for problem in each.get("problems", ())),
            kube_proxy=kube_proxy[0] if kube_proxy else None,
        )
        if found != self.report and self.wanted:
            self.report = found
            self._changed(False)

    def _happened(self, told: Message) -> None:
        event, reason = told["event"], told.get("reason") or ""
        backend = _endpoint(told["address"], told["port"]) if told.get("address") else ""
        family = f"IPv{told['family']}" if told.get("family") else ""
        level = "warning" if event.endswith("Down") else "info"
        line = f"{event}{' ' if backend else ''}{backend}{': ' if reason else ''}{reason}"
        self._log.write(level, line, of_server(told["server"], family, backend))


def _problem(told: Message) -> Problem:
    """With the path of a server, or of all: what is said of balancing alone must not seem to be of the addresses."""
    server = told.get("server", "")
    path = told.get("path") or (f"{BALANCING[0]}[]" if server else BALANCING[0])
    return Problem("", path, told["message"], instance=server, module=told.get("module", ""))


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
