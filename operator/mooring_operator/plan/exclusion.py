"""Nodes that a label of Kubernetes keeps out of load balancing: whom it keeps from being a candidate, and whom not.

The label says where traffic from outside should not go, not that an address may be lost. So it never takes the last
candidate: where no other node can join a group, it is set aside for that group and said so. kubeadm and others put it
on every control-plane node by themselves, also where there is no other; an implementation that leaves them out for
good announces nothing there, without a word. Nor is a labelled node a candidate behind all others, as a cordoned one
is: a cordon is about what begins, and passes; the label is about who may be sent packets, so the node must not take
over from others that have failed. A holder that is labelled hands over, and keeps the role until another can take it.
"""

from collections.abc import Iterable, Sequence

from mooring_api.virtualip import EXCLUSION_LABEL, ExclusionLabel, VirtualIP
from mooring_operator.plan.snapshot import Node
from mooring_operator.words.phrases import listed

LABELLED = f"left out: it has the label {EXCLUSION_LABEL}"


def labelled(nodes: Iterable[Node]) -> frozenset[str]:
    """The names of those that have the label; its value says nothing, as everywhere in Kubernetes."""
    return frozenset(node.name for node in nodes if EXCLUSION_LABEL in node.labels)


def kept_out(virtual_ip: VirtualIP, eligible: frozenset[str], labelled: frozenset[str]) -> frozenset[str]:
    """Those of the eligible that the label keeps from being candidates, unless there are no others."""
    honoured = virtual_ip.spec.nodes.exclusion_label is ExclusionLabel.HONOUR
    return eligible & labelled if honoured else frozenset()


def remark_of(out: Iterable[str], set_aside: Sequence[str]) -> str:
    """For a person: the groups that have labelled nodes alone, else who is left out; empty where it does nothing."""
    if set_aside:
        return f"only nodes with the label {EXCLUSION_LABEL} can join {listed(set_aside)}, so it keeps none out"
    names = sorted(out)
    return f"left out by the label {EXCLUSION_LABEL}: {listed(names)}" if names else ""
