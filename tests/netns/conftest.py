"""A network namespace of its own for a test, which ends with it."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from mooring_lab import rights
from mooring_lab.lab import remove

_CLONE_NEWNET = 0x40000000


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@pytest.fixture
def own_namespace() -> Iterator[Callable[..., None]]:
    """The test's thread, and what it starts, in a new and empty network namespace; gives `ip` as a function.

    The namespace has no name and goes when the test's last socket in it is closed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(_CLONE_NEWNET) != 0:
            message = f"no network namespace of our own: {os.strerror(ctypes.get_errno())}"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        try:
            _ip("link", "set", "lo", "up")
            yield _ip
        finally:
            assert libc.setns(home, _CLONE_NEWNET) == 0
    finally:
        os.close(home)


@pytest.fixture
def lab_name() -> Iterator[str]:
    """A name for a lab that is removed after the test, whatever became of it."""
    try:
        rights.require()
    except rights.LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    name = f"t{os.getpid()}"
    remove(name)
    try:
        yield name
    finally:
        remove(name)
