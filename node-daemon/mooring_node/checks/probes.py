"""From a target to the coroutine that tries it once."""

from collections.abc import Callable

from mooring_node.checks.attempt import Attempt, Probing
from mooring_node.checks.config import HTTPProbe, Probe, Target, TCPProbe
from mooring_node.checks.connecting import connect
from mooring_node.checks.verdict import GOOD, Outcome


async def tcp(attempt: Attempt, target: Target) -> Outcome:
    """A connection that is accepted."""
    await connect(attempt, target)
    return GOOD


async def _unknown(_attempt: Attempt, target: Target) -> Outcome:
    raise NotImplementedError(type(target.check.probe).__name__)


_BY_TYPE: dict[type, Callable[[Attempt, Target], Probing]] = {TCPProbe: tcp}


def probing(attempt: Attempt, target: Target) -> Probing:
    """The try that this target's kind of check wants."""
    return _BY_TYPE.get(type(target.check.probe), _unknown)(attempt, target)


def kind_of(probe: Probe) -> str:
    """As the contract writes it: `tcp`, `https`."""
    if isinstance(probe, HTTPProbe):
        return "http" if probe.tls is None else "https"
    return type(probe).__name__.removesuffix("Probe").lower()
