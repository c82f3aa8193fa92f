"""The end of a process by a signal."""

import queue
import signal
import threading


def ends_by_signal(ending: threading.Event) -> None:
    """SIGTERM and SIGINT set the event; called in the main thread.

    A handler runs in the main thread between any two steps of it, also where `Event.wait` has the event's own lock:
    setting it there would wait for ever. To put into a SimpleQueue is allowed anywhere.
    """
    told: queue.SimpleQueue[int] = queue.SimpleQueue()

    def wait() -> None:
        told.get()
        ending.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.put(number))
