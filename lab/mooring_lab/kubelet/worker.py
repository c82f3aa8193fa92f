"""One pod's thread: hands what happens to the machine and does what it wants."""

import json
import queue
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from mooring_kube.errors import KubeError
from mooring_lab.kubelet import codec, machine, pod_status
from mooring_lab.kubelet.deadlines import deadline
from mooring_lab.kubelet.document import Document, PodKey, grace_s, is_deleted
from mooring_lab.kubelet.events import Effect, End, Event, Finish, Tell, Tick
from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.plan import unsupported
from mooring_lab.kubelet.provision import Provisioner
from mooring_lab.kubelet.rules import begin, rules_of
from mooring_lab.kubelet.runner import Runner
from mooring_lab.kubelet.services import Services
from mooring_lab.kubelet.static import is_static
from mooring_lab.kubelet.volumes import PodFolder
from mooring_lab.store import write_atomically

STATE, POD = "state.json", "pod.json"
#: What was reported may take so long to come back by the watch.
_ECHO_S = 10.0


@dataclass(frozen=True, slots=True)
class _Changed:
    """The API server has another version of the pod; `gone`: it has it no longer."""

    pod: Document
    gone: bool = False


@dataclass(frozen=True, slots=True)
class _Stop:
    """The kubelet ends: so do the containers, within so many seconds; the pod stays in the API server."""

    within_s: float


@dataclass(frozen=True, slots=True)
class _Compare:
    """Look whether the API server still has what was reported: others can write a pod's status too."""


Message = Event | _Changed | _Stop | _Compare


class PodWorker(threading.Thread):
    """Runs one pod until it is deleted, or the kubelet ends. `ended` is called at the end, from this thread."""

    def __init__(self, pod: Document, services: Services, ended: Callable[[PodKey], None]) -> None:
        self.key = PodKey.of(pod)
        self.static = is_static(pod)
        """Of a manifest: nothing of it is reported, since the lab makes no mirror pods."""
        super().__init__(name=f"pod {self.key.name}", daemon=True)
        self._pod = pod
        self._services = services
        self._ended = ended
        self._folder = PodFolder(services.pods / self.key.uid)
        self._provisioner = Provisioner(services.client, services.node, self._folder)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._state = begin(pod)
        self._rules = rules_of(pod, grace_s(pod), services.pace)
        self._status: Document = {}
        self._reported_at = 0.0
        self._runner = Runner(services, self.key, self._folder, self._provisioner, lambda: self._pod, self._inbox.put)
        self._keep_in_api = False
        self.finished = False
        """Whether all of it has ended as it should."""

    # -- from other threads

    def changed(self, pod: Document) -> None:
        self._inbox.put(_Changed(pod))

    def gone(self) -> None:
        """The API server no longer has it."""
        self._inbox.put(_Changed(self._pod, gone=True))

    def stop(self, within_s: float) -> None:
        self._inbox.put(_Stop(within_s))

    def renew(self) -> None:
        """Renew its volumes; what is missing now stays as it was. For a thread that has time."""
        self._inbox.put(_Compare())
        if self._state.alive and not self._state.ending:
            try:
                self._provisioner.renew(self._pod)
            except (KubeError, CannotRun, OSError) as error:
                self._services.log(f"volumes of {self.key.namespace}/{self.key.name}: {error}")

    # -- its life

    def run(self) -> None:
        try:
            self._begin()
            while not self.finished:
                self._take(self._wait())
            self._close()
        except Exception:  # noqa: BLE001 - one pod must not take the others with it
            self._services.log(f"pod {self.key.namespace}/{self.key.name}: {traceback.format_exc()}")
        self._ended(self.key)

    def _begin(self) -> None:
        """Go on with what another kubelet began, else begin."""
        self._folder.path.mkdir(parents=True, exist_ok=True)
        try:
            self._state = codec.of_json((self._folder.path / STATE).read_text())
        except (OSError, ValueError, KeyError, TypeError):
            refused = unsupported(self._pod) or ""
            self._state = begin(self._pod, refused)
            if refused:
                self._services.teller.tell(self.key, Tell("NotSupported", refused, warning=True))
        self._remember()
        self._state, effects = machine.resume(self._state, time.monotonic())
        self._do(effects)
        self._take(_Changed(self._pod))

    def _wait(self) -> Message:
        due = deadline(self._state)
        with suppress(queue.Empty):
            return self._inbox.get(timeout=None if due is None else max(due - time.monotonic(), 0))
        return Tick()

    def _take(self, message: Message) -> None:
        event: Event = Tick()
        if isinstance(message, _Changed):
            self._pod = message.pod
            self._remember()
            self._keep_in_api = self._keep_in_api or message.gone
            if is_deleted(self._pod) or message.gone:
                event = End(grace_s(self._pod))
        elif isinstance(message, _Stop):
            self._keep_in_api = True
            event = End(min(message.within_s, grace_s(self._pod)))
        elif isinstance(message, _Compare):
            self._compare()
        else:
            event = message
        state, effects = machine.step(self._state, event, time.monotonic(), self._rules)
        if state != self._state:
            # Before anything is done: what was begun must be found again.
            write_atomically(self._folder.path / STATE, codec.to_json(state), 0o600)
            self._state = state
        self._do(effects)
        self._report()

    def _close(self) -> None:
        """Nothing of it is alive."""
        self._folder.remove()
        if not self._keep_in_api and not self.static:
            self._services.reporter.report(self.key, self._status, over=True)

    def _remember(self) -> None:
        write_atomically(self._folder.path / POD, json.dumps(self._pod), 0o600)

    def _report(self) -> None:
        """Say what is so, where that is not what was said last, or not what the API server has."""
        given = {said["type"]: said for said in (self._pod.get("status") or {}).get("conditions") or ()}
        ours = {said["type"]: said for said in self._status.get("conditions") or ()}
        status = pod_status.status(
            self._pod, self._state, self._rules, self._services.node.addresses, given | ours, time.time()
        )
        if status != self._status:
            self._status = status
            self._reported_at = time.monotonic()
            if not self.static:
                self._services.reporter.report(self.key, status)

    def _compare(self) -> None:
        """Somebody else may have written over it, as the node controller does when kubelet was silent for long."""
        if self.static or time.monotonic() < self._reported_at + _ECHO_S:
            return
        there = self._pod.get("status") or {}
        given = {said["type"]: said["status"] for said in there.get("conditions") or ()}
        wrong = [said for said in self._status.get("conditions") or () if given.get(said["type"]) != said["status"]]
        if wrong or there.get("phase") != self._status.get("phase"):
            self._reported_at = time.monotonic()
            self._services.reporter.report(self.key, self._status)

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Finish):
                self.finished = True
            else:
                self._runner.do(effect)
