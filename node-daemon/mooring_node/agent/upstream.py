"""The daemon as the API's client: its one NodeConfig and the keys come in, its status goes out.

Everything here runs in the agent's loop and never blocks it; followers and writer are threads. What the node
runs never depends on it: a server that is gone, refuses or talks nonsense leaves the last good configuration.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mooring_node.agent.api import Server
from mooring_node.agent.configuration import Origin, metadata_of, origin_of, written
from mooring_node.agent.events import ConfigEvents, SecretEvents
from mooring_node.agent.judging import Judge, failed
from mooring_node.agent.keyring import Keyring
from mooring_node.agent.keys import CredentialReport, references_of
from mooring_node.agent.listening import Listening
from mooring_node.agent.report import MOST_CREDENTIALS
from mooring_node.agent.reporter import Reporter
from mooring_node.agent.running import Running
from mooring_node.agent.writer import Document
from mooring_node.judge.messages import Judgement
from mooring_node.kernel.process import now_ns
from mooring_node.log import Log, of_configuration

#: So long a first configuration of the API is waited for before the last good one is run.
PATIENCE_S = 2.0
#: So long a first configuration waits for the keys that it names.
KEYS_PATIENCE_S = 2.0
#: So long the first status waits until what it tells of is known.
STATUS_PATIENCE_S = 5.0
#: An answer to the local socket must fit a message.
MOST_REMARKS = 64
#: Nested as deeply as what cannot be written.
NESTED = "[" * 100_000


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in the NodeConfig, as JSON."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Judged:
    """What is thought of it."""

    judgement: Judgement
    written: Written


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose NodeConfig it is, and where Mooring's Secrets are."""

    node: str
    namespace: str

    @property
    def called(self) -> str:
        return f"NodeConfig {self.node}"


