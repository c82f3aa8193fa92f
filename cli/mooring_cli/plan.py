"""`mooring plan`: what every node would get from these manifests, and why. Asks no cluster."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mooring_api.problems import InvalidObject, Severity
from mooring_cli.manifests import STANDARD_INPUT, UnreadableInput, read_manifests
from mooring_cli.twice import united
from mooring_operator.plan.allocations import adopt
from mooring_operator.plan.planner import Plan, plan
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.plan.snapshot import Snapshot

PLANNED, PROBLEM, USAGE = 0, 1, 2


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `plan`."""
    parser = commands.add_parser(
        "plan",
        help="show what each node would get from manifests, and why",
        description="Plan manifests offline: which groups, virtual router IDs, nodes and priorities they become,"
        " which ports are balanced over which backends, and why. Reads files only, no cluster and no kubeconfig."
        " Problems go to standard error. Exit code: 0 all is planned, 1 there is a problem, 2 wrong usage or an"
        " unreadable file.",
    )
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        required=True,
        metavar="MANIFESTS",
        help="file, folder (its *.yaml, *.yml and *.json) or - for standard input; may be given more than once. With"
        " VirtualServers also the EndpointSlices and Namespaces, as `kubectl get endpointslices,namespaces -A -o yaml`"
        " prints them",
    )
    parser.add_argument(
        "--nodes",
        required=True,
        metavar="FILE",
        help="Node and NodeConfig objects, as `kubectl get nodes,nodeconfigs -o yaml` prints them",
    )
    parser.add_argument("--node", metavar="NAME", help="show this node alone")
    parser.add_argument("-o", "--output", choices=("table", "yaml", "json"), default="table")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="with -o yaml or json: print what can be planned although there are errors",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan and print; the exit code."""
    if [*options.filename, options.nodes].count(STANDARD_INPUT) > 1:
        return _usage("standard input can be read only once; name a file in the other place")
    try:
        documents = read_manifests([*options.filename, options.nodes])
    except (UnreadableInput, InvalidObject) as error:
        return _usage(str(error))
    snapshot = snapshot_of(united(documents))
    names = [node.name for node in snapshot.nodes]
    if options.node is not None and options.node not in names:
        return _usage(f"there is no node {options.node}; {options.nodes} has {', '.join(names) or 'none'}")
    result = plan(snapshot, adopt(snapshot.virtual_ips, snapshot.configured, documents))
    shown = names if options.node is None else [options.node]
    complaints = [str(problem) for problem in result.problems]
    refused = any(problem.severity is Severity.ERROR for problem in result.problems)
    if not snapshot.virtual_ips and not snapshot.unreadable:
        complaints.append(f"there is no VirtualIP in {', '.join(options.filename)}, so nothing is planned")
        refused = True
    if options.output == "table":
        _print_tables(snapshot, result, shown, options.node is not None)
    elif options.partial or not refused:
        print(_listed(result, shown, options.output), end="")
    else:
        # A file made of this would withdraw what is bad: a typo must not cost an address.
        complaints.append("nothing is printed; mend this, or say --partial to print what can be planned")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return PROBLEM if complaints else PLANNED


def _usage(message: str) -> int:
    print(f"mooring plan: {message}", file=sys.stderr)
    return USAGE


def _print_tables(snapshot: Snapshot, result: Plan, shown: Sequence[str], one_node: bool) -> None:
    # rich takes a tenth of a second to import, which the other outputs need not pay.
    from mooring_cli.plan_tables import print_tables

    print_tables(snapshot, result, shown, one_node)


def _listed(result: Plan, shown: Sequence[str], output: str) -> str:
    items = [result.node_configs[name].to_wire() for name in shown]
    listed: Mapping[str, Any] = {"apiVersion": "v1", "kind": "List", "items": items}
    if output == "json":
        return json.dumps(listed, indent=2) + "\n"
    return str(yaml.safe_dump(listed, sort_keys=False, width=120))
