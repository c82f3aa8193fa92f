"""One try against a server of this process: what the runner does, without its timers."""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

from mooring_node.checks.attempt import Attempt, Driver, Probing, Scope
from mooring_node.checks.config import CheckConfig, Probe, Target
from mooring_node.checks.probes import Probes
from mooring_node.checks.verdict import Outcome

#: Beyond what a stalled machine takes.
LONG_S = 60.0


def target(probe: Probe, port: int, address: str = "127.0.0.1", **common: object) -> Target:
    return Target(CheckConfig(probe, **common), address, port)  # type: ignore[arg-type]


def tried(
    asked: Target, timeout_s: float = LONG_S, probes: Callable[[Scope, Target], Probing] | None = None
) -> Outcome:
    """What one try comes to; a withheld one raises its Withheld."""
    driver = Driver()
    ended: list[tuple[Scope, Outcome | None]] = []
    attempt = Attempt(driver, lambda *end: ended.append(end))
    until = time.monotonic() + timeout_s
    try:
        attempt.run((probes or Probes())(attempt, asked))
        while not ended:
            left = until - time.monotonic()
            if left <= 0:
                attempt.expire()
            elif driver.busy or select.select([driver], [], [], left)[0]:
                driver.turn()
    finally:
        attempt.cancel()
        driver.close()
    outcome = ended[0][1]
    if outcome is None:
        assert attempt.error is not None
        raise attempt.error
    return outcome


@contextlib.contextmanager
def serving(
    serve: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET
) -> Iterator[int]:
    """A server that calls `serve` with each connection, one after the other; gives its port."""
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    listening = socket.create_server((address, 0), family=family)
    stopped = threading.Event()

    def accept() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(LONG_S)
                if tls is None:
                    serve(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True) as secure:
                        serve(secure)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stopped.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(LONG_S)
        assert not thread.is_alive()


def head(connection: socket.socket) -> bytes:
    """The head of a request."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(4096)
        if not data:
            break
        received += data
    return received


def until_closed(connection: socket.socket) -> None:
    """Say nothing until the other side leaves."""
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass
