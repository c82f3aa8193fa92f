"""Who waits on the local socket until everything is handed over (shell around a list)."""

from mooring_node.supervisor.control import MOST_CLIENTS, Client
from mooring_node.units import SECOND_NS

#: A hand-over takes no longer: 3.3 of the longest interval that there is (40.95 s), and what a late process adds.
PATIENCE_NS = 150 * SECOND_NS
#: So long nothing is taken again. Whoever asked ends this daemon within the time that a hand-over and a stop take;
#: where he does not (kubelet was itself replaced, a person tried it), the node must not stay aside for ever.
APART_NS = 300 * SECOND_NS
NOT_DONE = f"not everything was let go within {PATIENCE_NS // SECOND_NS} s; see `mooring-node status`"


class Handing:
    """Those who asked for a hand-over and have no answer yet."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Client, int]] = []

    def ask(self, client: Client, now_ns: int) -> None:
        """He is answered when it is done; the one who has waited longest makes room where too many wait."""
        if len(self._waiting) >= MOST_CLIENTS:
            self._waiting.pop(0)[0].answer({"error": "too many wait for the hand-over"})
        self._waiting.append((client, now_ns + PATIENCE_NS))

    def done(self) -> None:
        """Nothing is held any more."""
        for client, _ in self._waiting:
            client.answer({"handedOver": True})
        self._waiting.clear()

    def expire(self, now_ns: int) -> None:
        """Tell those who have waited long enough."""
        for waiting in [each for each in self._waiting if now_ns >= each[1]]:
            self._waiting.remove(waiting)
            waiting[0].answer({"error": NOT_DONE})

    def close(self) -> None:
        """The daemon ends: the connection's end is the answer."""
        for client, _ in self._waiting:
            client.close()
        self._waiting.clear()
