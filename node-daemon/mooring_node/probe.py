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
        print(f"mooring-node: no daemon answers at {path}: {error}", file=sys.stderr)
        return NO_DAEMON
    verdict, _, words = answer.strip().partition(" ")
    good = verdict == "yes"
    print(words, file=sys.stdout if good else sys.stderr)
    return 0 if good else FAILED


def answer_of(path: str, question: str) -> str:
    """One line of text, within PATIENCE_S, else OSError.

    The question is in JSON as all are, the answer is not, for the sake of the imports.
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(path)
        connection.sendall(b'{"do": "%s"}\n' % question.encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    finally:
        connection.close()
    if not received:
        raise OSError("it ended the connection without an answer")
    return received.decode(errors="replace")
