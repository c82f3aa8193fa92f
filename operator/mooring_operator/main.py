"""`mooring-operator`: plans NodeConfigs from VirtualIPs and writes them.

Exit codes: 0 ended as asked; 1 failed; 2 wrong usage; 3 nothing says how to reach the API server; 7 the lease is lost
(start it again: it stands by, or leads).
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from mooring_operator import settings


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="mooring-operator", description="Mooring's operator")
    root.add_argument("--version", action="version", version=f"%(prog)s {version('mooring')}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="plan and write until SIGTERM",
        description="Plan and write until SIGTERM. A flag goes before its environment variable.",
        epilog=(__doc__ or "").partition("\n\n")[2],
    )
    settings.add_flags(run)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        chosen = settings.chosen(options)
    except settings.BadSetting as error:
        return _complain(str(error), 2)
    return _run(chosen)


def _run(chosen: settings.Settings) -> int:
    # Only here: --help and a wrong flag must not wait for kopf.
    from mooring_kube.connection import NoConnection, find
    from mooring_operator import logs
    from mooring_operator.process import Exit, Operator, leave

    logs.begin(chosen.log_format, chosen.log_level)
    try:
        connection = find(chosen.kubeconfig)
    except NoConnection as error:
        return _complain(str(error), Exit.NO_CONNECTION)
    try:
        code = Operator(chosen, connection, f"mooring-operator/{version('mooring')}").run()
    except OSError as error:
        return _complain(f"{flag_of_address(chosen)}: {error}", Exit.FAILED)
    except Exception:  # its threads must not keep a process alive whose main part is dead
        logging.getLogger(__name__).exception("the operator failed")
        code = Exit.FAILED
    leave(code)
    return code


def flag_of_address(chosen: settings.Settings) -> str:
    return f"{settings.flag('metrics_address')} {chosen.metrics_address}"


def _complain(text: str, code: int) -> int:
    print(f"mooring-operator: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
