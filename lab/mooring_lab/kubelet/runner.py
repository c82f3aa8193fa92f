"""Does what the machine wants done with one pod's containers; what takes time has a thread of its own."""

import shutil
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from mooring_kube.errors import KubeError
from mooring_lab.kubelet.attempt import Attempt
from mooring_lab.kubelet.document import Document, PodKey, container, grace_s
from mooring_lab.kubelet.events import (
    Check,
    Checked,
    Create,
    Effect,
    Event,
    Exited,
    Finish,
    Hook,
    HookDone,
    Kill,
    NotStarted,
    RunHook,
    Started,
    Tell,
    Terminate,
)
from mooring_lab.kubelet.facts import CREATE_ERROR, CannotRun
from mooring_lab.kubelet.handlers import Outcome, Place, handle
from mooring_lab.kubelet.plan import plan_container
from mooring_lab.kubelet.provision import Provisioner
from mooring_lab.kubelet.services import Services
from mooring_lab.kubelet.states import Exit
from mooring_lab.kubelet.volumes import PodFolder, make_sources

#: Nothing but the container's end ends a postStart hook.
_LONGEST_HOOK_S = 24 * 3600.0
_LONGEST_TAIL = 2048
_UNREACHABLE = "ContainerCreating"


class Runner:
    """`post` takes the events that come of it; `pod` gives the pod as it is now."""

    def __init__(
        self,
        services: Services,
        key: PodKey,
        folder: PodFolder,
        provisioner: Provisioner,
        pod: Callable[[], Document],
        post: Callable[[Event], None],
    ) -> None:
        self._services = services
        self._key = key
        self._folder = folder
        self._provisioner = provisioner
        self._pod = pod
        self._post = post

    def do(self, effect: Effect) -> None:
        """Returns at once."""
        match effect:
            case Create():
                self._in_thread(lambda: self._run(effect))
            case RunHook():
                self._in_thread(lambda: self._hook(effect))
            case Check():
                self._in_thread(lambda: self._check(effect))
            case Terminate():
                self._attempt(effect.name, effect.attempt).signal(signal.SIGTERM)
            case Kill():
                self._attempt(effect.name, effect.attempt).signal(signal.SIGKILL)
            case Tell():
                self._services.teller.tell(self._key, effect)
            case Finish():
                pass
            case _:
                assert_never(effect)

    def _in_thread(self, function: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                function()
            except Exception:  # noqa: BLE001 - a mistake of ours must be read somewhere
                self._services.log(f"pod {self._key.namespace}/{self._key.name}: {traceback.format_exc()}")

        threading.Thread(target=guarded, name=f"{self._key.name} at work", daemon=True).start()

    def _attempt(self, name: str, number: int) -> Attempt:
        return Attempt(self._folder.path / "attempts" / name / str(number))

    # -- a run of a container

    def _run(self, effect: Create) -> None:
        """From its beginning, or from where another kubelet left it, to its end."""
        attempt = self._attempt(effect.name, effect.attempt)
        log = self._services.log_file(self._key, effect.name, effect.attempt)
        if not attempt.exists:
            failure = self._begin(effect, attempt, log)
            if failure:
                self._post(failure)
                return
        if begun := attempt.wait_started():
            self._post(Started(effect.name, effect.attempt, begun.started_at))
        ended = attempt.wait_exit()
        self._post(Exited(effect.name, effect.attempt, self._with_last_words(effect.name, ended, log)))

    def _begin(self, effect: Create, attempt: Attempt, log: Path) -> NotStarted | None:
        pod = self._pod()
        try:
            facts = self._provisioner.prepare(pod)
            run = plan_container(pod, container(pod, effect.name), facts)
            make_sources(run)
            shutil.rmtree(attempt.folder.with_name(str(effect.attempt - 1)), ignore_errors=True)
            attempt.begin(run, log)
        except CannotRun as error:
            return NotStarted(effect.name, effect.attempt, error.reason, error.message)
        except KubeError as error:
            return NotStarted(effect.name, effect.attempt, _UNREACHABLE, str(error))
        except OSError as error:
            return NotStarted(effect.name, effect.attempt, CREATE_ERROR, str(error))
        return None

    def _with_last_words(self, name: str, ended: Exit, log: Path) -> Exit:
        """With the end of its output, where the spec wants that and it left no message."""
        policy = container(self._pod(), name).get("terminationMessagePolicy")
        if ended.message or not ended.code or policy != "FallbackToLogsOnError" or not log.exists():
            return ended
        with open(log, "rb") as file:
            file.seek(max(log.stat().st_size - _LONGEST_TAIL, 0))
            return replace(ended, message=file.read(_LONGEST_TAIL).decode(errors="replace"))

    # -- hooks and probes

    def _hook(self, effect: RunHook) -> None:
        pod = self._pod()
        said = container(pod, effect.name)["lifecycle"][effect.hook]
        timeout_s = grace_s(pod) if effect.hook == Hook.PRE_STOP else _LONGEST_HOOK_S
        outcome = self._handle(effect.name, effect.attempt, said, timeout_s)
        failure = "" if outcome.passed else outcome.message or "it failed"
        self._post(HookDone(effect.name, effect.attempt, effect.hook, failure))

    def _check(self, effect: Check) -> None:
        said = container(self._pod(), effect.name)[f"{effect.kind}Probe"]
        timeout_s = float(said.get("timeoutSeconds") or 1)
        outcome = self._handle(effect.name, effect.attempt, said, timeout_s)
        self._post(Checked(effect.name, effect.attempt, effect.kind, outcome.passed, outcome.message))

    def _handle(self, name: str, number: int, said: Document, timeout_s: float) -> Outcome:
        place = Place(self._services.node, container(self._pod(), name), self._attempt(name, number).folder)
        return handle(said, place, timeout_s)
