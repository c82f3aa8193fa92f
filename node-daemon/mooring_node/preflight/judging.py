"""All judgements (pure): the worst first."""

from mooring_node.preflight import network, rights, wire
from mooring_node.preflight.facts import Facts
from mooring_node.preflight.finding import Finding, Severity


def judge(facts: Facts) -> tuple[Finding, ...]:
    """What is wrong on this node, each with its remedy; nothing: all that was looked at is well."""
    found = dict.fromkeys((*rights.judge(facts), *network.judge(facts), *wire.judge(facts)))
    return tuple(sorted(found, key=lambda each: (each.severity is not Severity.ERROR, each.code, each.message)))


def not_looked_at(facts: Facts) -> tuple[str, ...]:
    """What could not be seen from here, for who reads the list of findings and finds none."""
    unseen = []
    if facts.heard is None:
        unseen.append("adverts of others (--listen SECONDS)")
    if facts.kubelet is None:
        unseen.append("kubelet's flags (run it on the node, or with --host-root)")
    return tuple(unseen)
