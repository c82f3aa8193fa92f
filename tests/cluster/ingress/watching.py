"""What a client sees of the address while something is done: packets, HTTP requests, and the kernels beside them."""

import time
from collections import Counter
from itertools import pairwise
from types import TracebackType
from typing import Self

from tests.cluster.ingress.scenery import ADDRESS, Scene
from tests.cluster.whole.watching import Kernels

from mooring_lab.probe import AddressResult
from mooring_lab.visits import Visit, Visitor

_EVERY_MS, _REQUEST_EVERY_S = 1.0, 0.02
#: Longer than a Backup waits at adverts of 1 s, so that a late quarrel is seen too.
_AFTER_S = 3.5
#: At a hand-over: an ARP reply may be on its way while the address moves, and so may a request, whose connection ends.
MOST_PACKETS, MOST_REQUESTS = 5, 3
#: A hand-over is an overlap by design: the leaver answers until it hears its successor. Longer is a quarrel.
OVERLAP_S = 1.0
#: At adverts of 1 s an address outlives the daemon that renewed it for so long: its lease, 3 s, and 1.5 s.
LEASE_S = 4.5


class Watch:
    """An echo request each millisecond and an HTTP request each 20 ms, to the end of the block and somewhat longer."""

    def __init__(self, scene: Scene, after_s: float = _AFTER_S) -> None:
        self._scene, self._after_s = scene, after_s

    def __enter__(self) -> Self:
        client = self._scene.lab.client
        self.kernels = Kernels(self._scene.lab.nodes, [ADDRESS])
        self._visitor = Visitor(client.namespace, f"http://{ADDRESS}/", every=_REQUEST_EVERY_S)
        self._measurement = client.measure([ADDRESS], _EVERY_MS)
        self.kernels.__enter__()
        self._visitor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            time.sleep(self._after_s)
        self._visitor.__exit__(kind, error, trace)
        self.kernels.__exit__()
        self._measurement.__exit__(kind, error, trace)
        if kind is None:
            self.packets: AddressResult = self._measurement.result()[ADDRESS]

    # -- what was lost

    @property
    def requests(self) -> list[Visit]:
        return self._visitor.visits

    @property
    def failed(self) -> list[Visit]:
        return self._visitor.failures()

    @property
    def gap_s(self) -> float:
        """The longest time without an answer to an echo request."""
        return self.packets.longest_gap / 1000

    @property
    def silence_s(self) -> float:
        """The longest time from the beginning of a request that failed to the next good answer."""
        longest, since = 0.0, None
        for each in self.requests:
            if each.good:
                longest = max(longest, each.at + each.seconds - since if since is not None else 0.0)
                since = None
            elif since is None:
                since = each.at
        end = self.requests[-1].at + self.requests[-1].seconds
        return max(longest, end - since if since is not None else 0.0)

    @property
    def moves(self) -> int:
        """How often another node came to hold the address."""
        alone = [text for text in self.kernels.holders(ADDRESS) if text and "+" not in text]
        return sum(before != after for before, after in pairwise(alone))

    def __str__(self) -> str:
        packets = f"{self.packets.lost} of {self.packets.sent} packets lost"
        gap = f" (longest gap {1000 * self.gap_s:.0f} ms)" if self.packets.lost else ""
        requests = f"{len(self.failed)} of {len(self.requests)} HTTP requests failed"
        silence = f" (longest silence {1000 * self.silence_s:.0f} ms)" if self.failed else ""
        moves = "1 move" if self.moves == 1 else f"{self.moves} moves"
        return f"{packets}{gap}, {requests}{silence}, {moves}"

    # -- what must be so

    def assert_peaceful(self, most_packets: int, most_requests: int) -> None:
        """It may have moved, next to nothing was lost, and no two nodes had it for longer than a hand-over."""
        assert self.packets.lost <= most_packets, self.story()
        assert len(self.failed) <= most_requests, self.story()
        self.assert_never_two(OVERLAP_S)

    def assert_never_two(self, seconds: float) -> None:
        """No longer than so by the kernels, and by what they answered."""
        assert self.kernels.longest_s(lambda count: count > 1) < seconds, self.story()
        assert all(each.end - each.start < seconds * 1e9 for each in self.packets.contests), self.story()

    def assert_answered_at_the_end(self) -> None:
        assert self.packets.answered_at_the_end, self.story()
        assert self.requests[-1].good, self.story()

    def story(self) -> str:
        errors = Counter(each.error or f"status {each.status}" for each in self.failed)
        moved = f"held by {self.kernels.holders(ADDRESS)}, {self.packets.outages}, {self.packets.contests}"
        return f"{self}\n{dict(errors)}\n{moved}\n{self._scene.story()}"
