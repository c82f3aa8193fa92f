"""Has made and looked after what packets need beside the tables, in a task beside the checks (shell)."""

import asyncio
from collections.abc import Callable

from mooring_node.balance.config import BalanceConfig
from mooring_node.balance.parts import Packets, Remark
from mooring_node.balance.wishes import Wishes
from mooring_node.kernel.process import now_ns
from mooring_node.units import SECOND_NS

#: It is looked after so often.
EVERY_NS = SECOND_NS


class RuleKeeper:
    """One task at a time; `done` is called when it has ended. Until something is wanted nothing is looked after."""

    def __init__(self, packets: Packets, wishes: Wishes, done: Callable[[], None]) -> None:
        self.remarks: tuple[Remark, ...] = ()
        self._packets = packets
        self._wishes = wishes
        self._done = done
        self._wanted: BalanceConfig | None = None
        self._task: asyncio.Task[None] | None = None
        self._at_ns = 0
        self._ends = False

    @property
    def at_work(self) -> bool:
        return self._task is not None

    @property
    def due_ns(self) -> int | None:
        """When it is to be looked after; None: it is."""
        return None if self.at_work else self._at_ns

    def want(self, config: BalanceConfig) -> None:
        """Make what this configuration needs."""
        self._wanted = config
        self.look()

    def look(self) -> None:
        """See to it, unless somebody does."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            # Until it has read what it hears of, it need not be told of it again.
            loop.remove_reader(self._packets.fileno())
            self._task = loop.create_task(self._work())

    async def _work(self) -> None:
        try:
            if self._wanted is None:
                self.remarks = await self._packets.turn()
            while self._wanted is not None:
                config, self._wanted = self._wanted, None
                self._wishes.begin()
                self.remarks = await self._packets.configure(config)
                self._wishes.met()
            self._wishes.met()
        except Exception as error:  # noqa: BLE001 - whatever forwarding stumbles over, backends are checked on
            self.remarks = (Remark("", "", f"forwarding is not as it should be: {type(error).__name__}: {error}"),)
        self._task = None
        self._at_ns = now_ns() + EVERY_NS
        if not self._ends:
            # Look after it whenever something has changed it.
            asyncio.get_running_loop().add_reader(self._packets.fileno(), self.look)
        self._done()

    async def end(self) -> None:
        """Wait for what is under way; nothing is begun any more."""
        self._ends = True
        if self._task is not None:
            await self._task
        asyncio.get_running_loop().remove_reader(self._packets.fileno())

    async def release(self) -> tuple[str, ...]:
        """Take it all away; what could not be."""
        return await self._packets.release()
