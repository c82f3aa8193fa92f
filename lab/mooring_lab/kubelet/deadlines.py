"""When a pod's state changes by time alone, and whose turn it is to be started. Pure."""

from collections.abc import Iterator

from mooring_lab.kubelet import probing
from mooring_lab.kubelet.states import Container, Ended, Pod, PreStop, Running, Starting, Terminating, Waiting


def deadline(pod: Pod) -> float | None:
    """When the next Tick is due, in seconds of the monotonic clock; None: only another event changes anything."""
    return min(_deadlines(pod), default=None)


def turn(pod: Pod) -> tuple[Container, ...]:
    """Whose turn it is: the first init container that has not done its work, else all others."""
    for container in pod.init:
        if not (isinstance(container.phase, Ended) and container.phase.exit.code == 0):
            return (container,)
    return pod.main


def _deadlines(pod: Pod) -> Iterator[float]:
    may_start = () if pod.ending or pod.refused else turn(pod)
    for container in pod.containers:
        phase = container.phase
        if isinstance(phase, PreStop | Terminating):
            yield phase.kill
        elif isinstance(phase, Running):
            yield from (probe.due for probe in probing.active(phase.probes) if not probe.asked)
        elif isinstance(phase, Waiting) and container in may_start:
            yield phase.until
        elif isinstance(phase, Starting) and pod.ending:
            yield pod.ending.kill
