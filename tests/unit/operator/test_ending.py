"""The end of a process by a signal."""

import signal
import threading
from collections.abc import Iterator

import pytest

from mooring_operator.ending import ends_by_signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_main_thread_has_the_events_lock_is_heard(number: signal.Signals) -> None:
    """As in the first moment of `Event.wait`; to set the event in the handler would never end."""
    ending = threading.Event()
    ends_by_signal(ending)
    with ending._cond:  # type: ignore[attr-defined]
        signal.raise_signal(number)
        assert not ending.is_set()
    assert ending.wait(30)