class Upstream:
    """Follows, has accepted, reports.

    `connect` may raise NoConnection or Unreachable; `status` makes the status from the generation that it may
    name, the keys and the remarks.
    """

    def __init__(
        self,
        identity: Identity,
        connect: Callable[[], Server],
        running: Running,
        judge: Judge,
        keyring: Keyring,
        status: Callable[[int | None, Sequence[CredentialReport], Sequence[str]], Mapping[str, Any]],
        log: Log,
    ) -> None:
        self._identity = identity
        self._running = running
        self._judge = judge
        self._keyring = keyring
        self._log = log
        self._status = status
        self._reporter = Reporter(self._build, identity.called, log)
        configs, secrets = ConfigEvents(self), SecretEvents(self, keyring)
        self._listening = Listening(connect, configs, secrets, self._reporter.connected, self._what_runs, log)
        self._there: Origin | None = None
        """The object as it was last seen; None: there is none, or nobody has looked."""
        self._absence = ""
        self._written: Written | None = None
        self._judged: Judged | None = None
        self._confirmed = True
        """False: another text stands under the generation that runs, as after a restore, and is not judged yet."""
        self._began = False
        self._keys_settled = False
        self._resolved: object = None

    def start(self) -> bool:
        """Make the last good configuration ready and begin to listen; False where neither can ever come to anything."""
        last_good = self._running.prepare_last_good()
        loop = asyncio.get_running_loop()
        loop.call_later(PATIENCE_S, self._run_out_of_patience)
        loop.call_later(STATUS_PATIENCE_S, self._report_at_last)
        missing = self._listening.listen()
        return last_good is not None or missing is None

    async def finish(self) -> None:
        """Say the last words (see Reporter) and end."""
        await self._reporter.finish()
        self._listening.stop()

    def turn(self, now: int) -> None:
        """To be called now and then."""
        self._listening.turn(now)
        if self._running.again(now) and not self._judge.busy:
            self.judge()

    def changed(self, *, confirms: bool = False) -> None:
        """Something that the status tells of may be other than before; `confirms`: that another generation runs."""
        self._reporter.changed(confirms=confirms)
        if self._began and self._keys_settled and self._running.settled:
            self._reporter.begin()

    def _report_at_last(self) -> None:
        if self._judge.busy and not self._began:
            asyncio.get_running_loop().call_later(STATUS_PATIENCE_S, self._report_at_last)
        else:
            self._reporter.begin()

    def remarks(self) -> tuple[str, ...]:
        """What somebody should mend, though it keeps nothing of the spec from running."""
        return (*self._listening.remarks(), *self._keyring.book.remarks())

    def about(self) -> dict[str, Any]:
        """For `mooring-node status` and the metrics; nothing secret."""
        observed = self._running.observed
        return {
            "node": self._identity.node,
            "absence": self._absence,
            "generation": self._there.generation if self._there else None,
            "observedGeneration": observed.generation if observed else None,
            "statusWrites": dict(self._reporter.writes),
            "credentials": [each.to_wire() for each in self._keyring.book.reports()[:MOST_CREDENTIALS]],
            "remarks": self.remarks()[:MOST_REMARKS],
            **self._listening.about(now_ns()),
        }

    # The NodeConfig.

    def present(self, document: Document, *, newest: bool) -> None:
        """The NodeConfig as the server has it; `newest`: from a list, else of a watch, which may say it late."""
        metadata = metadata_of(document)
        uid, version = str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
        if metadata.get("name") != self._identity.node or (not newest and self._reporter.is_late(uid, version)):
            return
        self._absence = ""
        origin = origin_of(document)
        # A status that comes round is of the same generation: there is nothing to read. A list may be of a server
        # that was restored from a backup, where the same generation can be another.
        if newest or origin != self._there or not origin.generation:
            self._read(document, origin)
        self._reporter.observed(uid, version, document.get("status"), newest=newest)

    def absent(self, how: str, uid: str | None = None) -> None:
        """There is no NodeConfig, or the one of this uid is gone: what runs goes on."""
        if uid is not None and (self._there is None or self._there.uid != uid):
            return
        if not self._absence:
            self._absence = how
            what = f"{self._identity.called} {how}; {self._what_runs()}"
            self._log.write("warning", what, of_configuration(self._identity.node))
        self._there = None
        self._reporter.absent()
        self._begin()

    def unheard(self) -> None:
        self._reporter.lost()
        self._begin()

    @property
    def nothing_there(self) -> bool:
        """Whether the server has said that there is no NodeConfig for this node."""
        return bool(self._absence)

    @property
    def node(self) -> str:
        return self._identity.node

    def _read(self, document: Document, origin: Origin) -> None:
        self._there = origin
        before, self._written = self._written, Written(self._text(document), origin)
        if before is not None and before.origin == origin and before.text != self._written.text:
            self._confirmed = False
        self.judge()

    def _text(self, document: Document) -> str:
        try:
            return written(document)
        except RecursionError:
            # The judge says so too, and in its turn.
            return NESTED

    def judge(self) -> None:
        """Have the NodeConfig judged for the node as it is now, and run what is good of it."""
        if self._written is None:
            return
        try:
            question = self._running.question(self._written.text, "api", self._identity.called)
        except OSError as error:
            self._take(
                self._written, failed(self._identity.called, f"the node's interfaces could not be read: {error}")
            )
        else:
            self._judge.ask(question, partial(self._take, self._written))

    def _take(self, written: Written, judgement: Judgement) -> None:
        if self._there is None or self._there.uid != written.origin.uid:
            return  # it is gone meanwhile: what runs goes on
        if judgement.failed:
            self._began = True
            self._running.take(judgement)
            self.changed()
            return
        self._judged = Judged(judgement, written)
        self._accept()

    def _accept(self) -> None:
        """Have the newest judgement run; the first one waits a moment for the keys that it names."""
        judged = self._judged
        if judged is None:
            return
        if judged.judgement.usable:
            references = references_of(judged.judgement.keys)
            self._keyring.refer(references)
            if references and not self._keys_settled:
                asyncio.get_running_loop().call_later(KEYS_PATIENCE_S, self.settle_keys)
                return
            self._resolved = self._resolve(judged.judgement)
        self._began = True
        resolve = partial(self._keyring.book.with_passwords, node=self._identity.node)
        self._running.take(judged.judgement, judged.written.origin, resolve)
        self._confirmed = self._confirmed or judged.written is self._written
        self.changed()

    def _run_out_of_patience(self) -> None:
        if not self._began:
            self._log.write("warning", f"nothing was heard of {self._awaited} yet; {self._what_runs()}")
            self._begin()

    @property
    def _awaited(self) -> str:
        if self._judge.busy:
            return "the judge of the NodeConfig"
        return "the API server" if self._judged is None else "the Secrets that the NodeConfig names"

    def _begin(self) -> None:
        """Run the last good configuration, unless something else runs already."""
        if not self._began:
            self._began = True
            self._running.run_last_good()

    def _what_runs(self) -> str:
        runtime, origin = self._running.runtime, self._running.outcome.origin
        if runtime is None:
            return "there is no last good configuration, so nothing runs"
        known = f", generation {origin.generation}" if origin else ""
        return f"the last good configuration runs ({len(runtime.groups)} groups{known})"

    def _build(self) -> Mapping[str, Any]:
        return self._status(self._observed(), self._keyring.book.reports(), self.remarks())

    def _observed(self) -> int | None:
        """The generation that the status may name: of the very object that is there, and none that it has yet to reach.

        What is ahead of the object was read before the server was restored from a backup.
        """
        observed, there = self._running.observed, self._there
        if (
            not self._confirmed
            or observed is None
            or there is None
            or observed.uid != there.uid
            or observed.generation > there.generation
        ):
            return None
        return observed.generation

    # The keys.

    def settle_keys(self) -> None:
        """What is known of Secrets now is what there is."""
        if not self._keys_settled:
            self._keys_settled = True
            self._accept()

    def keys_told(self, news: bool) -> None:
        """Secrets were listed, changed or deleted; `news` by the book."""
        if news:
            self._keyring.save()
            self.changed()
        judgement = self._judged.judgement if self._judged else Judgement()
        if not self._keys_settled:
            self.settle_keys()
        elif news and judgement.usable and self._resolve(judgement) != self._resolved:
            self._accept()

    def _resolve(self, judgement: Judgement) -> object:
        return self._keyring.book.with_passwords(judgement.groups, judgement.keys, self._identity.node)
