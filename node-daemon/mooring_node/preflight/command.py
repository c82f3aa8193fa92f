"""`mooring-node preflight` (shell)."""

import argparse
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from mooring_node.files import StateFolder
from mooring_node.keeping import last_groups
from mooring_node.preflight.finding import Finding, Severity
from mooring_node.preflight.judging import judge, not_looked_at
from mooring_node.preflight.reading import Places, read, wanted_of

if TYPE_CHECKING:
    from mooring_api.nodeconfig import NodeConfig
    from mooring_node.vrrp.config import GroupConfig

#: Exit codes: a warning alone does not keep an init container from ending well; --warn-only, nothing does.
WELL, WRONG, UNUSABLE = 0, 1, 3
LOWEST = 19


def preflight(options: argparse.Namespace) -> int:
    """Look, judge, say; the exit code."""
    # What looks must not be in the way of what it looks at.
    os.nice(LOWEST)
    if not options.warn_only:
        return _look(options)
    try:
        _look(options)
    except Exception:  # noqa: BLE001 - whatever it is, it is told, and no reason to have no daemon
        traceback.print_exc()
    return WELL


def _look(options: argparse.Namespace) -> int:
    state = StateFolder(options.state_dir)
    groups, balances = last_groups(state), state.balance.exists()
    if options.config is not None:
        config = _config(options.config)
        if config is None:
            return UNUSABLE
        groups, balances = _groups(config), bool(config.spec.virtual_servers)
    wanted = options.real_time_priority > 0
    places = Places(options.host_root, options.sys_net, options.listen, options.scripts_dir, wanted)
    facts = read(wanted_of(groups), places, balances=balances)
    findings, unseen = judge(facts), not_looked_at(facts)
    if options.output == "json":
        print(json.dumps({"findings": [each.to_wire() for each in findings], "notLookedAt": list(unseen)}, indent=1))
    else:
        print(_text(findings, unseen, len(facts.wanted)))
    return WRONG if any(each.severity is Severity.ERROR for each in findings) else WELL


def _text(findings: tuple[Finding, ...], unseen: tuple[str, ...], instances: int) -> str:
    lines = [f"{each.severity:<7}  {each.code}: {each.message}\n         -> {each.remedy}" for each in findings]
    if not findings:
        lines.append("nothing is wrong" if instances else "nothing is wrong with the node itself")
    if not instances:
        lines.append("no instance is configured here: nothing was judged by one (--config FILE)")
    lines += [f"not looked at: {each}" for each in unseen]
    return "\n".join(lines)


def _config(path: Path) -> "NodeConfig | None":
    """Only here: without a file, none of what reads one is needed."""
    from mooring_node.judge.reading import read_file
    from mooring_node.judge.source import in_file

    reading = read_file(path)
    for problem in reading.problems if reading.config is None else ():
        print(in_file(path, problem), file=sys.stderr)
    return reading.config


def _groups(config: "NodeConfig") -> tuple["GroupConfig", ...]:
    from mooring_node.judge.facts import NO_FACTS
    from mooring_node.judge.groups import compile_groups

    named = [instance for instance in config.spec.instances if instance.interface]
    return tuple(compile_groups(named, NO_FACTS, config.metadata.name)[0])
