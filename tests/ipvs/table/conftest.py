"""IPVS of the guest kernel, in a network namespace of the test's own, and ipvsadm as the second opinion."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring_node.ipvs.diff import diff
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import Reconciler
from mooring_node.ipvs.table import Table

_CLONE_NEWNET = 0x40000000

Tool = Callable[..., str]


@pytest.fixture
def network() -> Iterator[Tool]:
    """The test in a new and empty network namespace; gives `ip` as a function."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert libc.unshare(_CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            run("ip", "link", "set", "lo", "up")
            yield lambda *words: run("ip", *words)
        finally:
            assert libc.setns(home, _CLONE_NEWNET) == 0
    finally:
        os.close(home)


@pytest.fixture
def ipvs(network: Tool) -> Iterator[Ipvs]:  # noqa: ARG001 (the namespace must be there first)
    with Ipvs() as opened:
        yield opened


@pytest.fixture
def ipvsadm(require_tool: Callable[[str], str]) -> Callable[..., list[str]]:
    """ipvsadm's lines for some options; `text` goes to its standard input."""
    program = require_tool("ipvsadm")

    def call(*options: str, text: str = "") -> list[str]:
        return [line.rstrip() for line in run(program, *options, text=text).splitlines()]

    return call


@pytest.fixture
def process(ipvs: Ipvs, tmp_path: Path) -> "Process":
    return Process(ipvs, tmp_path / "ipvs.json")


class Process:
    """A reconciler over the guest's kernel and a file."""

    def __init__(self, ipvs: Ipvs, path: Path) -> None:
        self.ipvs = ipvs
        self.path = path
        self.now = 0
        self.start()

    def start(self) -> None:
        """The process begins, or begins anew after a death."""
        self.reconciler = Reconciler(self.ipvs, Owned(self.path))

    def want(self, table: Table) -> None:
        self.reconciler.want(table)
        self.run()

    def run(self, seconds: int = 0) -> None:
        """Turns until nothing is to be done at once, and so on for a while; no real time passes."""
        end = self.now + seconds * 1_000_000_000
        for _ in range(1000):
            due = self.reconciler.turn(self.now)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
        pytest.fail("the reconciler does not come to rest")


def run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@pytest.fixture
def set_table(ipvs: Ipvs) -> Callable[[Table], None]:
    """Make the kernel's table this one, whatever it was."""

    def set_to(table: Table) -> None:
        present = ipvs.read()
        assert ipvs.apply(diff(table, present, frozenset(present))) == ()

    return set_to
