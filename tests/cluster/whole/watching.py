"""What is seen while something is done: by a client's packets, by the nodes' kernels, by a watch of the API."""

import select
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import Resource
from mooring_lab.kernel import KernelAddresses
from mooring_lab.lab import Lab
from mooring_lab.node import Node
from mooring_lab.probe import Result

Document = dict[str, Any]
_LOOK_S = 0.05


class Kernels:
    """How many nodes have each address, from change to change; used as a context."""

    def __init__(self, nodes: Sequence[Node], addresses: Sequence[str]) -> None:
        self._kernels = {node.name: KernelAddresses(node.namespace) for node in nodes if node.powered}
        self._history: dict[str, list[tuple[float, frozenset[str]]]] = {address: [] for address in addresses}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._look()
            select.select(list(self._kernels.values()), [], [], _LOOK_S)
        self._look()

    def _look(self) -> None:
        for kernel in self._kernels.values():
            kernel.drain()
        held = {name: kernel.read() for name, kernel in self._kernels.items()}
        now = time.monotonic()
        for address, history in self._history.items():
            history.append((now, frozenset(name for name, has in held.items() if address in has)))

    def holders(self, address: str) -> list[str]:
        """Who had it, in order; several at one time as `lb-1+lb-2`, nobody as an empty text."""
        found: list[str] = []
        for _, nodes in self._history[address]:
            text = "+".join(sorted(nodes))
            if not found or found[-1] != text:
                found.append(text)
        return found

    def longest_s(self, wrong: Callable[[int], bool]) -> float:
        """The longest time without a break in which the number of an address's holders was so, of all addresses."""
        longest = 0.0
        for history in self._history.values():
            since = None
            for now, nodes in history:
                if not wrong(len(nodes)):
                    since = None
                    continue
                since = now if since is None else since
                longest = max(longest, now - since)
        return longest

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()
        for kernel in self._kernels.values():
            kernel.close()


class Watch:
    """A packet to each address every so often and an eye on the kernels, until the end of the block and `after_s` more.

    That is longer than a Backup waits for an Active router that it does not understand. Then `lost` is the most that
    one address lost, and the rest says who held what.
    """

    #: A hand-over is an overlap by design: the leaver answers until it hears its successor. Longer is a quarrel.
    OVERLAP_S = 1.0

    def __init__(self, lab: Lab, addresses: Sequence[str], after_s: float, interval_ms: float = 1.0) -> None:
        self._lab = lab
        self.addresses = tuple(addresses)
        self._after_s, self._interval_ms = after_s, interval_ms
        self.result: Result | None = None

    def __enter__(self) -> Self:
        self.kernels = Kernels(self._lab.nodes, self.addresses)
        self._measurement = self._lab.client.measure(self.addresses, self._interval_ms)
        self.kernels.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            time.sleep(self._after_s)
        self.kernels.__exit__()
        self._measurement.__exit__(kind, error, trace)
        if kind is None:
            self.result = self._measurement.result()

    @property
    def seen(self) -> Result:
        assert self.result is not None
        return self.result

    @property
    def lost(self) -> int:
        return self.seen.most_lost

    def gap_ms(self, addresses: Iterable[str] = ()) -> float:
        """The longest time in which one of them did not answer."""
        return max(self.seen[address].longest_gap for address in addresses or self.addresses)

    def assert_nothing_lost(self) -> None:
        lost = {address: self.seen[address].lost for address in self.addresses if self.seen[address].lost}
        assert not lost, f"{self._story(lost)}"

    def assert_nothing_moved(self) -> None:
        """Each address had one and the same holder all the time, and every packet was answered."""
        moved = [address for address in self.addresses if len(self.kernels.holders(address)) != 1]
        contested = [address for address in self.addresses if self.seen[address].contests]
        nowhere = [address for address in self.addresses if self.kernels.holders(address)[0] == ""]
        wrong = {*moved, *contested, *nowhere}
        assert not wrong, self._story(sorted(wrong))
        self.assert_nothing_lost()

    def assert_moved_in_peace(self) -> None:
        """Addresses moved, and no packet was lost, and at no time had two nodes one for longer than a hand-over."""
        self.assert_nothing_lost()
        self.assert_never_two()

    def assert_never_two(self) -> None:
        assert self.kernels.longest_s(lambda count: count > 1) < self.OVERLAP_S, self._story(self.addresses)
        quarrels = [
            address
            for address in self.addresses
            if any(contest.end - contest.start > self.OVERLAP_S * 1e9 for contest in self.seen[address].contests)
        ]
        assert not quarrels, self._story(quarrels)

    def _story(self, addresses: Iterable[str]) -> str:
        return "\n".join(
            f"{address}: held by {self.kernels.holders(address)}; {self.seen[address].lost} lost,"
            f" {self.seen[address].outages}, {self.seen[address].contests}"
            for address in addresses
        )


class History:
    """Every version of all objects of one resource since it was made, in order, as a watch tells it; a context."""

    def __init__(self, client: Client, resource: Resource) -> None:
        self._objects: list[Document] = []
        self._changed = threading.Condition()
        self._listed = False
        self.deleted_names: list[str] = []
        self._callbacks: list[Callable[[Document], None]] = []
        self._follower = Follower(client, resource, self)

    def listed(self, items: Iterable[Document]) -> None:
        """Told by the follower."""
        for item in items:
            self.changed(item)
        with self._changed:
            self._listed = True
            self._changed.notify_all()

    def changed(self, item: Document) -> None:
        """Told by the follower."""
        with self._changed:
            self._objects.append(item)
            self._changed.notify_all()
        for callback in self._callbacks:
            callback(item)

    def deleted(self, item: Document) -> None:
        """Told by the follower."""
        with self._changed:
            self.deleted_names.append(item["metadata"]["name"])
            self._changed.notify_all()

    def failed(self, error: KubeError) -> None:
        """The follower goes on by itself."""

    def on_change(self, callback: Callable[[Document], None]) -> None:
        """Called from the follower's thread, the moment that the watch tells."""
        self._callbacks.append(callback)

    def of(self, name: str) -> list[Document]:
        with self._changed:
            return [item for item in self._objects if item["metadata"]["name"] == name]

    def specs(self, name: str) -> list[Document]:
        """The specs that an object had, each once for each time that it was written."""
        found: list[Document] = []
        for item in self.of(name):
            if not found or item["spec"] != found[-1]:
                found.append(item["spec"])
        return found

    def instances(self, node: str, name: str) -> list[Document]:
        """What a node was given of one instance, in order; empty where it had none."""
        found: list[Document] = []
        for spec in self.specs(node):
            now = next((each for each in spec.get("instances") or () if each["name"] == name), {})
            if not found or now != found[-1]:
                found.append(now)
        return found

    def wait(self, name: str, predicate: Callable[[Document], Any], seconds: float) -> float:
        """When the newest version that the watch told was so (time.monotonic); TimeoutError when it never was."""

        def newest() -> Document:
            return next((item for item in reversed(self._objects) if item["metadata"]["name"] == name), {})

        with self._changed:
            if not self._changed.wait_for(lambda: predicate(newest()), seconds):
                raise TimeoutError(f"not within {seconds:g} s; {name} is {newest().get('status')}")
            return time.monotonic()

    def __enter__(self) -> Self:
        self._follower.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._listed, 20.0), "the first list"
        return self

    def __exit__(self, *_exception: object) -> None:
        self._follower.stop()
        self._follower.join(20.0)
