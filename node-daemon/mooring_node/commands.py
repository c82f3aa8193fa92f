"""The commands: the daemon of one node, and what a person who stands before it asks and says.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the configuration is not usable; 4 a right is missing;
5 another daemon runs on this node or has the state folder; 6 no daemon answers.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mooring_node.files import StateFolder
from mooring_node.options import parser, place_of, settle_source, shared_with_preflight
from mooring_node.preflight.options import PROC_SYS_NET, SYS_NET_VARIABLE
from mooring_node.probe import QUESTIONS, AnotherContainer, answer_of, probe, refuse_another_container, unanswered

if TYPE_CHECKING:
    from mooring_node.board import Board
    from mooring_node.channel import Channel
    from mooring_node.daemon import AgentRun

#: A program of ours; -P: its modules are not looked for where somebody happens to stand.
_OURSELVES = (sys.executable, "-P", "-m")
UNUSABLE, MISSING_RIGHT, ALREADY_RUNNING, NO_DAEMON = 3, 4, 5, 6


def run_command(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    commands = {
        "run": _run,
        "check": _check,
        "status": _status,
        "maintenance": _maintenance,
        "probe": _probe,
        "hand-over": _hand_over,
        "preflight": _preflight,
    }
    try:
        code = commands[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read our output has gone (`status | head`); the interpreter's last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _run(options: argparse.Namespace) -> int:
    from mooring_node import daemon
    from mooring_node.log import Log, catch_strays

    settle_source(options)
    missing = missing_right()
    if missing:
        return _complain(f"{missing}; run it as root, or grant the capability", MISSING_RIGHT)
    if not options.sys_net.is_dir():
        said = f"--sys-net (or {SYS_NET_VARIABLE}): {options.sys_net} is no folder"
        return _complain(f"{said}; mount the node's {PROC_SYS_NET} there", 2)
    try:
        host, port = place_of(options.metrics_address)
    except ValueError as error:
        return _complain(f"--metrics-address {error}", 2)

    try:
        log = Log(as_json=options.log_format == "json", node=options.node or "")
        catch_strays(log)
        return daemon.run(
            StateFolder(options.state_dir),
            _agent_of(options, host, port),
            log,
            priority=options.real_time_priority,
            checks_only=options.checks_only,
            scripts=options.scripts_dir,
            sys_net=options.sys_net,
        )
    except daemon.AlreadyRunning as error:
        return _complain(str(error), ALREADY_RUNNING)
    except OSError as error:
        return _complain(f"{options.state_dir}: {error}", 1)


def _agent_of(options: argparse.Namespace, host: str, port: int) -> "AgentRun":
    """What the agent's process does; the metrics are served at `host` and `port`."""

    def agent(
        state: StateFolder, board: "Board", child: int, vrrp: "Channel", supervisor: "Channel", checks: "Channel"
    ) -> None:
        # Only here: what the agent imports, the other processes must not carry.
        import asyncio

        from mooring_node.agent.interfaces import HIDDEN, Choice
        from mooring_node.agent.options import AgentOptions, ApiSource
        from mooring_node.agent.process import Agent

        choice = Choice(tuple(options.show_interface or ()), (*HIDDEN, *(options.hide_interface or ())))
        source = options.config or ApiSource(options.node, options.namespace, options.kubeconfig, choice)
        json_logs, checks_only = options.log_format == "json", options.checks_only
        preflight = (*_OURSELVES, "mooring_node.main", "preflight", *shared_with_preflight(options))
        judge = (*_OURSELVES, "mooring_node.judge.process")
        chosen = AgentOptions(source, host, port, json_logs, judge, checks_only, preflight)

        async def run_agent() -> None:
            await Agent(chosen, state, board, child, vrrp, supervisor, checks).run()

        asyncio.run(run_agent())

    return agent


