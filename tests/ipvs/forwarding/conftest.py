"""A segment of nodes for a test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.ipvs.forwarding.wiring import Member, segment

Wire = Callable[..., dict[str, Member]]


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """Makes the segment; the name of each node with its number."""
    with ExitStack() as stack:
        yield lambda **members: stack.enter_context(segment(tmp_path, members))
