"""The options of `mooring-node preflight`: apart, so that other commands do not carry what it imports."""

import argparse
import os
from pathlib import Path

PROC_SYS_NET = Path("/proc/sys/net")
DEFAULT_SCRIPTS = Path("/etc/mooring/scripts")
DEFAULT_PRIORITY = 50
SYS_NET_VARIABLE, SCRIPTS_VARIABLE = "MOORING_SYS_NET", "MOORING_SCRIPTS_DIR"
PRIORITY_VARIABLE = "MOORING_REAL_TIME_PRIORITY"


def add_shared(command: argparse.ArgumentParser) -> None:
    """What the daemon has of the node and wants of it, and who judges it must be told too.

    The environment is a container's, and so the same for who is sent into it (`kubectl exec`) as for the daemon.
    """
    command.add_argument(
        "--real-time-priority",
        type=_priority,
        default=os.environ.get(PRIORITY_VARIABLE) or str(DEFAULT_PRIORITY),
        metavar="N",
        help=f"1 to 99; 0: normal scheduling; default: ${PRIORITY_VARIABLE}, else {DEFAULT_PRIORITY}",
    )
    for option, variable, place, what in (
        ("--sys-net", SYS_NET_VARIABLE, PROC_SYS_NET, f"where the node's {PROC_SYS_NET} can be written"),
        ("--scripts-dir", SCRIPTS_VARIABLE, DEFAULT_SCRIPTS, "programs of checks and notifications"),
    ):
        command.add_argument(
            option,
            type=Path,
            default=Path(os.environ.get(variable) or place),
            metavar="DIR",
            help=f"{what}; default: ${variable}, else {place}",
        )


def _priority(text: str) -> int:
    if not text.isdigit() or int(text) > 99:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 99, nor 0 for normal scheduling")
    return int(text)


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="a NodeConfig; default: what the daemon runs")
    command.add_argument(
        "--host-root", type=Path, default=Path("/"), metavar="DIR", help="where the node's own root is seen"
    )
    command.add_argument(
        "--listen", type=float, default=0.0, metavar="SECONDS", help="compare what arrives with what comes through"
    )
    command.add_argument(
        "--warn-only", action="store_true", help="end with 0 whatever is found: for an init container that only tells"
    )
    command.add_argument("-o", "--output", choices=("text", "json"), default="text")
