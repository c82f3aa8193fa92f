"""The options of `mooring-node preflight`: apart, so that other commands do not carry what it imports."""

import argparse
from pathlib import Path


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
