"""`mooring-operator`: plans NodeConfigs from VirtualIPs and writes them.

Exit codes: 0 ended as asked; 1 failed; 2 wrong usage; 3 nothing says how to reach the API server; 7 the lease is lost
(start it again: it stands by, or leads).
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mooring_api.duration import Duration
from mooring_api.version import VERSION
from mooring_operator import settings

#: The settings of `run` that `verify` has too.
VERIFY_SETTINGS = ("kubeconfig", "namespace", "lease_name")
#: As the chart labels them.
DAEMONS = "app.kubernetes.io/name=mooring,app.kubernetes.io/component=node"


class _Parser(argparse.ArgumentParser):
    """Takes no shortened flags: one would mean another, or nothing, once two begin like it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)


def parser() -> argparse.ArgumentParser:
    root = _Parser(prog="mooring-operator", description="Mooring's operator")
    root.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="plan and write until SIGTERM",
        description="Plan and write until SIGTERM. A flag goes before its environment variable.",
        epilog=(__doc__ or "").partition("\n\n")[2],
    )
    settings.add_flags(run)
    verify = commands.add_parser(
        "verify",
        help="say whether the installation works",
        description="Wait until the API server knows Mooring's resources, an operator leads, and every daemon runs the"
        " newest generation of its NodeConfig; say what is wrong and what to do. Nothing is written.",
        epilog="Exit codes: 0 all is well; 1 something is wrong; 2 wrong usage; 3 nothing says how to reach the API"
        " server.",
    )
    settings.add_flags(verify, VERIFY_SETTINGS)
    verify.add_argument(
        "--daemons", metavar="SELECTOR", default=DAEMONS, help=f"labels of the daemons' pods (default {DAEMONS})"
    )
    verify.add_argument(
        "--timeout", metavar="TIME", type=_time, default=_time("60s"), help="how long to wait for it (default 60s)"
    )
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        chosen = settings.chosen(options)
    except settings.BadSetting as error:
        return _complain(str(error), 2)
    return _verify(chosen, options) if options.command == "verify" else _run(chosen)


def _verify(chosen: settings.Settings, options: argparse.Namespace) -> int:
    from mooring_kube.client import Client
    from mooring_kube.connection import NoConnection, find
    from mooring_operator.verdict import Place
    from mooring_operator.verify import REQUEST_S, Verifier

    try:
        connection = find(chosen.kubeconfig)
    except NoConnection as error:
        return _complain(str(error), 3)
    client = Client(connection, agent=f"mooring-operator/{VERSION} verify", timeout_s=REQUEST_S)
    place = Place(chosen.namespace, chosen.lease_name, options.daemons)
    return 0 if Verifier(client, place).run(options.timeout.seconds) else 1


def _time(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _run(chosen: settings.Settings) -> int:
    # Only here: --help and a wrong flag must not wait for kopf.
    from mooring_kube.connection import NoConnection, find
    from mooring_operator import logs
    from mooring_operator.process import Exit, Operator, leave

    # One name, in the Lease and in the log, where it is made up.
    chosen = replace(chosen, identity=chosen.own_identity)
    logs.begin(chosen.log_format, chosen.log_level, chosen.identity)
    try:
        connection = find(chosen.kubeconfig)
    except NoConnection as error:
        return _complain(str(error), Exit.NO_CONNECTION)
    try:
        code = Operator(chosen, connection, f"mooring-operator/{VERSION}").run()
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
