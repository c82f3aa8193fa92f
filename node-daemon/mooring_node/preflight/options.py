"""The options of `mooring-node preflight`: apart, so that other commands do not carry what it imports."""

import argparse
import os
from pathlib import Path

PROC_SYS_NET = Path("/proc/sys/net")
DEFAULT_SCRIPTS = Path("/etc/mooring/scripts")
SYS_NET_VARIABLE, SCRIPTS_VARIABLE = "MOORING_SYS_NET", "MOORING_SCRIPTS_DIR"


def add_places(command: argparse.ArgumentParser) -> None:
    """Where the daemon, and so who judges it, finds what is the node's.

    The environment is a container's, and so the same for who is sent into it (`kubectl exec`) as for the daemon.
    """
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
