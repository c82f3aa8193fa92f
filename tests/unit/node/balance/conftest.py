"""Servers and pools as values."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mooring_node.balance.config import BackendConfig, ServerConfig
from mooring_node.balance.pools import step
from mooring_node.balance.states import Configured, Finding, Found, Happening, Pool, PoolEvent
from mooring_node.checks.config import CheckConfig, TCPProbe
from mooring_node.ipvs.table import DestinationKey
from mooring_node.units import SECOND_NS

CHECK = CheckConfig(TCPProbe(), interval_ns=SECOND_NS, interval_down_ns=SECOND_NS, retries=0)


def key(number: int, port: int = 80) -> DestinationKey:
    return DestinationKey(f"10.0.0.{number}", port)


def server(count: int = 2, **changes: Any) -> ServerConfig:
    """Of `count` backends 10.0.0.1, .2, ... with one check; fields as keywords."""
    given: dict[str, Any] = {
        "name": "web",
        "virtual_server": "shop/web",
        "addresses": ("192.0.2.1",),
        "port": 80,
        "backends": tuple(BackendConfig(f"10.0.0.{number}", 80) for number in range(1, count + 1)),
        "checks": (("tcp", CHECK),),
    }
    return ServerConfig(**{**given, **changes})


class Course:
    """A pool and what has happened in it; the time is a number that goes up by itself."""

    def __init__(self, config: ServerConfig, family: int = 4) -> None:
        self.pool = Pool(config, family)
        self.now = 1000
        self.happened: list[Happening] = []
        self.feed(Configured(config))

    def feed(self, event: PoolEvent) -> None:
        self.now += 1
        self.pool, happenings = step(self.pool, event, self.now)
        self.happened += happenings

    def configure(self, config: ServerConfig) -> None:
        self.feed(Configured(config))

    def change(self, **changes: Any) -> None:
        self.configure(replace(self.pool.config, **changes))

    def up(self, number: int, weight: int | None = None, check: CheckConfig = CHECK) -> None:
        self.feed(Found(check, key(number), Finding(True, "", weight)))

    def down(self, number: int, reason: str = "refused", check: CheckConfig = CHECK) -> None:
        self.feed(Found(check, key(number), Finding(False, reason)))

    def states(self) -> dict[str, str]:
        return {each.address[-1]: str(backend.state) for each, backend in self.pool.backends.items()}

    def told(self) -> list[str]:
        """What has happened since it was asked last, in short."""
        told = [f"{each.event}{' ' + each.backend.address[-1] if each.backend else ''}" for each in self.happened]
        self.happened = []
        return told


@pytest.fixture(scope="session")
def course() -> type[Course]:
    return Course


@pytest.fixture(scope="session")
def server_of() -> Callable[..., ServerConfig]:
    """`server_of(3, quorum_up=2)`: see `server`."""
    return server
