"""What makes it impossible that two nodes hold one address: at every moment each member hears what any other may say.

A node may run each spec that it was given since the one that it confirmed last. So whatever it was given, in any
order and however late, nobody who may take the role may be deaf to one who may have it. Watched for a whole test,
write by write.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from types import TracebackType
from typing import Any, Self

from mooring_api.duration import Duration
from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.follow import Follower
from mooring_kube.resources import NODE_CONFIGS

Document = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """A spec that a node was given."""

    uid: str
    generation: int
    instances: dict[str, Document]


@dataclass
class Node:
    """All that it may run, oldest first."""

    possible: list[Given] = field(default_factory=list)

    def told(self, item: Document) -> None:
        uid, generation = item["metadata"]["uid"], item["metadata"]["generation"]
        if not any((each.uid, each.generation) == (uid, generation) for each in self.possible):
            listed = item["spec"].get("instances") or []
            self.possible.append(Given(uid, generation, {instance["name"]: instance for instance in listed}))
        confirmed = (item.get("status") or {}).get("observedGeneration")
        if confirmed is not None:
            # It reports on this object, so it has done with any that was here before.
            self.possible = [each for each in self.possible if each.uid == uid and each.generation >= confirmed]


def says(family: str, form: Document) -> tuple[object, ...]:
    """What a hearer compares, but for the key; version 3 says its interval and is believed, version 2 is not."""
    interval = Duration.parse(form["advertisementInterval"]) if form["version"] == 2 else None
    checksum = form["checksum"] if form["version"] == 3 and family == "IPv4" else None
    return form["virtualRouterID"], form["version"], interval, checksum


def same_key(one: Document | None, other: Document | None) -> bool:
    """Whether two authentications may mean the same key: one that names no state means the one that is in use."""
    if not (one and other):
        return not one and not other
    versions = {one.get("keyVersion"), other.get("keyVersion")}
    return one["secretRef"] == other["secretRef"] and (None in versions or len(versions) == 1)


def hears(hearer: Document, speaker: Document) -> bool:
    """Whether it takes the other's adverts for those of its group."""
    source, family = speaker["transport"].get("source"), hearer["family"]
    for form in (hearer, *(hearer.get("alsoAccept") or ())):
        way = form.get("transport") or hearer["transport"]
        fits = says(family, form) == says(family, speaker) and way["type"] == speaker["transport"]["type"]
        if fits and same_key(form.get("authentication"), speaker.get("authentication")):
            return way["type"] == "Multicast" or source in way["peers"]
    return False


def deaf(nodes: dict[str, Node]) -> Iterator[str]:
    """Each pair of which one may take the role and the other may have it unheard."""
    for (hearer, listening), (speaker, speaking) in permutations(nodes.items(), 2):
        for heard, told in ((h, s) for h in listening.possible for s in speaking.possible):
            for name in heard.instances.keys() & told.instances.keys():
                one, other = heard.instances[name], told.instances[name]
                if one["eligible"] and other["eligible"] and not hears(one, other):
                    yield (
                        f"{name}: {hearer} at generation {heard.generation} does not hear {speaker} at generation"
                        f" {told.generation}\n  {_shown(one)}\n  {_shown(other)}"
                    )


def _shown(instance: Document) -> dict[str, Any]:
    fields = ("virtualRouterID", "version", "advertisementInterval", "authentication", "transport", "alsoAccept")
    return {name: instance.get(name) for name in fields}


class Agreement:
    """Looks at each write of a NodeConfig from the beginning to the end of the block."""

    def __init__(self, client: Client, exists: Callable[[str], bool]) -> None:
        """`exists`: whether a Node is there. The last word of one that is not binds nobody when its config is gone."""
        self._exists = exists
        self._nodes: dict[str, Node] = {}
        self._lock = threading.Lock()
        self._wrong: dict[str, None] = {}
        self._follower = Follower(client, NODE_CONFIGS, self)

    def listed(self, items: Iterable[Document]) -> None:
        """Told by the follower."""
        for item in items:
            self.changed(item)

    def changed(self, item: Document) -> None:
        """Told by the follower."""
        with self._lock:
            self._nodes.setdefault(item["metadata"]["name"], Node()).told(item)
            self._wrong.update(dict.fromkeys(deaf(self._nodes)))

    def deleted(self, item: Document) -> None:
        """Told by the follower."""
        name = item["metadata"]["name"]
        if not self._exists(name):
            with self._lock:
                self._nodes.pop(name, None)

    def failed(self, error: KubeError) -> None:
        """The follower goes on by itself."""

    def __enter__(self) -> Self:
        self._follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.stop()
        self._follower.join(20.0)

    def assert_kept(self) -> None:
        with self._lock:
            assert not self._wrong, "two could hold an address:\n" + "\n".join(self._wrong)
