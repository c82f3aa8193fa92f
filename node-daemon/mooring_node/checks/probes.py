"""From a target to the coroutine that tries it once."""

from collections.abc import Callable
from functools import partial

from mooring_node.checks.attempt import Probing, Scope
from mooring_node.checks.bodies import Room
from mooring_node.checks.config import (
    DNSProbe,
    HTTPProbe,
    PingProbe,
    Probe,
    ScriptProbe,
    SMTPProbe,
    Target,
    TCPProbe,
    UDPProbe,
)
from mooring_node.checks.connecting import connect
from mooring_node.checks.datagram import dns, udp
from mooring_node.checks.http import http
from mooring_node.checks.ping import ping
from mooring_node.checks.scripts import Ended, ScriptError, Scripts
from mooring_node.checks.smtp import smtp
from mooring_node.checks.verdict import GOOD, Outcome, Reason


def kind_of(probe: Probe) -> str:
    """As the contract writes it: `tcp`, `https`."""
    if isinstance(probe, HTTPProbe):
        return "http" if probe.tls is None else "https"
    return type(probe).__name__.removesuffix("Probe").lower()


async def tcp(scope: Scope, target: Target) -> Outcome:
    """A connection that is accepted."""
    await connect(scope, target)
    return GOOD


class Probes:
    """Tries of every kind. `scripts` is where those of kind script come from."""

    def __init__(self, scripts: Scripts | None = None) -> None:
        self._scripts = scripts or Scripts()
        self._by_type: dict[type, Callable[[Scope, Target], Probing]] = {
            TCPProbe: tcp,
            HTTPProbe: partial(http, Room()),
            SMTPProbe: smtp,
            ScriptProbe: self._script,
            DNSProbe: dns,
            UDPProbe: udp,
            PingProbe: ping,
        }

    def __call__(self, scope: Scope, target: Target) -> Probing:
        """The try that this target's kind of check wants."""
        return self._by_type.get(type(target.check.probe), _unknown)(scope, target)

    async def _script(self, scope: Scope, target: Target) -> Outcome:
        probe = target.check.probe
        assert isinstance(probe, ScriptProbe)
        more = {"MOORING_ADDRESS": target.address, "MOORING_PORT": str(target.port)}
        try:
            ended = await self._scripts.execute(scope, probe.file, probe.arguments, more)
        except ScriptError as error:
            return Outcome(Reason.SCRIPT_UNUSABLE, str(error))
        return judged(ended, probe.dynamic_weight)


def judged(ended: Ended, dynamic_weight: bool) -> Outcome:
    """0 is good; with a dynamic weight 2 to 255 are, too, and mean the weight code - 2."""
    if ended.code == 0:
        return GOOD
    if dynamic_weight and ended.code >= 2:
        return Outcome(Reason.SUCCESS, weight=ended.code - 2)
    how = f"exit code {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
    return Outcome(Reason.EXIT_CODE, f"{how}: {ended.first_line}" if ended.first_line else how)


async def _unknown(_scope: Scope, target: Target) -> Outcome:
    raise NotImplementedError(type(target.check.probe).__name__)
