"""A node that confirmed a NodeConfig without using one of its instances has not confirmed that instance's change."""

from typing import Any

import pytest

from mooring_api.nodeconfig import Instance, Metadata, NodeConfig, NodeConfigSpec, NodeConfigStatus, ReportedProblem
from mooring_operator.stage.staging import stage
from mooring_operator.stage.standing import Standing

NODES = {"lb-1": ("10.0.0.18", "10.0.0.28"), "lb-2": ("10.0.0.28", "10.0.0.18")}


def instance(node: str, interval: str) -> Instance:
    source, peer = NODES[node]
    fields: dict[str, Any] = {
        "name": "web-0",
        "virtualIP": "web",
        "interface": "eth0",
        "virtualRouterID": 66,
        "advertisementInterval": interval,
        "transport": {"source": source, "peers": [peer]},
        "addresses": [{"address": "10.0.0.100/24"}],
    }
    return Instance.model_validate(fields, by_alias=True)


def config(node: str, *instances: Instance) -> NodeConfig:
    return NodeConfig(metadata=Metadata(name=node), spec=NodeConfigSpec(instances=instances))


def stands(written: NodeConfig, problems: tuple[ReportedProblem, ...] = ()) -> Standing:
    status = NodeConfigStatus(observed_generation=2, problems=problems)
    return Standing(written.metadata.name, written.spec.instances, 2, status)


TARGET = {node: config(node, instance(node, "5s")) for node in NODES}


def after_the_first_generation(*problems: ReportedProblem) -> dict[str, NodeConfig]:
    """What is written when all have confirmed the first generation, and lb-2 has these problems with it."""
    old = {node: Standing(node, (instance(node, "1s"),), 1, NodeConfigStatus(observed_generation=1)) for node in NODES}
    first = stage(TARGET, old, frozenset(), frozenset(NODES)).node_configs
    assert all(found.spec.instances[0].also_accept for found in first.values())
    standings = {"lb-1": stands(first["lb-1"]), "lb-2": stands(first["lb-2"], problems)}
    return dict(stage(TARGET, standings, frozenset(), frozenset(NODES)).node_configs)


def intervals(configs: dict[str, NodeConfig]) -> set[str]:
    return {str(found.spec.instances[0].advertisement_interval) for found in configs.values()}


def test_all_switch_when_all_run_the_first_generation() -> None:
    assert intervals(after_the_first_generation()) == {"5s"}


@pytest.mark.parametrize("blamed", ["web-0", ""], ids=["the instance", "the whole"])
def test_nobody_switches_while_one_refuses_it(blamed: str) -> None:
    problem = ReportedProblem(instance=blamed, path="spec.instances[0].transport", message="it is refused")
    assert intervals(after_the_first_generation(problem)) == {"1s"}


def test_what_is_wrong_elsewhere_holds_nobody_up() -> None:
    problem = ReportedProblem(instance="shop-0", path="spec.instances[1].transport", message="it is refused")
    remark = ReportedProblem(path="status", message="some interfaces are not reported")
    assert intervals(after_the_first_generation(problem, remark)) == {"5s"}


def test_an_address_stays_with_a_group_that_refuses_to_drop_it() -> None:
    """lb-1 was told to drop it from web-0 and could not use that: it may still hold it, so shop-0 must not."""
    address = "10.0.0.101/24"
    kept = instance("lb-1", "1s")
    problem = ReportedProblem(instance="web-0", path="spec.instances[0].addresses", message="it is refused")
    status = NodeConfigStatus(observed_generation=2, problems=(problem,))
    dropped = frozenset({f"web-0={claim}" for claim in _claims(address)})
    standings = {"lb-1": Standing("lb-1", (kept,), 2, status, dropped=dropped)}
    shop = kept.model_copy(update={"name": "shop-0", "virtual_ip": "shop", "virtual_router_id": 70})
    shop = Instance.model_validate(shop.to_wire() | {"addresses": [{"address": address}]}, by_alias=True)
    target = {"lb-1": config("lb-1", kept, shop)}
    staged = stage(target, standings, frozenset(), frozenset({"lb-1"}))
    assert [found.name for found in staged.node_configs["lb-1"].spec.instances] == ["web-0"]


def _claims(address: str) -> frozenset[str]:
    from mooring_operator.stage.claims import addresses_of

    made = Instance.model_validate(
        instance("lb-1", "1s").to_wire() | {"addresses": [{"address": address}]}, by_alias=True
    )
    return addresses_of(made)
