"""The commands of `mooring lab` for a lab that has an API server."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from typing import Any

from mooring_lab.lab import Lab
from mooring_lab.rights import LabError

Command = Callable[[Any, str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def register(commands: Any, command: Command) -> None:
    """Add them; `command` makes one with a name, what it runs and a text."""
    run = command(commands, "kubectl", _kubectl, "run kubectl against the lab's API server: kubectl -- get vip")
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    command(
        commands,
        "kubeconfig",
        _kubeconfig,
        'print the file that leads there: export KUBECONFIG="$(mooring lab kubeconfig)"',
    )
    api = command(commands, "api", _api, "kill the API server (its data stays), or start it again")
    api.add_argument("switch", choices=("kill", "start"))
    operator = command(commands, "operator", _operator, "stop, kill or start the operator, or print what it has said")
    operator.add_argument("switch", choices=("stop", "kill", "start", "log"))


def words(given: list[str], example: str) -> list[str]:
    """What another program is to get; LabError where an option of ours stands among it."""
    if given[:1] == ["--"]:
        return given[1:]
    if given and given[0].partition("=")[0] == "--name":
        raise LabError(f"--name belongs before what is run: mooring lab {example}")
    return given


def _kubectl(options: argparse.Namespace) -> int:
    arguments = words(options.arguments, "kubectl --name NAME -- get vip")
    kubectl = Lab.open(options.name).cluster.kubectl
    command = kubectl.command(*arguments)
    sys.stdout.flush()
    os.execve(command[0], command, kubectl.environment)


def _kubeconfig(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{shlex.quote(str(Lab.open(options.name).cluster.kubeconfig))}\n")
    return 0


def _api(options: argparse.Namespace) -> int:
    api = Lab.open(options.name).cluster.api
    api.kill_server() if options.switch == "kill" else api.restart_server()
    return 0


def _operator(options: argparse.Namespace) -> int:
    cluster = Lab.open(options.name).cluster
    if options.switch == "log":
        sys.stdout.write(cluster.operator_log.read_text(errors="replace"))
    elif options.switch == "start":
        cluster.start_operator()
    else:
        cluster.stop_operator(signal.SIGKILL if options.switch == "kill" else signal.SIGTERM)
    return 0
