"""What the status tells of this node: its interfaces, its groups, and whom the VRRP process heard."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mooring_api.problems import Problem
from mooring_api.version import VERSION
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.interfaces import Choice, InterfaceReport, Seen, report
from mooring_node.agent.keys import CredentialReport
from mooring_node.agent.report import MOST_FOREIGN_ROUTERS, Facts, build
from mooring_node.agent.running import Running
from mooring_node.agent.transitions import TransitionLog
from mooring_node.judge.source import placed
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.units import SECOND_NS

#: Nobody tells of an address that comes, or of another reason for a Fault: they are looked for this often.
LOOK_EVERY_NS = 10 * SECOND_NS
#: Interfaces that change are looked at no more often than this.
LOOK_AGAIN_NS = SECOND_NS
#: Where strangers fill the list of routers heard, it is told this often.
CROWDED_EVERY_NS = 60 * SECOND_NS
#: So many questions without an answer mean that the VRRP process does not answer.
SILENCES = 2

Answer = dict[str, Any]


class Observer:
    """`ask` puts a question to the VRRP process (None: there is none).

    `changed` is told when the status would be other than before.
    """

    def __init__(
        self,
        running: Running,
        transitions: TransitionLog,
        rtnetlink: Rtnetlink,
        balancing: Balancing,
        choice: Choice,
        ask: Callable[[Callable[[Answer], None]], None] | None,
        changed: Callable[[], None],
    ) -> None:
        self._running = running
        self._transitions = transitions
        self._rtnetlink = rtnetlink
        self._balancing = balancing
        self._choice = choice
        self._ask = ask
        self._changed = changed
        self._interfaces: tuple[InterfaceReport, ...] = ()
        self._left_out: tuple[str, ...] = ()
        self._foreign: list[Mapping[str, Any]] = []
        self._foreign_at_ns = -CROWDED_EVERY_NS
        self._stale = False
        self._looked_at_ns = -LOOK_EVERY_NS
        self._asked_at_ns = -LOOK_EVERY_NS
        self._silences = 0
        self._remarks: tuple[str, ...] = ()

    def remark(self, remarks: tuple[str, ...]) -> None:
        """What somebody should mend on this node, though nothing waits for it."""
        self._remarks = remarks
        self._changed()

    def status(
        self, observed: int | None, credentials: Sequence[CredentialReport], remarks: Sequence[str]
    ) -> Mapping[str, Any]:
        """The status as JSON values; `observed` is the generation that it may name."""
        runtime = self._running.runtime
        problems = self._running.outcome.problems
        if self._silences >= SILENCES:
            problems = (*problems, Problem("", "", "the VRRP process does not answer; see the daemon's log"))
        problems = (*problems, *placed(self._balancing.problems(), self._running.places))
        facts = Facts(
            version=VERSION,
            observed_generation=observed,
            groups=runtime.groups if runtime else (),
            states=self._transitions.groups,
            interfaces=self._interfaces,
            foreign_routers=self._foreign,
            credentials=credentials,
            problems=problems,
            remarks=(*remarks, *self._left_out, *self._remarks),
            servers=self._balancing.told(),
            kube_proxy=self._balancing.report.kube_proxy,
        )
        return build(facts)

    def turn(self, now: int) -> None:
        """To be called now and then: looks at what nobody tells of."""
        if now - self._looked_at_ns >= (LOOK_AGAIN_NS if self._stale else LOOK_EVERY_NS):
            self._look(now)
        if now - self._asked_at_ns >= LOOK_EVERY_NS:
            self._inquire(now)

    def kernel_changed(self) -> None:
        """Interfaces or addresses came or went: to be looked at soon."""
        self._stale = True

    def configured(self, now: int) -> None:
        """The VRRP process runs another configuration than before."""
        runtime = self._running.runtime
        names = {group.name for group in runtime.groups} if runtime else set()
        self._transitions.keep_only(names)
        if names - self._transitions.groups.keys():
            # They go on under another name, so no transition tells of them.
            self._inquire(now)

    def _look(self, now: int) -> None:
        self._looked_at_ns, self._stale = now, False
        try:
            links, addresses = self._rtnetlink.links(), self._rtnetlink.addresses()
            seen = Seen(links, addresses, self._rtnetlink.default_interfaces().values())
        except OSError:
            self._stale = True
            return
        found = report(seen, self._running.ledger.read().addresses, self._choice)
        if found != (self._interfaces, self._left_out):
            self._interfaces, self._left_out = found
            self._changed()

    def _inquire(self, now: int) -> None:
        self._asked_at_ns = now
        if self._ask is not None:
            self._ask(self._told)

    def _told(self, answer: Answer) -> None:
        process = answer["vrrp"]
        if not process:
            self._silences += 1
            if self._silences == SILENCES:
                self._changed()
            return
        news = self._silences >= SILENCES
        self._silences = 0
        now_s = time.time()
        runtime = self._running.runtime
        names = {group.name for group in runtime.groups} if runtime else set()
        for group in answer["groups"]:
            if group["name"] in names:
                news |= self._transitions.saw(group, now_s)
        news |= self._running.configured(process["generation"], process["leaving"])
        news |= self._hear_of(process["foreignRouters"])
        if news:
            self._changed()

    def _hear_of(self, routers: list[Mapping[str, Any]]) -> bool:
        """Whom the VRRP process heard; whether there is somebody new."""
        crowded = len(routers) >= MOST_FOREIGN_ROUTERS
        if crowded and self._asked_at_ns - self._foreign_at_ns < CROWDED_EVERY_NS:
            return False
        self._foreign_at_ns = self._asked_at_ns
        before, self._foreign = self._foreign, routers
        return before != routers
