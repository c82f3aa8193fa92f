"""The checks process: an asyncio loop around checks, tables and what packets need beside them."""

import asyncio
import gc
import signal

from mooring_node.balance.config import BalanceConfig
from mooring_node.balance.store import kept
from mooring_node.board import Board
from mooring_node.channel import Channel
from mooring_node.files import StateFolder
from mooring_node.kernel.process import bound_memory, now_ns

TURN_S = 0.25
#: Many times what the largest configuration takes.
MOST_MEMORY = 512 * 1024 * 1024


class Process:
    """What one node balances."""

    def __init__(
        self, state: StateFolder, board: Board, child: int, channels: tuple[Channel, Channel, Channel]
    ) -> None:
        self._state = state
        self._board = board
        self._child = child
        self._supervisor, self._agent, self._vrrp = channels
        self._stopping = asyncio.Event()
        self._config = BalanceConfig(generation=0)

    async def run(self) -> None:
        """Until it is told to stop, or there is nothing left to run."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        self._configure()
        while not self._stopping.is_set() and not self._config.empty:
            self._board.progress(self._child, now_ns())
            for channel in (self._supervisor, self._agent):
                for message in channel.receive():
                    self._answer(channel, message)
            await asyncio.sleep(TURN_S)

    def _answer(self, channel: Channel, message: dict[str, object]) -> None:
        match message.get("do"):
            case "configure":
                self._configure()
            case "stop":
                self._stopping.set()
            case "snapshot":
                channel.send({"checks": {"generation": self._config.generation}, "id": message.get("id")})

    def _configure(self) -> None:
        self._config = kept(self._state.balance) or BalanceConfig(generation=0)
        self._agent.send({"configured": self._config.generation})


def run_checks(
    state: StateFolder, board: Board, child: int, channels: tuple[Channel, Channel, Channel], _restarted: bool
) -> None:
    """The checks process, from its limits to its end. `channels`: supervisor, agent, VRRP process."""
    bound_memory(MOST_MEMORY)
    gc.freeze()
    asyncio.run(Process(state, board, child, channels).run())
