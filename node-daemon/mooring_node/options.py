"""What may stand on the daemon's command line, and what it means together with the environment."""

import argparse
import os
from pathlib import Path
from typing import Any

from mooring_api.version import VERSION
from mooring_node.preflight.options import add_options, add_shared
from mooring_node.probe import QUESTIONS

DEFAULT_STATE = Path("/var/lib/mooring")
DEFAULT_METRICS = "127.0.0.1:9650"
DEFAULT_NAMESPACE = "mooring-system"
NODE_VARIABLE, NAMESPACE_VARIABLE = "MOORING_NODE_NAME", "MOORING_NAMESPACE"


class _Help(argparse.HelpFormatter):
    """Is told how wide the terminal is: to find out, argparse would load shutil and its packers, also in a daemon."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 0
        super().__init__(prog, width=(columns or 80) - 2)


class _Parser(argparse.ArgumentParser):
    """Takes no shortened flags: one would mean another, or nothing, once two begin like it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Help, **settings)


def parser() -> argparse.ArgumentParser:
    root = _Parser(prog="mooring-node", description="Mooring's daemon on one node")
    root.add_argument("--version", action="version", version=f"%(prog)s {VERSION}", help="print it and end")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="speak VRRP and hold addresses as the configuration says")
    _add_sources(run)
    run.add_argument(
        "--metrics-address", default=DEFAULT_METRICS, metavar="HOST:PORT", help=f"{DEFAULT_METRICS}; port 0: none"
    )
    run.add_argument("--log-format", choices=("text", "json"), default="text")
    run.add_argument(
        "--checks-only",
        action="store_true",
        help="balance and check alone: no VRRP is spoken and no address held, whatever instances there are",
    )
    check = commands.add_parser("check", help="say what is wrong with a configuration; nothing is changed")
    check.add_argument("--config", type=Path, required=True, metavar="FILE")
    status = commands.add_parser("status", help="what this node holds, and why")
    status.add_argument("-o", "--output", choices=("text", "json"), default="text")
    asked = commands.add_parser("probe", help="for kubelet: 0 and a sentence where it is so, else 1")
    asked.add_argument("question", choices=QUESTIONS, help="live: only a restart would help; ready: it takes part")
    maintenance = commands.add_parser("maintenance", help="on: hand over and stay Backup; off: take part again")
    maintenance.add_argument("switch", choices=("on", "off"))
    hand_over = commands.add_parser(
        "hand-over", help="before this daemon is ended: hand over, wait for it, stay Backup until the end or for 5 min"
    )
    flight = commands.add_parser("preflight", help="say what on this node would keep a daemon from its work")
    add_options(flight)
    for each in (run, flight):
        add_shared(each)
    for each in (run, status, maintenance, asked, hand_over, flight):
        each.add_argument(
            "--state-dir",
            type=Path,
            default=DEFAULT_STATE,
            metavar="DIR",
            help=f"ledger and last good configuration ({DEFAULT_STATE})",
        )
    return root


def _add_sources(run: argparse.ArgumentParser) -> None:
    run.set_defaults(complain=run.error)
    run.add_argument("--config", type=Path, metavar="FILE", help="a NodeConfig; SIGHUP reads it again")
    api = run.add_argument_group("instead of --config, the NodeConfig of this name in the Kubernetes API")
    api.add_argument("--node", metavar="NAME", help=f"this node's name; default: ${NODE_VARIABLE}")
    api.add_argument("--kubeconfig", type=Path, metavar="FILE", help="default: the service account of this pod")
    api.add_argument(
        "--namespace",
        metavar="NAME",
        help=f"where Mooring's Secrets are; default: ${NAMESPACE_VARIABLE}, else {DEFAULT_NAMESPACE}",
    )
    for option, what in (("--show-interface", "report"), ("--hide-interface", "do not report")):
        api.add_argument(
            option,
            action="append",
            metavar="PATTERN",
            help=f"{what} interfaces of this name, as in `eth*`; may stand several times",
        )


def settle_source(options: argparse.Namespace) -> None:
    """Exactly one of file and API; the environment speaks where the command line does not."""
    of_api = ("node", "kubeconfig", "namespace", "show_interface", "hide_interface")
    if options.config is not None:
        for name in of_api:
            if getattr(options, name) is not None:
                options.complain(
                    f"--{name.replace('_', '-')} is of the API, and --config is given; remove one of the two"
                )
        return
    options.node = options.node or os.environ.get(NODE_VARIABLE)
    if not options.node:
        options.complain(f"give --config FILE, or --node NAME (or set {NODE_VARIABLE})")
    options.namespace = options.namespace or os.environ.get(NAMESPACE_VARIABLE) or DEFAULT_NAMESPACE


def place_of(metrics_address: str) -> tuple[str, int]:
    """Host and port; ValueError: it is not of that form."""
    host, _, port = metrics_address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{metrics_address}: write HOST:PORT, such as {DEFAULT_METRICS}")
    return host.strip("[]"), int(port)


def shared_with_preflight(options: argparse.Namespace) -> tuple[str, ...]:
    """What `preflight` must be told to look where this daemon does, and to miss nothing that it does not want."""
    names = ("state_dir", "sys_net", "scripts_dir", "real_time_priority")
    return tuple(word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(options, name))))
