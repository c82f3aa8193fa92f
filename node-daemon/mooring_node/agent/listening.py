"""Hearing what the API server says: connecting, two watches, and what the log says when they are not heard."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mooring_kube.connection import NoConnection
from mooring_kube.errors import KubeError, Unreachable
from mooring_node.agent.api import Followed, Posted, Server
from mooring_node.agent.hearing import Hearing, explain
from mooring_node.agent.writer import Document
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log
from mooring_node.units import SECOND_NS

#: While the server is not heard, kubeconfig and service account are looked at again: they may have been renewed.
RENEW_NS = 15 * SECOND_NS
#: What must not happen must not happen often: a watch that ended by our own mistake is begun anew.
AGAIN_NS = 5 * SECOND_NS


class Events(Protocol):
    """What becomes of the objects of one watch; called in the loop's thread."""

    def listed(self, items: Iterable[Document]) -> None: ...

    def changed(self, item: Document) -> None: ...

    def deleted(self, item: Document) -> None: ...

    def unheard(self) -> None:
        """Nothing can be heard at present; told at each failed attempt."""


class Listening:
    """Both watches. `connect` may raise NoConnection or Unreachable.

    `heard` is told when NodeConfigs are heard (again), `what_runs` gives words for the log.
    """

    def __init__(
        self,
        connect: Callable[[], Server],
        configs: Events,
        secrets: Events,
        heard: Callable[[Server, int], None],
        what_runs: Callable[[], str],
        log: Log,
    ) -> None:
        self._connect = connect
        self._heard = heard
        self._what_runs = what_runs
        self._log = log
        self._server: Server | None = None
        now = now_ns()
        self._configs = _Watch(self, Hearing(now), configs, self._configs_up, self._configs_down)
        self._secrets = _Watch(self, Hearing(now, discreet=True), secrets, lambda: None, self._secrets_down)
        self._restarts = 0
        self._tried_at_ns = 0

    def listen(self) -> NoConnection | None:
        """Connect and follow, or say what is missing for it; what goes on with the same identity is left alone."""
        self._tried_at_ns = now_ns()
        try:
            server = self._connect()
        except NoConnection as error:
            self._not_connected(error)
            return error
        except Unreachable as error:
            self._not_connected(error)
            return None
        if self._server is not None and server.connection == self._server.connection:
            return None
        self.stop()
        self._server = server
        self._configs.begin(server, server.follow_node_config)
        self._secrets.begin(server, server.follow_secrets)
        return None

    def stop(self) -> None:
        """Hear no more; returns at once."""
        self._server = None
        for watch in (self._configs, self._secrets):
            self._restarts += watch.end()

    def turn(self, now: int) -> None:
        """To be called now and then: sees which watches are open, and tries what has to be tried again."""
        alive = self._configs.alive and self._secrets.alive
        if not alive and now - self._tried_at_ns > AGAIN_NS:
            self._log.write("error", "a watch of the API ended by a mistake of ours; it is begun anew")
            self.stop()
            self.listen()
        self._configs.look(now)
        self._secrets.look(now)
        lost_at_ns = max(self._configs.hearing.since_ns, self._tried_at_ns)
        if not self._configs.hearing.heard and now - lost_at_ns > RENEW_NS:
            self.listen()

    @property
    def url(self) -> str:
        return self._server.connection.server if self._server else ""

    def is_current(self, server: Server) -> bool:
        """Whether what is heard from there still counts: a watch that was stopped may have more to say."""
        return server is self._server

    def remarks(self) -> tuple[str, ...]:
        hearing = self._secrets.hearing
        return (f"Secrets are not heard of: {hearing.error}; the keys on disk stay",) if hearing.refused else ()

    def about(self, now: int) -> dict[str, Any]:
        """Plain values, nothing secret."""
        return {
            "server": self.url,
            "nodeConfig": dict(self._configs.hearing.about(now)),
            "secrets": dict(self._secrets.hearing.about(now)),
            "watchRestarts": self._restarts + self._configs.restarts + self._secrets.restarts,
        }

    # What the log says.

    def _not_connected(self, error: Exception) -> None:
        if self._server is None:
            self._configs.failed(Unreachable(str(error)))

    def _configs_up(self) -> None:
        if self._server is not None:
            gap_ns = self._configs.hearing.gap_ns
            after = f" again, after {gap_ns // SECOND_NS} s" if gap_ns else ""
            self._log.write("info", f"the API server {self.url} is heard{after}")
            self._heard(self._server, now_ns())

    def _configs_down(self, error: KubeError) -> None:
        where = f"the API server {self.url}" if self.url else "the API server"
        self._log.write("warning", f"{where} is not heard: {explain(error)}; {self._what_runs()}")

    def _secrets_down(self, error: KubeError) -> None:
        # That the server is gone, the other watch says.
        if self._secrets.hearing.refused:
            self._log.write("error", f"Secrets are not heard of: {explain(error)}; the keys on disk stay")


class _Watch:
    """One watch: a handler in the loop's thread that knows whether it is heard."""

    def __init__(
        self,
        listening: Listening,
        hearing: Hearing,
        events: Events,
        up: Callable[[], None],
        down: Callable[[KubeError], None],
    ) -> None:
        self.hearing = hearing
        self._listening = listening
        self._events = events
        self._up = up
        self._down = down
        self._followed: Followed | None = None

    def begin(self, server: Server, follow: Callable[[Any], Followed]) -> None:
        handler = _Handler(self, lambda: self._listening.is_current(server))
        self._followed = follow(Posted(asyncio.get_running_loop(), handler))

    def end(self) -> int:
        """How often it had been begun."""
        followed, self._followed = self._followed, None
        if followed is None:
            return 0
        followed.stop()
        return followed.restarts + 1

    @property
    def alive(self) -> bool:
        return self._followed is None or self._followed.is_alive()

    @property
    def restarts(self) -> int:
        return self._followed.restarts if self._followed else 0

    def look(self, now: int) -> None:
        """A watch that goes on where it was broken off tells nobody: look whether it is open."""
        if self._followed is not None and self._followed.connected and self.hearing.up(now):
            self._up()

    def listed(self, items: Iterable[Document]) -> None:
        if self.hearing.up(now_ns()):
            self._up()
        self._events.listed(items)

    def changed(self, item: Document) -> None:
        self._events.changed(item)

    def deleted(self, item: Document) -> None:
        self._events.deleted(item)

    def failed(self, error: KubeError) -> None:
        if self.hearing.down(now_ns(), error):
            self._down(error)
        self._events.unheard()


class _Handler:
    """Lets through what still counts."""

    def __init__(self, watch: _Watch, counts: Callable[[], bool]) -> None:
        self._watch = watch
        self._counts = counts

    def listed(self, items: Iterable[Document]) -> None:
        if self._counts():
            self._watch.listed(items)

    def changed(self, item: Document) -> None:
        if self._counts():
            self._watch.changed(item)

    def deleted(self, item: Document) -> None:
        if self._counts():
            self._watch.deleted(item)

    def failed(self, error: KubeError) -> None:
        if self._counts():
            self._watch.failed(error)
