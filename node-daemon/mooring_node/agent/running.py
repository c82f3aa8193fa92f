"""What runs: has a configuration accepted and run, and knows which one the other processes have really taken up.

A generation is observed when the VRRP process runs it with nothing of earlier ones left, and the checks process,
where it has something to run, has taken it up. The checks process is waited for PATIENCE_NS at most: changes of
what an election depends on go round in generations, and must not stop where one node's checks are broken. What it
did not take up then is a problem in the status."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from mooring_api.problems import Problem, Severity
from mooring_node.agent import settings
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.claims import ClaimWatch
from mooring_node.agent.configuration import (
    Origin,
    Outcome,
    Resolve,
    accept,
    as_they_are,
    last_balance,
    last_good,
    noted_origin,
    places_of,
)
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.judge.facts import NodeFacts, facts_of
from mooring_node.judge.messages import NOTHING_BALANCED, Judgement, Question
from mooring_node.kernel.process import now_ns
from mooring_node.kernel.rtnetlink import AddressGone, Change, Rtnetlink
from mooring_node.ledger import Ledger
from mooring_node.log import Log, Subject, of_configuration
from mooring_node.vrrp.config import NodeRuntime

#: After a change the ledger keeps what was configured before for so long, and while any of it is still handed over.
NARROW_AFTER_S = 120.0
#: What could not be done is tried again: an interface that was not there, a full disk, a VRRP process that did not
#: run what it was told to.
RETRY_NS = 5_000_000_000
#: What cannot be judged is tried less and less often.
LONGEST_RETRY_NS = 300_000_000_000
MOST_LOGGED = 50


class Running:
    """The accepted configuration and the node's settings that it needs."""

    def __init__(
        self,
        state: StateFolder,
        vrrp: Channel,
        balancing: Balancing,
        rtnetlink: Rtnetlink,
        log: Log,
        say: Callable[[Problem], str] = str,
        *,
        checks_only: bool = False,
    ) -> None:
        """`say` makes a problem a line of the log. `checks_only`: there is no VRRP process, so no instance runs."""
        self.ledger = Ledger(state.ledger)
        self.claims = ClaimWatch(rtnetlink)
        self.outcome = Outcome(None, (), changed=False)
        self.accepted_at_ns = now_ns()
        self.places: Mapping[tuple[str, str], int] = {}
        """Where each entry stood in what was read last."""
        self.read_at_ns = 0
        self._failure: tuple[Problem, ...] = ()
        """Why the last judgement failed; empty: it did not."""
        self._failures = 0
        self._state = state
        self._vrrp = vrrp
        self._balancing = balancing
        self._checks_only = checks_only
        self._leaving = 0
        self._rtnetlink = rtnetlink
        self._log = log
        self._say = say
        self.unsaved = False
        """The state folder could not be written: what was read last does not run."""
        self._told_at_ns = 0
        self._taken_up = 0
        self.observed: Origin | None = None
        """Which object of the API the processes run, by their own word; None: none, or it is not known."""
        self._observed_number = 0
        self._narrow: asyncio.TimerHandle | None = None

    @property
    def runtime(self) -> NodeRuntime | None:
        """What is to run; None when nothing was ever good."""
        return self.outcome.runtime

    @property
    def settled(self) -> bool:
        """Whether the processes have taken up what is to run, though it may still be handed over what it lacks."""
        return self.runtime is None or (self._spoken and self._balancing.settled)

    @property
    def waits(self) -> str:
        """What keeps the processes from running what is to run, in words; empty: nothing."""
        if self.runtime is None:
            return "no configuration was read yet, and there is no last good one"
        if not self._spoken:
            return f"the VRRP process has not taken up configuration {self.runtime.generation}"
        if not self._balancing.settled or self._balancing.silent:
            return "the checks process has not taken up what is balanced"
        return ""

    @property
    def _spoken(self) -> bool:
        """Whether the VRRP process runs what it is to run; where there is none, it does."""
        runtime = self.runtime
        return runtime is None or self._checks_only or self._taken_up == runtime.generation

    # What is to run.

    def question(self, text: str, source: Literal["file", "api"], where: str) -> Question:
        """How a NodeConfig is to be judged for this node as it is now; OSError where the kernel does not say."""
        return Question(text, source, where, self._facts(), self._checks_only)

    def take(self, judgement: Judgement, origin: Origin | None = None, resolve: Resolve = as_they_are) -> None:
        """Have run what is good of a NodeConfig (`origin` None: of a file); the VRRP process is told in any case."""
        if judgement.failed:
            self._not_judged(judgement.problems)
            return
        self._failure, self._failures = (), 0
        self._log.configuration = judgement.node or self._log.configuration
        self.read_at_ns = now_ns()
        try:
            outcome = accept(judgement, self._state, origin, resolve)
        except OSError as error:
            if not self.unsaved:
                self._log.write("error", f"{self._state.path}: {error}; what runs goes on")
            self.unsaved = True
            return
        self.unsaved, self.places = False, places_of(judgement) or self.places
        news = outcome.problems != self.outcome.problems or not outcome.waits
        before, self.outcome = self.outcome, outcome
        if news:
            self._tell(outcome.problems)
        if outcome.runtime is None:
            return
        if news and any(each.severity is Severity.ERROR for each in outcome.problems):
            partly = "what is wrong keeps its last good form; all else is as it was written"
            nothing = "nothing of it can be used: the last good configuration runs"
            self._log.write("warning", partly if judgement.usable else nothing, self._about())
        if outcome.changed:
            self.accepted_at_ns = now_ns()
        self._run(outcome)
        if news and (outcome.changed or origin is None or outcome.origin != before.origin):
            of = f", generation {outcome.origin.generation} of the API" if outcome.origin else ""
            of = of if judgement.usable else f"{of} (the last good one)"
            what = f"{len(outcome.runtime.groups)} groups, {len(outcome.balance.servers)} virtual servers"
            self._log.write("info", f"configuration {outcome.runtime.generation}: {what}{of}", self._about())

    def _not_judged(self, failure: tuple[Problem, ...]) -> None:
        """What runs goes on, and so does what was said of it; where nothing runs yet, the last good one does."""
        self.read_at_ns = now_ns()
        idle = self._told_at_ns == 0
        if idle and self.outcome.runtime is None:
            self.prepare_last_good()
        known = tuple(each for each in self.outcome.problems if each not in self._failure)
        if failure != self._failure:
            self._tell(failure)
        self._failure, self._failures = failure, self._failures + 1
        self.outcome = replace(self.outcome, problems=(*known, *failure), waits=True)
        if idle:
            self.run_last_good()

    def prepare_last_good(self) -> NodeRuntime | None:
        """Make the node ready for the last good configuration, which the VRRP process may run before another comes."""
        runtime = last_good(self._state)
        if runtime is not None:
            balance = last_balance(self._state) or NOTHING_BALANCED
            origin = noted_origin(self._state, runtime)
            self.outcome = Outcome(runtime, (), changed=False, origin=origin, balance=balance)
            self._prepare(runtime)
        return runtime

    def run_last_good(self) -> None:
        """Have run what `prepare_last_good` found."""
        if self.outcome.runtime is not None:
            self._run(self.outcome)

    def configured(self, generation: int, leaving: int) -> bool:
        """The VRRP process runs this one and hands over so many groups of earlier ones; whether `observed` is new."""
        self._taken_up, self._leaving = generation, leaving
        return self.look()

    def look(self) -> bool:
        """One of the processes may have taken something up, or not in time; whether `observed` is new.

        While something is handed over or waited for, what was observed before stands.
        """
        before, runtime = self.observed, self.outcome.runtime
        if runtime is None or not self._spoken:
            self.observed = self.observed if self._taken_up == self._observed_number else None
        elif not self._leaving and self._balancing.settled:
            self.observed, self._observed_number = self.outcome.origin, runtime.generation
        return self.observed != before

    def again(self, now: int) -> bool:
        """Whether the same reading should be taken once more: something was missing that may have come meanwhile."""
        patience_ns = min(RETRY_NS << max(0, self._failures - 1), LONGEST_RETRY_NS)
        return (self.outcome.waits or self.unsaved) and now - self.read_at_ns > patience_ns

    def turn(self, now: int) -> None:
        """To be called now and then."""
        told = self._told_at_ns and now - self._told_at_ns > RETRY_NS
        if told and not self._spoken:
            self._run(self.outcome)
        self._balancing.turn(now)

    def kernel_changed(self, changes: Sequence[Change]) -> None:
        """Interfaces came or went, or addresses alone, which are the business of others."""
        if self.outcome.runtime is not None and not all(isinstance(change, AddressGone) for change in changes):
            self._ensure_settings(self.outcome.runtime)
            self.claims.configured(self.outcome.runtime)

    # How it is done.

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        for problem in problems[:MOST_LOGGED]:
            level = "error" if problem.severity is Severity.ERROR else "warning"
            self._log.write(level, self._say(problem), self._about(problem.instance))
        if len(problems) > MOST_LOGGED:
            more = f"and {len(problems) - MOST_LOGGED} more; `mooring-node status` shows them"
            self._log.write("error", more, self._about())

    def _about(self, instance: str = "") -> Subject:
        """For the log: the NodeConfig, and which instance or virtual server of it."""
        return of_configuration(self._log.configuration, instance)

    def _run(self, outcome: Outcome) -> None:
        assert outcome.runtime is not None
        self._prepare(outcome.runtime)
        self._told_at_ns = now_ns()
        if not self._checks_only:
            self._vrrp.send({"do": "configure"})
        self._balancing.configure(outcome.balance, self._told_at_ns)

    def _prepare(self, runtime: NodeRuntime) -> None:
        self._ensure_settings(runtime)
        self.claims.configured(runtime)
        self._narrow_later()

    def _narrow_later(self) -> None:
        if self._narrow is not None:
            self._narrow.cancel()
        self._narrow = asyncio.get_running_loop().call_later(NARROW_AFTER_S, self._narrow_ledger)

    def _ensure_settings(self, runtime: NodeRuntime) -> None:
        try:
            settings.ensure(self._rtnetlink, self.ledger, runtime.groups)
        except OSError as error:
            self._log.write(
                "error", f"promote_secondaries could not be set: {error}; deleting one address may take others"
            )

    def _narrow_ledger(self) -> None:
        if not self._spoken or self._leaving:
            self._narrow_later()
        elif self.outcome.runtime is not None:
            with contextlib.suppress(OSError):  # a full disk: the ledger stays as wide as it was
                settings.restore_unused(self._rtnetlink, self.ledger, self.outcome.runtime.groups)

    def _facts(self) -> NodeFacts:
        names = {link.index: link.name for link in self._rtnetlink.links()}
        addresses = [
            (names[each.interface_index], socket.inet_ntop(each.family, each.address), each.prefix_length)
            for each in self._rtnetlink.addresses()
            if each.interface_index in names
        ]
        families: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 6}
        defaults = self._rtnetlink.default_interfaces()
        return facts_of(addresses, [(families[family], names[index]) for family, index in defaults.items()])
