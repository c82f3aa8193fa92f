"""What tracked servers do to a group: Fault, or another priority. Pure: the time is an argument.

As in keepalived a positive weight is added while what is tracked is good, a negative one while it is bad, and one
without a weight is a fault while it is bad. The priority that comes of it is in the next advert, which goes out at
once, and in every judgement of others' adverts from then on. An Active router whose priority falls below a
Backup's loses the role as by any change of priority: the Backup ignores its adverts and takes over when
Active_Down has passed, unless it has preemption.mode: Never. Such a Backup lets an Active router of a lower
priority be (RFC 9568 6.4.2), so with Never a weight decides only the next election; a Fault decides at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.config import GroupConfig, TrackerConfig
from mooring_node.vrrp.states import OWNER_PRIORITY

#: What is said counts for so long, and so long what nobody has spoken of yet counts as good. A checks process that
#: died is replaced within it.
SILENCE_NS = 3 * SECOND_NS
#: When this process itself did not run for so long, the others may not have, either.
OWN_LATENESS_NS = SECOND_NS
QUORUM_LOST, UNHEARD = "below its quorum", "nothing is heard of it"
Bad: TypeAlias = Mapping[str, str]
"""Tracked servers that are bad, and why."""
LEAST_PRIORITY, MOST_PRIORITY = 1, OWNER_PRIORITY - 1


@dataclass(frozen=True, slots=True)
class Word:
    """The last that is known of a tracked server, and until when it counts."""

    good: bool
    until_ns: int
    said: bool = True
    """False: nobody has spoken of it yet."""
    why: str = ""
    """Why it is bad, where that is not its quorum."""


class Words:
    """What the checks process says of the servers that are tracked here. Silence is bad, after SILENCE_NS."""

    def __init__(self) -> None:
        self._words: dict[str, Word] = {}
        self._bad: Bad = {}
        self._looked_ns: int | None = None
        self._look_again_ns = 0

    def want(self, names: Iterable[str], now_ns: int) -> bool:
        """These are tracked from now on; whether there is one among them that nobody has spoken of."""
        unheard = Word(good=True, until_ns=now_ns + SILENCE_NS, said=False)
        self._words = {name: self._words.get(name, unheard) for name in names}
        self._look_again_ns = 0
        return not all(word.said for word in self._words.values())

    def hear(self, said: Mapping[str, object], now_ns: int) -> None:
        """What was said of some of them: true, false, or in words why it is bad; of others, nothing has changed."""
        self._look_again_ns = 0
        for name, good in said.items():
            if name in self._words:
                why = good if isinstance(good, str) else ""
                self._words[name] = Word(good is True, now_ns + SILENCE_NS, why=why)

    def turn(self, now_ns: int) -> Bad:
        """Those that are bad now, with the reason.

        To be called at each turn: a turn that comes late excuses everybody's silence.
        """
        if self._looked_ns is not None and now_ns - self._looked_ns > OWN_LATENESS_NS:
            least_ns = now_ns + SILENCE_NS
            self._words = {
                name: replace(word, until_ns=max(word.until_ns, least_ns)) if word.until_ns > self._looked_ns else word
                for name, word in self._words.items()
            }
            self._look_again_ns = 0
        self._looked_ns = now_ns
        if now_ns >= self._look_again_ns:
            self._bad = {
                name: word.why or (QUORUM_LOST if now_ns < word.until_ns else UNHEARD)
                for name, word in self._words.items()
                if not word.good or now_ns >= word.until_ns
            }
            pending = (word.until_ns for word in self._words.values() if word.until_ns > now_ns)
            self._look_again_ns = min(pending, default=now_ns + SILENCE_NS)
        return self._bad


def tracked_names(groups: Iterable[GroupConfig]) -> frozenset[str]:
    """The servers that any of these groups tracks."""
    return frozenset(tracker.server for group in groups for tracker in group.trackers)


def faulty(trackers: Iterable[TrackerConfig], bad: Collection[str]) -> tuple[TrackerConfig, ...]:
    """Those that keep a group from holding its addresses."""
    return tuple(tracker for tracker in trackers if tracker.weight is None and tracker.server in bad)


def lost(trackers: Iterable[TrackerConfig], bad: Bad) -> tuple[list[str], list[str]]:
    """What keeps a group from holding its addresses: servers without quorum, and what else is wrong, in words."""
    servers = [each.server for each in faulty(trackers, bad)]
    below = [server for server in servers if bad[server] in (QUORUM_LOST, UNHEARD)]
    return below, [f"{server}: {bad[server]}" for server in servers if server not in below]


def counting(trackers: Iterable[TrackerConfig], bad: Collection[str]) -> tuple[TrackerConfig, ...]:
    """Those whose weight is added: positive ones that are good, negative ones that are bad."""
    return tuple(
        tracker
        for tracker in trackers
        if tracker.weight is not None and (tracker.weight > 0) is (tracker.server not in bad)
    )


def effective_priority(priority: int, trackers: Iterable[TrackerConfig], bad: Collection[str]) -> int:
    """The priority with all weights that count, 1 to 254; the owner of the addresses (255) stays what it is."""
    if priority == OWNER_PRIORITY:
        return priority
    total = priority + sum(tracker.weight or 0 for tracker in counting(trackers, bad))
    return min(max(total, LEAST_PRIORITY), MOST_PRIORITY)


def weighed(config: GroupConfig, bad: Collection[str]) -> GroupConfig:
    """The configuration with the priority that counts now."""
    priority = effective_priority(config.priority, config.trackers, bad)
    return config if priority == config.priority else replace(config, priority=priority)


def weights_text(trackers: Iterable[TrackerConfig], bad: Bad) -> str:
    """What counts, for the log."""
    said = (f"{each.weight:+} {_condition(each.server, bad)}" for each in counting(trackers, bad))
    return ", ".join(said) or "no weight counts"


def _condition(server: str, bad: Bad) -> str:
    why = bad.get(server, "good")
    return f"as {server} is {why}" if why in ("good", QUORUM_LOST) else f"({server}: {why})"
