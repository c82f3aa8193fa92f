"""`mooring-node probe`: what kubelet asks every few seconds on every node, so it imports next to nothing (shell).

The daemon judges (supervisor/liveness.py, supervisor/readiness.py); here its sentence is passed on.
"""

import _socket
import os
import sys

DEFAULT_STATE = "/var/lib/mooring"
QUESTIONS = ("live", "ready")
#: The supervisor answers at once, or after 2 s where it has to ask others.
PATIENCE_S = 5.0
FAILED, NO_DAEMON = 1, 6
_CREDENTIALS_BYTES = 12


class AnotherContainer(OSError):  # noqa: N818 - it names what was found
    """Who listens is not the daemon of this container: the state folder is the node's, and all pods there share it."""


def probe(arguments: list[str]) -> int | None:
    """Ask, and say the answer: 0 where it is yes. None where the arguments want the real parser's words."""
    match arguments:
        case [question] if question in QUESTIONS:
            state = DEFAULT_STATE
        case [question, "--state-dir", state] | ["--state-dir", state, question] if question in QUESTIONS:
            pass
        case _:
            return None
    path = os.path.join(state, "control.sock")
    try:
        answer = answer_of(path, question)
    except OSError as error:
        print(f"mooring-node: {unanswered(path, error)}", file=sys.stderr)
        return NO_DAEMON
    verdict, _, words = answer.strip().partition(" ")
    good = verdict == "yes"
    print(words, file=sys.stdout if good else sys.stderr)
    return 0 if good else FAILED


def unanswered(path: str, error: OSError) -> str:
    """Why nobody answered there, and what to do, for a person."""
    if isinstance(error, TimeoutError):
        why = (
            "timed out: it hangs, or the machine stands still. Its other processes may go on. If that does not end,"
            " kill -9 its first process (mooring-node): the others hand over and end; then start it again"
        )
    elif isinstance(error, ConnectionRefusedError):
        why = (
            "it does not run; what is there is the socket of one that was killed. Start it: it clears away what that"
            " one held, which otherwise ends with its lease"
        )
    elif isinstance(error, FileNotFoundError):
        why = "no daemon runs with this state folder; start it, or give its folder with --state-dir"
    elif isinstance(error, PermissionError):
        why = "it is for the daemon's own user; run this as root"
    else:
        why = str(error)
    return f"no daemon answers at {path}: {why}"


def answer_of(path: str, question: str) -> str:
    """One line of text, within PATIENCE_S, else OSError; AnotherContainer where the daemon of another one listens.

    The question is in JSON as all are, the answer is not, for the sake of the imports.
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(path)
        refuse_another_container(connection)
        connection.sendall(b'{"do": "%s"}\n' % question.encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    finally:
        connection.close()
    if not received:
        raise OSError("it ended the connection without an answer")
    return received.decode(errors="replace")


def refuse_another_container(connection: _socket.socket) -> None:
    """AnotherContainer unless the listener of this Unix socket is in our own process namespace.

    SO_PEERCRED (unix(7)) names it by its number here, 0 where it has none. One in a namespace below ours, which
    a container in the node's own namespace sees, has more numbers than one (NSpid of proc_pid_status(5)).
    """
    credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS_BYTES)
    pid = int.from_bytes(credentials[:4], sys.byteorder)
    if not pid or _numbers(pid) > 1:
        raise AnotherContainer("no daemon of this container does; one of another container has the state folder")


def _numbers(pid: int) -> int:
    """How many process namespaces, from ours downwards, have a number for it; 0 where that cannot be read."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return next((len(line.split()) - 1 for line in status if line.startswith(b"NSpid:")), 0)
    except OSError:
        return 0
