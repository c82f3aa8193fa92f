"""`mooring`: finds the command that was asked for and runs it."""

import argparse
import sys
from collections.abc import Sequence

from mooring_api.problems import InvalidObject
from mooring_cli import digest, lab, plan


def parser() -> argparse.ArgumentParser:
    """The whole command line; each command module adds itself."""
    root = argparse.ArgumentParser(prog="mooring", description="keepalived for Kubernetes")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (plan, digest, lab):
        module.register(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 it failed or found problems, 2 wrong usage."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InvalidObject as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
