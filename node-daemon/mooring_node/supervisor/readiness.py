"""Whether this node would take its groups now (pure): the answer to `mooring-node probe ready`.

A rolling update goes on to the next node when this says yes. So it waits until a configuration runs, until the
tables of what is balanced stand, and until each group has found its place: Active, or Backup of somebody whom it
would not preempt. The agent knows what is to run, the VRRP process how its groups stand.
"""

from collections.abc import Callable
from typing import Any

VRRP, AGENT = "vrrp", "agent"


class Readiness:
    """One question to the two processes, until both have answered or the time is up; see Inquiry."""

    def __init__(
        self, number: int, until_ns: int, done: Callable[[str], None], asked: tuple[str, ...] = (VRRP, AGENT)
    ) -> None:
        self.number = number
        self.until_ns = until_ns
        self._done = done
        self._asked = asked
        self._answers: dict[str, dict[str, Any]] = {}

    def take(self, message: dict[str, Any]) -> None:
        """Note a message of a child; one that answers another question is ignored."""
        if message.get("id") == self.number and "ready" in message:
            self._answers[message["ready"]] = message

    @property
    def complete(self) -> bool:
        return all(name in self._answers for name in self._asked)

    def finish(self, _about: dict[str, Any]) -> None:
        """Hand over what is still waited for, in words; empty: nothing."""
        agent = self._answers.get(AGENT)
        if VRRP in self._asked:
            self._done(_waits(self._answers.get(VRRP), agent))
        else:
            self._done("the agent does not answer" if agent is None else agent["waits"])


def _waits(vrrp: dict[str, Any] | None, agent: dict[str, Any] | None) -> str:
    if vrrp is None:
        return "the VRRP process does not answer"
    if vrrp["runs"]:
        # Whether the agent is being replaced is nothing to those who wait for this node.
        return (agent["waits"] if agent is not None else "") or str(vrrp["waits"])
    if agent is None:
        return "no configuration runs, and the agent does not answer"
    if agent["nothing"]:
        return ""
    return agent["waits"] or "no configuration runs yet"
