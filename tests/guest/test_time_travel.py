"""The guest is what the other tests here rest on: a kernel with IPVS, in which time is exact."""

import os
import time
from pathlib import Path


def _host_time(share: Path, name: str) -> float:
    """The host's clock: the host's file system stamps what is created in a folder of the host."""
    path = share / name
    path.touch()
    try:
        return path.stat().st_ctime
    finally:
        path.unlink()


def test_a_sleep_is_exact_in_the_guest_and_costs_the_host_nothing() -> None:
    share = Path(os.environ["MOORING_GUEST_SHARE"])
    host_before, guest_before = _host_time(share, "before"), time.monotonic_ns()
    time.sleep(3)
    slept_ns = time.monotonic_ns() - guest_before
    host_seconds = _host_time(share, "after") - host_before

    assert 3_000_000_000 <= slept_ns < 3_001_000_000
    assert 0 <= host_seconds < 2


def test_the_kernel_has_ipvs() -> None:
    assert Path("/proc/net/ip_vs").read_text().startswith("IP Virtual Server version")
