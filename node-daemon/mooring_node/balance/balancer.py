"""All pools of a node: what checks say goes in, the wanted table and what is to be told comes out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from mooring_node.balance import desired, memory
from mooring_node.balance.config import BalanceConfig, ServerConfig, sound
from mooring_node.balance.listing import families, listed, targets
from mooring_node.balance.memory import Recalled
from mooring_node.balance.pools import step
from mooring_node.balance.states import (
    Backend,
    Configured,
    Crowded,
    Ended,
    Finding,
    Found,
    Happening,
    Passed,
    Pool,
    PoolEvent,
)
from mooring_node.checks.config import Target
from mooring_node.ipvs.table import DestinationKey, Table

PoolKey: TypeAlias = tuple[str, int]
"""A server's name and a family."""
Uses: TypeAlias = list[tuple[Target, DestinationKey]]
"""What is checked, and of which backend."""

#: That left and still drain, of all pools: a kilobyte or two each, here and in the kernel.
MOST_DRAINING_OF_ALL = 16 * 1024


@dataclass(slots=True)
class News:
    """What has come about since it was last taken. `learned`: for the results file, None for what is no more.

    `shed`: how many of a server's backends that drained have gone before their time.
    """

    happenings: list[Happening] = field(default_factory=list)
    learned: dict[str, Any] = field(default_factory=dict)
    pools: set[PoolKey] = field(default_factory=set)
    shed: dict[str, int] = field(default_factory=dict)


