"""One node's spec from its groups' shares: what there is room for, and nothing that its daemon would refuse."""

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from mooring_api.nodeconfig import MAX_INSTANCES, Instance, NodeConfigSpec
from mooring_api.wire import problems_of
from mooring_operator.plan.servers.plans import NodeServices, services_in
from mooring_operator.plan.servers.services import without_strangers
from mooring_operator.stage.seats import GroupKey, Share

Instances = tuple[Instance, ...]


def fit(
    shares: dict[GroupKey, Share],
    stands: Mapping[GroupKey, Share],
    before: Instances,
    beside: Callable[[Instances], NodeServices],
) -> tuple[NodeConfigSpec, tuple[GroupKey, ...], str]:
    """The spec, the groups of which something must wait because it does not fit beside the rest, and why.

    Any of what was worked out for a node may be written later, so leaving it out is safe. `stands` and `before` are
    what is written there now; `beside` says what goes with instances.
    """
    new = [key for key, share in shares.items() if share and key not in stands]
    late = []
    while sum(map(len, shares.values())) > MAX_INSTANCES and new:
        late.append(new.pop())
        del shares[late[-1]]
    instances = tuple(instance for share in shares.values() for instance in share.values())
    services = beside(instances)
    instances = without_strangers(instances, services.virtual_servers)
    try:
        spec = NodeConfigSpec(instances=instances, **services.fields)
        return spec, tuple(late), f"a NodeConfig lists {MAX_INSTANCES} instances at most"
    except ValidationError as error:
        why = "; ".join(problem.message for problem in problems_of(error, ""))
        changed = (key for key, share in shares.items() if share != stands.get(key, {}))
        return NodeConfigSpec.model_construct(instances=before, **beside(before).fields), tuple(changed), why


def same(one: NodeConfigSpec, other: NodeConfigSpec) -> bool:
    """Of the same instances, as objects, and with equal services."""
    some, others = one.instances, other.instances
    alike = len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
    return alike and services_in(one) == services_in(other)
