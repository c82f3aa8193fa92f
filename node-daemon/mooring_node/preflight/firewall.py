"""Which rules of nftables would drop an advert (pure): the ruleset is walked with the advert, as the kernel does.

iptables by nftables (iptables-nft) shows itself there too. What cannot be told of a rule leaves both ways open, so
three results: it passes, it may be dropped, it is dropped. nft's rules in the families ip, ip6 and inet are read,
and in chains of the type filter: the others drop nothing as a rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from mooring_node.preflight.packets import Answer, Packet, Sets, matches

DEPTH = 16
INCOMING, OUTGOING = ("prerouting", "input"), ("output", "postrouting")
#: Statements that neither match nor end anything.
_HARMLESS = frozenset({"counter", "log", "set", "map", "mangle", "meter", "ct helper", "flow", "quota"})


class Way(Enum):
    """Where a packet goes on."""

    ACCEPT = "accept"
    DROP = "drop"
    RETURN = "return"
    ON = "on"


@dataclass(frozen=True, slots=True)
class Dropped:
    """`where`: the chain and what of it; `surely`: on every way."""

    where: str
    surely: bool


@dataclass(slots=True)
class Chain:
    """One chain, with its rules as nft lists them."""

    family: str
    table: str
    name: str
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    rules: list[Sequence[Mapping[str, Any]]] = field(default_factory=list)

    @property
    def called(self) -> str:
        return f"{self.family} {self.table} {self.name}"


class Ruleset:
    """What `nft -j list table ...` said, of all tables together."""

    def __init__(self, listed: Sequence[Mapping[str, Any]]) -> None:
        self._chains: dict[tuple[str, str, str], Chain] = {}
        self._sets: dict[tuple[str, str], dict[str, Sequence[Any] | None]] = {}
        for entry in listed:
            if "chain" in entry:
                self._add_chain(entry["chain"])
            elif "set" in entry or "map" in entry:
                self._add_set(entry.get("set") or entry["map"])
        for entry in listed:
            if "rule" in entry:
                rule = entry["rule"]
                chain = self._chains.get((rule["family"], rule["table"], rule["chain"]))
                if chain is not None:
                    chain.rules.append(rule.get("expr", ()))

    def _add_chain(self, said: Mapping[str, Any]) -> None:
        chain = Chain(said["family"], said["table"], said["name"])
        if said.get("type") == "filter" and isinstance(said.get("prio"), int):
            chain.hook, chain.priority = said["hook"], said["prio"]
            chain.policy = said.get("policy", "accept")
        self._chains[chain.family, chain.table, chain.name] = chain

    def _add_set(self, said: Mapping[str, Any]) -> None:
        elements = said.get("elem", [])
        plain = not any(isinstance(each, dict) and "elem" in each for each in elements)
        self._sets.setdefault((said["family"], said["table"]), {})[said["name"]] = elements if plain else None

    def drops(self, packet: Packet, hooks: Sequence[str]) -> Iterator[Dropped]:
        """Where the advert is or may be dropped on its way through these hooks; what comes after a sure one is not."""
        families = ("inet", "ip" if packet.family == 4 else "ip6")
        for hook in hooks:
            based = [each for each in self._chains.values() if each.hook == hook and each.family in families]
            for chain in sorted(based, key=lambda each: each.priority):
                walk = Walk(self, chain, packet)
                ways = walk.base()
                if Way.DROP in ways:
                    surely = ways == {Way.DROP}
                    yield Dropped(walk.where, surely)
                    if surely:
                        return
                packet = walk.packet

    def chain(self, beside: Chain, name: str) -> Chain | None:
        return self._chains.get((beside.family, beside.table, name))

    def sets(self, chain: Chain) -> Sets:
        return self._sets.get((chain.family, chain.table), {})


class Walk:
    """One advert's way through one base chain."""

    def __init__(self, ruleset: Ruleset, chain: Chain, packet: Packet) -> None:
        self._ruleset = ruleset
        self._chain = chain
        self.packet = packet
        self.where = ""
        """The first place where it is or may be dropped."""

    def base(self) -> set[Way]:
        ways = self._chain_ways(self._chain, 0)
        if ways & {Way.ON, Way.RETURN}:
            ways -= {Way.ON, Way.RETURN}
            ways.add(Way.DROP if self._chain.policy == "drop" else Way.ACCEPT)
            if self._chain.policy == "drop":
                self.where = self.where or f"the chain {self._chain.called} drops what no rule of it accepts"
        return ways

    def _chain_ways(self, chain: Chain, depth: int) -> set[Way]:
        ways: set[Way] = set()
        for rule in chain.rules:
            sure, found = self._rule(chain, rule, depth)
            ways |= found - {Way.ON}
            if sure and Way.ON not in found:
                return ways
        return ways | {Way.ON}

    def _rule(self, chain: Chain, rule: Sequence[Mapping[str, Any]], depth: int) -> tuple[bool, set[Way]]:
        """Whether it surely matches, and where it leads then; a rule that surely does not leads on."""
        sure = True
        sets = self._ruleset.sets(chain)
        for statement in rule:
            (kind, said), *_ = statement.items()
            if kind == "match":
                answer: Answer = matches(said, self.packet, sets)
                if answer is False:
                    return True, {Way.ON}
                sure = sure and answer is True
            elif kind in ("xt", "limit") and not (kind == "xt" and said.get("type") == "target"):
                sure = sure and kind == "xt" and said.get("name") == "comment"
            elif kind == "notrack":
                self._untrack(sure=sure)
            elif kind not in _HARMLESS:
                return self._verdict(chain, kind, said, depth, sure=sure)
        return sure, {Way.ON}

    def _untrack(self, *, sure: bool) -> None:
        untracked = frozenset({"untracked"})
        self.packet = replace(self.packet, states=untracked if sure else self.packet.states | untracked)

    def _verdict(self, chain: Chain, kind: str, said: Any, depth: int, *, sure: bool) -> tuple[bool, set[Way]]:
        if kind in ("drop", "reject") or (kind == "xt" and said.get("name") in ("REJECT", "DROP")):
            self.where = self.where or f"a rule of the chain {chain.called} drops it"
            return sure, {Way.DROP}
        if kind in ("accept", "return"):
            return sure, {Way.ACCEPT if kind == "accept" else Way.RETURN}
        if kind in ("jump", "goto"):
            return self._called(chain, said.get("target", ""), depth, sure=sure, comes_back=kind == "jump")
        if kind == "vmap":
            return self._mapped(chain, said, depth)
        # What it does is not known: a target of xtables, a queue.
        return False, {Way.ON}

    def _called(self, chain: Chain, name: str, depth: int, *, sure: bool, comes_back: bool) -> tuple[bool, set[Way]]:
        target = self._ruleset.chain(chain, name)
        if target is None or depth >= DEPTH:
            return False, {Way.ON}
        ways = self._chain_ways(target, depth + 1)
        if ways & {Way.RETURN, Way.ON}:
            ways = ways - {Way.RETURN, Way.ON} | {Way.ON if comes_back else Way.RETURN}
        return sure, ways

    def _mapped(self, chain: Chain, said: Any, depth: int) -> tuple[bool, set[Way]]:
        """A verdict by a key: each that may match counts, and going on where none surely does."""
        data = said.get("data")
        pairs = data.get("set") if isinstance(data, dict) else self._ruleset.sets(chain).get(str(data).lstrip("@"))
        ways: set[Way] = set()
        for pair in pairs or ():
            if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict)):
                return False, {Way.ON}
            answer = matches({"left": said.get("key"), "right": pair[0]}, self.packet, self._ruleset.sets(chain))
            if answer is False:
                continue
            (kind, target), *_ = pair[1].items()
            found = self._verdict(chain, kind, target or {}, depth, sure=True)[1]
            ways |= found
            if answer is True:
                return True, ways
        return True, ways | {Way.ON}