class Balancer:
    """The pools of the configuration that runs. Times are nanoseconds of CLOCK_BOOTTIME.

    `results` are what a predecessor knew that lived until `vouched_ns`.
    """

    def __init__(self, results: Mapping[str, Any], vouched_ns: int) -> None:
        self.config = BalanceConfig(generation=0)
        self.pools: dict[PoolKey, Pool] = {}
        self.known: dict[Target, Finding] = {}
        self.refused: dict[str, str] = {}
        """Servers that could not be taken up, and why; they go on as they were, if they were."""
        self.news = News()
        self.table: Table = {}
        self._marks: Mapping[PoolKey, int] = {}
        self._results = results
        self._left = memory.left(results)
        self._vouched_ns = vouched_ns
        self._unsure: dict[Target, Recalled] = {}
        self._withheld: dict[Target, str] = {}
        self._users: dict[Target, list[tuple[PoolKey, DestinationKey]]] = {}
        self._uses: dict[PoolKey, tuple[ServerConfig, Uses]] = {}
        self._deadlines: dict[PoolKey, int] = {}

    # Events.

    def configure(self, config: BalanceConfig, marks: Mapping[PoolKey, int], now_ns: int) -> None:
        """Run this; a server that cannot be taken up stays as it was, and all others are taken up."""
        self.config, self._marks, self.refused = config, marks, {}
        before, self.pools = self.pools, {}
        for server in config.servers:
            unchanged = _unchanged(server, before)
            if unchanged is not None:
                self.pools |= unchanged
                continue
            try:
                sound(server)
                self._recall(server)
                stepped = {
                    (server.name, family): self._begin(server, family, before.get((server.name, family)), now_ns)
                    for family in families(server)
                }
            except Exception as error:  # noqa: BLE001 - whatever one server has in it, all others are balanced
                self.refused[server.name] = f"{type(error).__name__}: {error}"
                self.pools |= {key: pool for key, pool in before.items() if key[0] == server.name}
                continue
            for key, (pool, happenings) in stepped.items():
                self._take(key, pool, happenings, before.get(key))
        for key in before.keys() - self.pools.keys():
            self.news.pools.add(key)
            self.news.learned[memory.quorum_key(*key)] = None
            self.news.learned |= dict.fromkeys(memory.draining_key(*key, each) for each in before[key].leaving)
            self._deadlines.pop(key, None)
        self._make_room(now_ns)
        self._index()
        # Whoever comes later begins anew: what was known of it is old by then.
        self._results, self._left = {}, {}
        self.table = desired.desired(self.pools.values(), marks, self.table)

    def found(self, target: Target, finding: Finding, now_ns: int) -> None:
        """A check has spoken."""
        self._unsure.pop(target, None)
        self.known[target] = finding
        self.news.learned[memory.target_key(target)] = memory.told(finding)
        for key, backend in self._users.get(target, ()):
            self._step(key, Found(target.check, backend, finding), now_ns)

    def withheld(self, target: Target, words: str) -> None:
        """This node cannot check it, and why; "": it can again. What is known of it stays."""
        if words:
            self._withheld[target] = words
        else:
            self._withheld.pop(target, None)
        self.news.pools.update(key for key, _ in self._users.get(target, ()))

    def pass_time(self, now_ns: int) -> None:
        """What has drained goes."""
        for key in [key for key, at in self._deadlines.items() if at <= now_ns]:
            self._step(key, Passed(), now_ns)

    def end(self, now_ns: int) -> None:
        """The daemon ends as it was told to."""
        for key in self.pools:
            self._step(key, Ended(), now_ns)

    def take(self) -> News:
        """What is new; with it `table` is up to date."""
        news, self.news = self.news, News()
        changed = [self.pools[key] for key in news.pools if key in self.pools]
        if changed:
            self.table = desired.changed(self.table, changed, self._marks)
        return news

    # Questions.

    @property
    def deadline_ns(self) -> int | None:
        """When `pass_time` has something to do."""
        return min(self._deadlines.values(), default=None)

    def targets(self) -> tuple[Target, ...]:
        """All that is to be checked."""
        return tuple(self._users)

    def unchecked(self, key: PoolKey) -> dict[DestinationKey, str]:
        """Which backends of a pool this node cannot check, and why."""
        uses = self._uses[key][1] if self._withheld and key in self._uses else ()
        return {backend: self._withheld[target] for target, backend in uses if target in self._withheld}

    def starts_up(self, target: Target) -> bool:
        """What a target counts as until its check has spoken."""
        finding = self.known.get(target)
        if finding is not None:
            return finding.good
        return any(self.pools[key].backends[backend].up for key, backend in self._users.get(target, ()))

    def resting(self, holding: frozenset[str]) -> frozenset[Target]:
        """What is not checked while this node holds these addresses: all whose every server waits for its own."""
        rests = {server.name: waits(server, holding) for server in self.config.servers}
        return frozenset(
            target for target, users in self._users.items() if all(rests.get(key[0], False) for key, _ in users)
        )

    def tracked(self, resting: frozenset[Target], lacking: Mapping[str, str], now_ns: int) -> dict[str, bool | str]:
        """Which of the tracked servers have all their quorums; one of which too little is known is left out.

        A server that the kernel is `lacking` cannot be served from here, whatever its backends do: it has a reason in
        words instead.
        """
        unsure = {
            key[0]
            for target, recalled in self._unsure.items()
            if target not in resting and now_ns >= recalled.held_until_ns(target.check)
            for key, _ in self._users.get(target, ())
        }
        words: dict[str, bool] = {}
        unserved: dict[str, bool | str] = {}
        silent = set()
        wanted = frozenset(self.config.tracked)
        for server in self.config.servers if wanted else ():
            for name in wanted.intersection((server.name, server.virtual_server)):
                words[name] = words.get(name, True) and self._has_quorum(server)
                if server.name in lacking:
                    unserved.setdefault(name, f"the kernel cannot balance it ({lacking[server.name]})")
                if server.name in unsure:
                    silent.add(name)
        return {name: good for name, good in words.items() if name not in silent} | unserved

    def _has_quorum(self, server: ServerConfig) -> bool:
        pools = [self.pools.get((server.name, family)) for family in families(server)]
        return bool(pools) and all(pool is not None and pool.quorum for pool in pools)

    # How it is done.

    def _recall(self, server: ServerConfig) -> None:
        for target in targets(server):
            if target not in self.known:
                found = memory.recalled(self._results, target, self._vouched_ns)
                if found is not None:
                    self.known[target] = found.finding
                    self._unsure[target] = found
                    self.news.learned[memory.target_key(target)] = memory.told(found.finding, found.at_ns)

    def _begin(self, server: ServerConfig, family: int, pool: Pool | None, now_ns: int) -> Any:
        if pool is None:
            pool = memory.begun(server, family, self._results, self._left.get((server.name, family), ()))
        return step(pool, Configured(server, self.known), now_ns)

    def _make_room(self, now_ns: int) -> None:
        """Whoever has few that drain keeps them; the others get equal shares of what is left."""
        drain = {key: len(self.pools[key].leaving) for key in self._deadlines}
        share = _share(drain.values(), MOST_DRAINING_OF_ALL)
        for key, count in drain.items():
            if count > share:
                self._step(key, Crowded(share), now_ns)

    def _step(self, key: PoolKey, event: PoolEvent, now_ns: int) -> None:
        before = self.pools[key]
        after, happenings = step(before, event, now_ns)
        self._take(key, after, happenings, before)

    def _take(self, key: PoolKey, pool: Pool, happenings: Iterable[Happening], before: Pool | None) -> None:
        self.pools[key] = pool
        self.news.happenings.extend(happenings)
        if pool is before:
            return
        self.news.pools.add(key)
        self.news.learned[memory.quorum_key(*key)] = True if pool.quorum else None
        shed = pool.shed - (before.shed if before is not None else 0)
        if shed:
            self.news.shed[key[0]] = self.news.shed.get(key[0], 0) + shed
        deadline_ns = pool.deadline_ns
        drained = self._deadlines.pop(key, None) is not None
        if deadline_ns is not None:
            self._deadlines[key] = deadline_ns
        if drained or deadline_ns is not None:
            self._learn_leaving(key, pool.leaving, before.leaving if before is not None else {})

    def _learn_leaving(
        self, key: PoolKey, after: Mapping[DestinationKey, Backend], before: Mapping[DestinationKey, Backend]
    ) -> None:
        for each, backend in after.items():
            if before.get(each) is not backend:
                self.news.learned[memory.draining_key(*key, each)] = memory.draining(backend)
        for each in before.keys() - after.keys():
            self.news.learned[memory.draining_key(*key, each)] = None

    def _index(self) -> None:
        """Who is told of each target; what nobody asks for is forgotten."""
        before, self._uses = self._uses, {}
        for key, pool in self.pools.items():
            known = before.get(key)
            self._uses[key] = known if known is not None and known[0] is pool.config else (pool.config, _uses(pool))
        self._users = {}
        for key, (_, uses) in self._uses.items():
            for target, backend in uses:
                self._users.setdefault(target, []).append((key, backend))
        for target in self.known.keys() - self._users.keys():
            del self.known[target]
            self._unsure.pop(target, None)
            self.news.learned[memory.target_key(target)] = None
        for target in self._withheld.keys() - self._users.keys():
            del self._withheld[target]


def _uses(pool: Pool) -> Uses:
    checks = dict.fromkeys(check for _, check in pool.config.checks)
    backends = listed(pool.config, pool.family)
    return [(Target(check, each.address, each.port), each) for each in backends for check in checks]


def _share(wanted: Iterable[int], most: int) -> int:
    """The largest number so that no more than `most` are given where each gets what it wants, or this number."""
    counts = sorted(wanted)
    for place, count in enumerate(counts):
        waiting = len(counts) - place
        if count * waiting > most:
            return most // waiting
        most -= count
    return max(counts, default=0)


def _unchanged(server: ServerConfig, before: Mapping[PoolKey, Pool]) -> dict[PoolKey, Pool] | None:
    """Its pools as they are, where they are of exactly this server."""
    pools = {(server.name, family): before.get((server.name, family)) for family in families(server)}
    same = {key: pool for key, pool in pools.items() if pool is not None and pool.config == server}
    return same if len(same) == len(pools) else None


def waits(server: ServerConfig, holding: frozenset[str]) -> bool:
    """Whether a server is checked only while an address of it is held here, and none is."""
    return server.checks_on_holder and bool(server.addresses) and holding.isdisjoint(server.addresses)
