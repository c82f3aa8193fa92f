"""`mooring-node run`: puts the processes together."""

import errno
import fcntl
import gc
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder, read_json
from mooring_node.keeping import adoptable, keeping, last_groups, left_out_groups, write_kept
from mooring_node.kernel.process import (
    Scheduling,
    be_expendable,
    lock_memory,
    no_core_dumps,
    now_ns,
    oom_score,
    protect_from_oom,
    real_time,
    set_name,
)
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.ledger import Entries, Ledger, addresses_of, undo_addresses, undo_settings
from mooring_node.log import Log
from mooring_node.supervisor.children import ChildNumber, Duty
from mooring_node.supervisor.process import LONGEST_END_NS, Supervisor
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.process import Process
from mooring_node.vrrp.waiting import allow_descriptors

REAL_TIME_PRIORITY = 50
#: A predecessor that ends as planned holds the lock for no longer than its processes may take, and what it clears.
LOCK_PATIENCE_S = sum(LONGEST_END_NS.values()) / SECOND_NS + 10
NODE_LOCK = "\0mooring-node"
PROC_SYS_NET = Path("/proc/sys/net")
VRRP_STALL_NS = 3 * SECOND_NS
AGENT_STALL_NS = 60 * SECOND_NS
CHECKS_STALL_NS = 30 * SECOND_NS
AGENT_PATIENCE_NS = 3 * SECOND_NS


class AlreadyRunning(Exception):  # noqa: N818 - it names what was found
    """Another daemon has this state folder."""


def take_lock(state: StateFolder, log: Log, patience_s: float = LOCK_PATIENCE_S) -> tuple[int, socket.socket]:
    """One daemon for each state folder, and one for each network namespace: two would undo each other's addresses.

    Both locks are inherited by all processes, so they end with the last of them. SystemExit when a SIGTERM comes while
    it waits; AlreadyRunning when it has waited for so long.
    """
    handle = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # An abstract socket: its name is the network namespace's own, and nothing of it can be left behind.
    node = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + patience_s
    waiting = False
    # Process 1 of a container ends by no signal that it does not ask for.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while not _taken(handle, node):
            if time.monotonic() >= deadline:
                raise AlreadyRunning(f"another daemon runs on this node, or with {state.path}{_holder()}")
            if not waiting:
                log.write("info", f"another daemon runs here{_holder()}; waiting for its end, up to {patience_s:.0f} s")
            waiting = True
            time.sleep(0.05)
    except BaseException:
        os.close(handle)
        node.close()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return handle, node


def _taken(handle: int, node: socket.socket) -> bool:
    """Try to take both; what is taken already stays so."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        node.bind(NODE_LOCK)
        # Nobody is ever let in; who listens can be asked for by the kernel's word.
        node.listen()
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EADDRINUSE):
            raise
        return False
    return True


def _holder() -> str:
    """Who has the node's lock, as far as the kernel tells (SO_PEERCRED of unix(7)): an addition to a sentence."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(NODE_LOCK)
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return ""
    pid = int.from_bytes(credentials[:4], sys.byteorder)
    return f" (process {pid})" if pid else " (in another container)"


class AgentRun(Protocol):
    """How the agent is run in its child."""

    def __call__(
        self, state: StateFolder, board: Board, child: int, vrrp: Channel, supervisor: Channel, checks: Channel, /
    ) -> None: ...


def run(
    state: StateFolder,
    agent_run: AgentRun,
    log: Log,
    *,
    priority: int = REAL_TIME_PRIORITY,
    checks_only: bool = False,
    scripts: Path | None = None,
    sys_net: Path = PROC_SYS_NET,
) -> int:
    """Everything from the lock to the last undone setting; the exit code.

    With `checks_only` there is no VRRP process: nothing is held, and what is balanced is balanced all the same.
    `scripts` is the folder of the programs for checks and notifications, None: where it is by default. `sys_net` is
    where the kernel's settings of the network are written.
    """
    state.create()
    lock = take_lock(state, log)
    ledger = Ledger(state.ledger)
    board = Board()
    _undo_what_is_left(state, board, ledger, log)
    # All of them are kept, also those that are not run: a channel whose other end is closed is readable for ever.
    everything, channels = _plan(state, board, agent_run, priority, scripts, sys_net)
    duties = tuple(duty for duty in everything if not (checks_only and duty.number is ChildNumber.VRRP))

    def undo() -> None:
        with Rtnetlink() as rtnetlink:
            undo_addresses(rtnetlink, ledger.read().addresses)

    set_name("mooring-node")
    protect_from_oom()
    no_core_dumps()
    # What the children share stays shared only while nobody writes to it; the collector would.
    gc.collect()
    gc.freeze()
    gc.disable()
    code = Supervisor(state, board, duties, channels, undo, log).run()
    if not keeping(state, board):
        _clear_away(state, log, sys_net)
    _finish(state, board, ledger)
    os.close(lock[0])
    lock[1].close()
    return code


def _undo_what_is_left(state: StateFolder, board: Board, ledger: Ledger, log: Log) -> None:
    """Of an earlier start nothing stays but what the VRRP process may take over."""
    for path, loss in (
        (state.ledger, "what an earlier start left cannot be undone"),
        (state.accepted, "no last good one"),
    ):
        if path.exists() and read_json(path) is None:
            log.write("error", f"{path} cannot be read: {loss}")
    _tell_of_newer(state, ledger, log)
    with Rtnetlink() as rtnetlink:
        kept = addresses_of(adoptable(state, board))
        undo_addresses(rtnetlink, ledger.read().addresses - kept)
        undo_settings(rtnetlink, ledger.read().settings)
    # The VRRP process may run the last good configuration before the agent has read any.
    entries = ledger.read()
    ledger.write(Entries(entries.addresses | addresses_of(last_groups(state)), entries.settings))
    state.kept.unlink(missing_ok=True)
    if not board.vouched_ns():
        # Results outlive the checks process, and the daemon only with the tables that were made of them.
        state.results.unlink(missing_ok=True)


