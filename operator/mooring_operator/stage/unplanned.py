"""NodeConfigs that do not say yet what their node is to run, and what waits until they can. Pure.

A NodeConfig is made for a daemon to report in, before anything can be planned on its node. Who makes it may have
forgotten what that daemon runs: the one before it was deleted while nobody led, or is lost with a backup. An empty
list would withdraw all of that, so a new NodeConfig lists nothing at all (no `spec.instances`), and every daemon keeps
what it runs. What is written first is written with all that its node may have: the VirtualIPs whose status names the
node as a member stay as they stand until each of their members has reported.

In its report a daemon tells the states of what it runs; that is how one is known that runs what stands nowhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mooring_api.virtualip import VirtualIPStatus
from mooring_operator.stage.seats import Waiting, named
from mooring_operator.stage.standing import Standing


@dataclass(frozen=True, slots=True)
class Unplanned:
    """`nodes` are not written yet. `waiting` is VirtualIP to why it stays as it stands until they can be."""

    nodes: frozenset[str] = frozenset()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)


NONE = Unplanned()


def unplanned_of(
    nodes: Iterable[str],
    standings: Mapping[str, Standing],
    reported: frozenset[str],
    stands: Mapping[str, VirtualIPStatus | None],
    planned: Mapping[str, VirtualIPStatus],
    kept: frozenset[str],
) -> Unplanned:
    """Which of the nodes that exist can't be written yet.

    `reported` has told its interfaces. `stands` is VirtualIP to its status in the API, `planned` the same as the plan
    makes it; `kept` names those that stay as they stand anyway.
    """
    there = frozenset(n for n in nodes if (standing := standings.get(n)) is None or not standing.planned)
    held = there - reported
    if not there:
        return NONE
    run = {node: _run(standings[node]) for node in there & reported}
    said = {name: _who_runs((status, planned.get(name)), run) for name, status in stands.items()}
    members = {name: said[name] | _members(status) for name, status in stands.items()}
    while True:
        waiting = {
            name: own for name, own in members.items() if not own.isdisjoint(held) or (name in kept and said[name])
        }
        # A spec is written whole: who can't be given all that it may run is given nothing.
        more = (there & frozenset[str]().union(*waiting.values())) - held
        if not more:
            return Unplanned(held, {name: _waiting(name, own & held, reported) for name, own in waiting.items()})
        held |= more


def _run(standing: Standing) -> frozenset[str]:
    """The instances of which its daemon tells a state."""
    return frozenset(each.name for each in (standing.status.instances if standing.status else ()))


def _who_runs(statuses: Iterable[VirtualIPStatus | None], run: Mapping[str, frozenset[str]]) -> frozenset[str]:
    names = frozenset(group.name for status in statuses if status for group in status.groups)
    return frozenset(node for node, own in run.items() if not names.isdisjoint(own))


def _members(status: VirtualIPStatus | None) -> frozenset[str]:
    return frozenset(placed.node for group in (status.groups if status else ()) for placed in group.order)


def _waiting(virtual_ip: str, held: frozenset[str], reported: frozenset[str]) -> Waiting:
    silent = sorted(held - reported)
    late = silent or sorted(held)
    if silent:
        why = f"the NodeConfig of {named(silent)} was lost: nothing changes until its daemon reports in the new one"
        return Waiting(virtual_ip, virtual_ip, tuple(late), f"{why}, or its Node is deleted")
    why = f"the NodeConfig of {named(late)} was lost, and is written when all that it may have run can be planned"
    return Waiting(virtual_ip, virtual_ip, tuple(late), why)