def missing_right() -> str | None:
    """The capability that this process lacks, in words; None when it may do everything that the daemon must."""
    for name, family, kind, protocol in (
        ("CAP_NET_RAW", socket.AF_PACKET, socket.SOCK_RAW, 0),
        ("CAP_NET_RAW", socket.AF_INET, socket.SOCK_RAW, 112),
    ):
        try:
            socket.socket(family, kind, protocol).close()
        except PermissionError:
            return f"{name} is missing (raw sockets are refused)"
    effective = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    if not int(effective.split()[1], 16) >> 12 & 1:
        return "CAP_NET_ADMIN is missing (addresses could not be set)"
    return None


def _check(options: argparse.Namespace) -> int:
    from mooring_node.check import check

    return 0 if check(options.config) else UNUSABLE


def _status(options: argparse.Namespace) -> int:
    from mooring_node import status
    from mooring_node.supervisor.control import ask

    state = StateFolder(options.state_dir)
    try:
        reply = ask(state.control, {"do": "status"})
    except OSError as error:
        return _unanswered(state, error)
    reply["transitions"] = status.transitions(state.transitions)
    if "vrrp" in reply["silent"]:
        reply["lastStates"] = status.last_states(state.transitions)
    print(json.dumps(reply, indent=1) if options.output == "json" else status.text(reply))
    return 1 if reply["silent"] else 0


def _maintenance(options: argparse.Namespace) -> int:
    from mooring_node.supervisor.control import ask

    state = StateFolder(options.state_dir)
    try:
        reply = ask(state.control, {"do": "maintenance", "on": options.switch == "on"})
    except TimeoutError as error:
        if state.maintenance.exists() == (options.switch == "on"):
            return _unanswered(state, error)
        return _unanswered(
            state, error, "; maintenance is as it was, and this request is dropped if it was not read yet"
        )
    except OSError as error:
        return _unanswered(state, error)
    if "error" in reply:
        return _complain(reply["error"], 1)
    remark = f"; {reply['remark']}" if "remark" in reply else ""
    print(f"maintenance is {options.switch}{remark}")
    return 0


def _probe(options: argparse.Namespace) -> int:
    """Spelled in another way than kubelet does."""
    code = probe([options.question, "--state-dir", str(options.state_dir)])
    assert code is not None
    return code


def _preflight(options: argparse.Namespace) -> int:
    from mooring_node.preflight.command import preflight

    return preflight(options)


def _hand_over(options: argparse.Namespace) -> int:
    from mooring_node.supervisor.control import ask
    from mooring_node.supervisor.handing import PATIENCE_NS

    state = StateFolder(options.state_dir)
    try:
        # One that hangs is found out at once: who wants to end it must not wait for it.
        answer_of(str(state.control), QUESTIONS[0])
        reply = ask(state.control, {"do": "hand-over"}, timeout_s=PATIENCE_NS / 1e9 + 5, admit=refuse_another_container)
    except TimeoutError as error:
        return _complain(unanswered(str(state.control), error), 1)
    except (FileNotFoundError, ConnectionRefusedError, PermissionError, AnotherContainer) as error:
        return _complain(unanswered(str(state.control), error), NO_DAEMON)
    except ConnectionError:
        # It ended while we waited, and a daemon that ends has handed over.
        reply = {"remark": "the daemon has ended"}
    except OSError as error:
        return _complain(f"the daemon at {state.control} does not answer: {error}", 1)
    if "error" in reply:
        return _complain(reply["error"], 1)
    remark = f"; {reply['remark']}" if "remark" in reply else ""
    print(f"everything is handed over{remark}")
    return 0


def _unanswered(state: StateFolder, error: OSError, remark: str = "") -> int:
    code = 1 if isinstance(error, PermissionError) else NO_DAEMON
    return _complain(f"{unanswered(str(state.control), error)}{remark}", code)


def _complain(text: str, code: int) -> int:
    print(f"mooring-node: {text}", file=sys.stderr)
    return code
