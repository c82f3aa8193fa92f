"""`mooring-node check`: a file is judged as the daemon would, and nothing is changed (shell)."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mooring_api.nodeconfig import NodeConfig
from mooring_api.problems import Problem
from mooring_api.vrrp import TransportType
from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.balance.listing import families, listed
from mooring_node.judge.balance import compile_balance
from mooring_node.judge.facts import NO_FACTS
from mooring_node.judge.groups import compile_groups
from mooring_node.judge.holder import without_vain_waits
from mooring_node.judge.reading import read_file
from mooring_node.judge.source import in_file, placed
from mooring_node.status_servers import out_of_reach
from mooring_node.vrrp.faults import FaultReason


def check(file: Path) -> bool:
    """Say what is wrong with a NodeConfig file, and what is good; whether nothing is wrong."""
    reading = read_file(file)
    config, problems = reading.config, reading.problems
    if config is None:
        for problem in problems:
            print(in_file(file, problem), file=sys.stderr)
        return False
    balance, unbalanced = compile_balance(config.spec, NO_FACTS, config.metadata.name)
    # What names no interface is for the node to tell, where it runs.
    told = (each for each in unbalanced if not each.path.endswith((".interface", ".interfaces")))
    problems += (*_lonely(config, reading.places), *told)
    _, vain = without_vain_waits(balance, config.spec.instances, config.metadata.name)
    for problem in placed((*problems, *vain), reading.places):
        print(in_file(file, problem), file=sys.stderr)
    for warning in _out_of_reach(balance):
        print(f"{file}: warning: {warning}", file=sys.stderr)
    named = [instance for instance in config.spec.instances if instance.interface]
    groups, _ = compile_groups(named, NO_FACTS, config.metadata.name)
    good = _counted(len(config.spec.instances), "instance", "is good", "are good")
    print(f"{file}: {good}, in {_counted(len(groups), 'group')}")
    if config.spec.virtual_servers:
        print(f"{file}: {_counted(len(balance.servers), 'virtual server', 'is good', 'are good')}")
    return not problems


def _lonely(config: NodeConfig, places: Mapping[tuple[str, str], int]) -> Iterator[Problem]:
    """Instances that would be a fault at once: nobody to speak to."""
    for instance in config.spec.instances:
        way = instance.transport
        if way.type is TransportType.UNICAST and not way.peers and not way.alone:
            path = f"spec.instances[{places['instances', instance.name]}].transport.peers"
            yield Problem(f"NodeConfig {config.metadata.name}", path, FaultReason.NO_PEERS.remedy)


def _counted(count: int, what: str, one: str = "", many: str = "") -> str:
    return f"{count} {what}{'' if count == 1 else 's'} {one if count == 1 else many}".rstrip()


def _out_of_reach(balance: BalanceConfig) -> Iterator[str]:
    """Quorums that all backends together do not make up; one whose checks set the weights may."""
    for server in balance.servers:
        for family in families(server):
            backends = listed(server, family).values()
            weight = sum(each.weight for each in backends)
            needed = server.quorum_up + server.quorum_hysteresis
            if 0 < weight < needed and not _sets_weights(server):
                yield f"{server.name} IPv{family}: {out_of_reach(needed, len(backends), weight)}"


def _sets_weights(server: ServerConfig) -> bool:
    return any(getattr(check.probe, "dynamic_weight", False) for _, check in server.checks)