def _tell_of_newer(state: StateFolder, ledger: Ledger, log: Log) -> None:
    """What a newer release left in the state folder, and this one cannot use."""
    if unknown := ledger.unknown():
        what = f"a newer release has set what this one cannot undo ({', '.join(sorted(unknown))})"
        log.write("warning", f"{state.ledger}: {what}; it stays listed, and that release undoes it when it runs again")
    if left_out := left_out_groups(state):
        what = f"{', '.join(left_out)} need a newer release, and are not run before the configuration is read again"
        log.write("warning", f"{state.accepted}: {what}")


def _plan(
    state: StateFolder, board: Board, agent_run: AgentRun, priority: int, scripts: Path | None, sys_net: Path
) -> tuple[tuple[Duty, ...], dict[ChildNumber, Channel]]:
    """What each child does, and the supervisor's channel to it."""
    to_vrrp, vrrp_supervisor = Channel.pair()
    to_agent, agent_supervisor = Channel.pair()
    to_checks, checks_supervisor = Channel.pair()
    vrrp_agent, agent_vrrp = Channel.pair()
    checks_agent, agent_checks = Channel.pair()
    checks_vrrp, vrrp_checks = Channel.pair()

    def vrrp(restarted: bool) -> None:
        run_vrrp(state, board, vrrp_supervisor, vrrp_agent, vrrp_checks, restarted=restarted, priority=priority)

    def agent(_restarted: bool) -> None:
        # First of all: what it imports is most of what it weighs.
        be_expendable()
        vrrp_checks.close()
        # When the supervisor has died this channel ends with the VRRP process, and the agent after it.
        vrrp_agent.close()
        agent_run(state, board, int(ChildNumber.AGENT), agent_vrrp, agent_supervisor, agent_checks)

    def checks(_restarted: bool) -> None:
        be_expendable()
        # Only here: the other processes must not carry what it imports.
        from mooring_node.balance.assembly import run_checks

        # When the supervisor has died this channel ends with the VRRP process, and our tables after it.
        vrrp_checks.close()
        vrrp_agent.close()
        channels = (checks_supervisor, checks_agent, checks_vrrp)
        run_checks(state, board, int(ChildNumber.CHECKS), channels, scripts, sys_net)

    def balances() -> bool:
        # By what is on disk, so that no lost message and no crash can make it forget to start or to clear away.
        return state.balance.exists() or state.balancing.exists()

    duties = (
        Duty(ChildNumber.VRRP, "vrrp", vrrp, VRRP_STALL_NS),
        Duty(ChildNumber.AGENT, "agent", agent, AGENT_STALL_NS),
        Duty(ChildNumber.CHECKS, "checks", checks, CHECKS_STALL_NS, balances),
    )
    return duties, {ChildNumber.VRRP: to_vrrp, ChildNumber.AGENT: to_agent, ChildNumber.CHECKS: to_checks}


def run_vrrp(
    state: StateFolder,
    board: Board,
    supervisor: Channel,
    agent: Channel,
    checks: Channel,
    *,
    restarted: bool,
    priority: int,
) -> None:
    """The VRRP process, from its rights to its end."""
    allow_descriptors()
    process = Process(board, int(ChildNumber.VRRP), supervisor, agent, checks, state.accepted, state.balance)
    signal.signal(signal.SIGTERM, lambda *_: process.ask_to_stop())
    process.apart.maintenance = state.maintenance.exists()
    process.facts = rights_taken(priority)
    scheduling = process.facts["scheduling"]
    if process.facts["realTimeWanted"] and scheduling != Scheduling.REAL_TIME.value:
        process.say(
            "warning",
            f"real-time priority was refused ({scheduling} instead): under load adverts may be late;"
            " grant CAP_SYS_NICE",
        )
    if not process.facts["memoryLocked"]:
        process.say("warning", "memory could not be locked: under pressure adverts may be late; grant CAP_IPC_LOCK")
    gc.freeze()
    gc.disable()
    if restarted:
        process.configure(now_ns())
    else:
        if keeping(state, board):
            # Addresses that were kept have kept their tables, and are lost to those who wait.
            process.tables_stand()
        process.wait_for_agent(AGENT_PATIENCE_NS)
    process.run()


def rights_taken(priority: int) -> dict[str, Any]:
    """Takes for this process what it is allowed, and says what that was; a priority of 0 wants normal scheduling."""
    scheduling = real_time(priority) if priority else Scheduling.NORMAL
    return {
        "pid": os.getpid(),
        "scheduling": scheduling.value,
        "realTimeWanted": priority > 0,
        "memoryLocked": lock_memory(),
        "oomScore": oom_score(),
    }


def _clear_away(state: StateFolder, log: Log, sys_net: Path) -> None:
    """What a checks process left that was killed while it ended."""
    if state.balancing.exists():
        from mooring_node.balance.clearing import clear_away

        for words in clear_away(state, sys_net):
            log.write("error", f"left behind: {words}")


def _finish(state: StateFolder, board: Board, ledger: Ledger) -> None:
    """Nothing is left behind but what the configuration says to keep."""
    groups = keeping(state, board)
    kept = addresses_of(groups)
    entries = ledger.read()
    with Rtnetlink() as rtnetlink:
        undo_addresses(rtnetlink, entries.addresses - kept)
        undo_settings(rtnetlink, entries.settings)
    ledger.write(Entries(kept, frozenset()))
    if groups:
        standings = {group.name: board.slot(group.name).read() for group in groups}
        write_kept(state.kept, standings, board.vouched_ns())
