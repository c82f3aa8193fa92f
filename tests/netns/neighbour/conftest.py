"""Daemons on nodes that have other things to do: the benches of the daemon's tests."""

from tests.netns.daemon.conftest import (  # noqa: F401 - fixtures
    bench,
    capture,
    instance_of,
    make_bench,
    make_shared_bench,
    overlap,
)
