"""Programs that are told: which, with what, in which order, and what becomes of slow ones."""

import asyncio
from collections.abc import Callable
from typing import Any

from mooring_node.balance.config import NotificationConfig, ServerConfig
from mooring_node.balance.notify import AT_ONCE, WAITING, Notifier
from mooring_node.balance.states import Event, Happening
from mooring_node.ipvs.table import DestinationKey

Make = Callable[..., ServerConfig]
DOWN = Happening(Event.BACKEND_DOWN, "web", 4, DestinationKey("10.0.0.1", 80), "refused")
LOST = Happening(Event.QUORUM_DOWN, "web", 4)


class Programs:
    """Stands in for scripts: notes what runs, ends when it is let."""

    def __init__(self, *, free: bool = True, fails: Callable[[str], str] = lambda _: "") -> None:
        self.ran: list[tuple[str, ...]] = []
        self.running = 0
        self.most = 0
        self.let = asyncio.Event()
        self._fails = fails
        if free:
            self.let.set()

    async def __call__(self, file: str, arguments: tuple[str, ...], timeout_s: float) -> str:
        self.ran.append((file, *arguments, f"{timeout_s:g}"))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.let.wait()
        finally:
            self.running -= 1
        return self._fails(file)


def notified(server: ServerConfig, *notifications: NotificationConfig) -> ServerConfig:
    return ServerConfig(name=server.name, virtual_server=server.virtual_server, notifications=notifications)


def test_the_arguments_are_event_virtual_server_address_and_port(server_of: Make) -> None:
    async def story() -> None:
        programs, said = Programs(), []
        notifier = Notifier(programs, lambda *words: said.append(words))
        server = notified(
            server_of(),
            NotificationConfig(("BackendDown", "QuorumDown"), "a", ("own",)),
            NotificationConfig(("QuorumUp",), "b"),
        )
        notifier.tell(server, DOWN)
        notifier.tell(server, LOST)
        assert await notifier.idle(10)
        assert programs.ran == [
            ("a", "own", "BackendDown", "shop/web", "10.0.0.1", "80", "30"),
            ("a", "own", "QuorumDown", "shop/web", "30"),
        ]
        assert said == []

    asyncio.run(story())


def test_one_after_the_other_of_a_notification_and_not_too_many_at_once(server_of: Make) -> None:
    async def story() -> None:
        programs = Programs(free=False)
        notifier = Notifier(programs, lambda *_: None)
        for number in range(AT_ONCE + 5):
            server = notified(server_of(name=f"s{number}"), NotificationConfig(("QuorumDown",), str(number)))
            notifier.tell(server, LOST)
            notifier.tell(server, LOST)
        while programs.running < AT_ONCE:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(programs.ran) == len(set(programs.ran)) == AT_ONCE
        programs.let.set()
        assert await notifier.idle(10)
        assert len(programs.ran) == 2 * (AT_ONCE + 5)
        assert programs.most == AT_ONCE

    asyncio.run(story())


def test_what_fails_is_told_and_the_next_one_runs(server_of: Make) -> None:
    def fails(_: str) -> str:
        if len(programs.ran) == 1:
            raise RuntimeError("no such user")
        return "exit code 3: no"

    programs = Programs(fails=fails)

    async def story() -> None:
        said: list[Any] = []
        notifier = Notifier(programs, lambda *words: said.append(words))
        server = notified(server_of(), NotificationConfig(("QuorumDown",), "a"))
        notifier.tell(server, LOST)
        notifier.tell(server, LOST)
        assert await notifier.idle(10)
        assert said == [
            ("error", "a QuorumDown shop/web: RuntimeError: no such user", "web"),
            ("error", "a QuorumDown shop/web: exit code 3: no", "web"),
        ]
        notifier.tell(server, LOST)
        assert await notifier.idle(10)
        assert len(programs.ran) == 3

    asyncio.run(story())


def test_a_queue_that_overflows_keeps_the_last_words(server_of: Make) -> None:
    async def story() -> None:
        programs, said = Programs(free=False), []
        notifier = Notifier(programs, lambda *words: said.append(words))
        server = notified(server_of(), NotificationConfig(("BackendDown", "QuorumDown"), "a"))
        notifier.tell(server, DOWN)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(WAITING + 9):
            notifier.tell(server, DOWN)
        notifier.tell(server, LOST)
        assert notifier.dropped == 10
        assert len(said) == 1
        programs.let.set()
        assert await notifier.idle(10)
        assert len(programs.ran) == WAITING + 1
        assert programs.ran[-1][1] == "QuorumDown"

    asyncio.run(story())


def test_what_takes_too_long_at_the_end_is_ended(server_of: Make) -> None:
    async def story() -> None:
        programs = Programs(free=False)
        notifier = Notifier(programs, lambda *_: None)
        server = notified(server_of(), NotificationConfig(("QuorumDown",), "a"))
        notifier.tell(server, LOST)
        assert not await notifier.idle(0.01)
        assert programs.running == 0
        assert await notifier.idle(0.01)

    asyncio.run(story())
