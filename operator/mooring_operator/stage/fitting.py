"""One node's spec from its groups' shares: what there is room for, and nothing that its daemon would refuse."""

from collections.abc import Callable, Mapping
from operator import is_

from pydantic import ValidationError

from mooring_api.nodeconfig import MAX_INSTANCES, Instance, NodeConfigSpec
from mooring_api.wire import problems_of
from mooring_operator.plan.servers.plans import NodeServices, services_in, spec_of
from mooring_operator.plan.servers.services import without_strangers
from mooring_operator.stage.seats import GroupKey, Share

Instances = tuple[Instance, ...]


def fit(
    shares: dict[GroupKey, Share],
    stands: Mapping[GroupKey, Share],
    before: Instances,
    beside: Callable[[Instances], NodeServices],
    target: NodeConfigSpec | None,
) -> tuple[NodeConfigSpec, tuple[GroupKey, ...], str]:
    """The spec, the groups of which something must wait because it does not fit beside the rest, and why.

    Any of what was worked out for a node may be written later, so leaving it out is safe. `stands` and `before` are
    what is written there now; `beside` says what goes with instances. Where it comes out so, the spec is `target`.
    """
    new = [key for key, share in shares.items() if share and key not in stands]
    late = []
    while sum(map(len, shares.values())) > MAX_INSTANCES and new:
        late.append(new.pop())
        del shares[late[-1]]
    try:
        return _spec(shares, beside, target), tuple(late), f"a NodeConfig lists {MAX_INSTANCES} instances at most"
    except ValidationError as error:
        why = "; ".join(problem.message for problem in problems_of(error, ""))
    spec, refused = _what_fits(shares, stands, before, beside, target)
    return spec, (*late, *refused), why


def _what_fits(
    shares: Mapping[GroupKey, Share],
    stands: Mapping[GroupKey, Share],
    before: Instances,
    beside: Callable[[Instances], NodeServices],
    target: NodeConfigSpec | None,
) -> tuple[NodeConfigSpec, list[GroupKey]]:
    """One change after the other, those of groups that stand first: a new one may take what they still have."""
    found = {key: stands.get(key, {}) for key in shares}
    spec = NodeConfigSpec.model_construct(instances=before, **beside(before).fields)
    refused = []
    for key in sorted((key for key in shares if shares[key] != found[key]), key=lambda key: key not in stands):
        tried = {**found, key: shares[key]}
        try:
            spec, found = _spec(tried, beside, target), tried
        except ValidationError:
            refused.append(key)
    return spec, refused


def _spec(
    shares: Mapping[GroupKey, Share], beside: Callable[[Instances], NodeServices], target: NodeConfigSpec | None
) -> NodeConfigSpec:
    """Raises ValidationError where a daemon would refuse it."""
    instances = tuple(instance for share in shares.values() for instance in share.values())
    services = beside(instances)
    instances = without_strangers(instances, services.virtual_servers)
    same = target is not None and _same(target, instances, services)
    return target if target is not None and same else spec_of(instances, services)


def _same(spec: NodeConfigSpec, instances: Instances, services: NodeServices) -> bool:
    """Of the same instances, as objects, and with equal services."""
    own = spec.instances
    return len(own) == len(instances) and all(map(is_, own, instances)) and services_in(spec) == services
