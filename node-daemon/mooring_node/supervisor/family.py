"""The supervisor's children together: whether each goes on, and what is told of them."""

from typing import Any

from mooring_node.board import Board
from mooring_node.kernel.process import waits_in_kernel
from mooring_node.supervisor.children import Child, ChildNumber, Duty
from mooring_node.supervisor.liveness import described, unmendable
from mooring_node.units import SECOND_NS


class Family:
    """All children by their number; `stopping`: none of them is started any more."""

    def __init__(self, duties: tuple[Duty, ...], board: Board) -> None:
        self.children = {duty.number: Child(duty) for duty in duties}
        self.stopping = False
        self._board = board
        self._excused_ns = 0

    @property
    def running(self) -> bool:
        return any(child.running for child in self.children.values())

    @property
    def concerned(self) -> list[Child]:
        """Those that run or are about to; who has nothing to do is missed by nobody."""
        return [child for child in self.children.values() if child.running or child.duty.wanted()]

    def stop(self) -> None:
        """Who ends from now on is not started again."""
        self.stopping = True
        for child in self.children.values():
            child.start_at_ns = None

    def excuse(self, now: int) -> None:
        """Nobody could say anything until now."""
        self._excused_ns = now

    def said_ns(self, child: Child) -> int:
        """When it last said that it goes on, as far as it could."""
        return max(self._board.last_progress(child.duty.number), child.started_ns, self._excused_ns)

    def life(self, now: int) -> str:
        """For `mooring-node probe live`: yes, or no and why only a restart of all would mend it."""
        lives = [child.life(now, child.note_progress_ns(self.said_ns(child), now)) for child in self.concerned]
        # While it ends, each has its time, and is killed after it.
        why = "" if self.stopping else unmendable(lives)
        return f"no {why}" if why else f"yes {described(lives)}"

    def processes(self, now: int) -> list[dict[str, Any]]:
        """For the status."""
        return [
            {
                "name": child.duty.name,
                "pid": child.pid,
                "restarts": child.restarts,
                "lastExit": child.last_exit,
                "forSeconds": (now - child.started_ns) // SECOND_NS,
                "idleSeconds": round((now - self.said_ns(child)) / SECOND_NS, 1) if child.running else None,
                "stallSeconds": child.duty.stall_ns // SECOND_NS,
                "waitsInKernel": child.running and waits_in_kernel(child.pid),
            }
            for child in self.concerned
        ]

    def __contains__(self, number: ChildNumber) -> bool:
        return number in self.children
