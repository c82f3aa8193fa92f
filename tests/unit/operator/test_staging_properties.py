"""Whatever is asked for, written, taken, confirmed and lost in whatever order: never two holders, and an end."""

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.operator.fleet import Fleet, Wish

from mooring_api.nodeconfig import InstanceState

NODES = ["n1", "n2", "n3"]
FOUR = tuple(f"10.0.5.{i}/16" for i in range(1, 4))
SIX = ("2001:db8::5:1/64",)
GROUPS = (("a", 0), ("a", 1), ("b", 0))
VRIDS = (1, 2, 3, 4)
#: A walk is long and cheap: what Hypothesis searches is its seed, and what it shrinks is its length.
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Walk:
    """A fleet to which one thing after the other happens."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.fleet = Fleet(NODES)
        self.wishes: dict[tuple[str, int], Wish] = {}
        self.lines = dict.fromkeys(NODES, 0)
        self.slow = self.random.sample(NODES, self.random.choice([0, 0, 1]))
        self.changes = self.random.choice([0.05, 0.15, 0.4])
        for _ in range(self.random.randint(1, 3)):
            self._change()
        self._aim()

    def step(self) -> None:
        if self.random.random() < self.changes:
            self._change()
            self._aim()
        event = self.random.choice([self._write, self._write, self._node, self._node, self._node, self._rare])
        event()
        self.fleet.check()

    # What a user does.

    def _aim(self) -> None:
        self.fleet.aim([replace(wish, lines=dict(self.lines)) for wish in self.wishes.values()])

    def _change(self) -> None:
        often = [self._member, self._address, self._form]
        self.random.choice([*often, *often, self._group, self._vrid, self._way, self._line, self._priority])()

    def _some(self) -> Wish | None:
        return self.random.choice(list(self.wishes.values())) if self.wishes else None

    def _put(self, wish: Wish) -> None:
        self.wishes[wish.virtual_ip, wish.index] = wish

    def _group(self) -> None:
        key = self.random.choice(GROUPS)
        if key in self.wishes and self.random.random() < 0.5:
            del self.wishes[key]
            return
        taken = {address for wish in self.wishes.values() for address in wish.addresses}
        free = [address for address in FOUR if address not in taken]
        vrids = [vrid for vrid in VRIDS if vrid not in {wish.vrid for wish in self.wishes.values()}]
        if key in self.wishes or not free:
            return
        members = self.random.sample(NODES, self.random.randint(1, 3))
        own = {node: (250 - 10 * place, True) for place, node in enumerate(members)}
        self._put(Wish(*key, (self.random.choice(free),), own, self.random.choice(vrids)))

    def _member(self) -> None:
        if (wish := self._some()) is None:
            return
        node = self.random.choice(NODES)
        members = dict(wish.members)
        if node not in members:
            members[node] = (max(priority for priority, _ in members.values()) % 250 + 1, True)
        elif self.random.random() < 0.5 and len(members) > 1:
            del members[node]
        else:
            priority, eligible = members[node]
            others = any(able for name, (_, able) in members.items() if name != node)
            members[node] = (priority, not eligible if others else True)
        if not any(able for _, able in members.values()):
            members = {name: (priority, True) for name, (priority, _) in members.items()}
        self._put(replace(wish, members=members))

    def _priority(self) -> None:
        if wish := self._some():
            self._put(replace(wish, members={n: (p + 1 if p < 250 else 99, e) for n, (p, e) in wish.members.items()}))

    def _address(self) -> None:
        """An address goes from one group to another, or comes, or goes."""
        address = self.random.choice(FOUR + SIX)
        wish = self._some()
        for other in list(self.wishes.values()):
            if address in other.addresses:
                left = tuple(a for a in other.addresses if a != address)
                if left:
                    self._put(replace(other, addresses=left))
                elif wish is not None and wish is not other and self.random.random() < 0.5:
                    # Its only one: it gets what the other had, or goes.
                    self._put(replace(other, addresses=wish.addresses))
                    self._put(replace(wish, addresses=(address,)))
                    self._fit()
                    return
                else:
                    return
        if wish is not None and self.random.random() < 0.8:
            wish = self.wishes[wish.virtual_ip, wish.index]
            self._put(replace(wish, addresses=tuple(sorted({*wish.addresses, address}))))
        self._fit()

    def _fit(self) -> None:
        """Version 2 is for IPv4 alone."""
        for wish in list(self.wishes.values()):
            if any(":" in address for address in wish.addresses):
                self._put(replace(wish, version=3, secret=None))

    def _form(self) -> None:
        if wish := self._some():
            secret = self.random.choice([None, "red", "red", "blue"])
            interval = self.random.choice(["1s", "2s"])
            self._put(replace(wish, interval=interval, secret=secret, version=2 if secret else 3))
            self._fit()

    def _vrid(self) -> None:
        """Another VRID, or that of another group, which gets this one's."""
        if wish := self._some():
            vrid = self.random.choice(VRIDS)
            for other in list(self.wishes.values()):
                if other.vrid == vrid:
                    self._put(replace(other, vrid=wish.vrid))
            self._put(replace(wish, vrid=vrid))

    def _way(self) -> None:
        if wish := self._some():
            self._put(replace(wish, multicast=not wish.multicast))

    def _line(self) -> None:
        node = self.random.choice(NODES)
        self.lines[node] = 1 - self.lines[node]

    # What the operator and the nodes do.

    def _write(self) -> None:
        staged = self.fleet.stage()
        if self.random.random() < 0.3:
            # Killed after some of the writes.
            names = sorted(staged.changed)
            self.fleet.write(staged, self.random.sample(names, self.random.randint(0, len(names))))
        else:
            self.fleet.write(staged)

    def _node(self) -> None:
        node = self.fleet.nodes[self.random.choice(sorted(self.fleet.nodes))]
        if node.name in self.slow and self.random.random() < 0.9:
            return
        self.random.choice([lambda: node.take(self.fleet.secrets), node.report, lambda: self._both(node)])()

    def _both(self, node) -> None:
        node.take(self.fleet.secrets)
        node.report()

    def _rare(self) -> None:
        node = self.fleet.nodes[self.random.choice(sorted(self.fleet.nodes))]
        dice = self.random.random()
        if dice < 0.05 and len(self.fleet.nodes) > 2:
            self.fleet.lose(node.name)
        elif dice < 0.1:
            # Paused, or written so that nobody can read it.
            self.fleet.kept ^= {self.random.choice(["a", "b"])}
        elif dice < 0.12:
            self.fleet.unready ^= {node.name}
        elif dice < 0.15:
            node.dislikes ^= {self.random.choice(VRIDS)}
        elif dice < 0.3:
            self.fleet.bump(self.random.choice(["red", "blue"]))
        elif dice < 0.6:
            node.fetch(self.fleet.secrets)
        elif node.runs:
            instance = self.random.choice(node.runs)
            if instance.eligible:
                node.states[instance.group_name] = self.random.choice(list(InstanceState))


@FEW
@given(st.integers(0, 2**32), st.integers(1, 120))
# One joined while it meant another state of the Secret than the one that spoke.
@example(240194989, 71)
@example(240194989, 72)
def test_two_that_may_be_active_hear_each_other_and_no_address_is_in_two_groups(seed, steps):
    walk = Walk(seed)
    for _ in range(steps):
        walk.step()
    walk.fleet.kept = walk.fleet.unready = frozenset()
    for node in walk.fleet.nodes.values():
        node.dislikes.clear()
    walk.fleet.rounds_to_target()


class SteadyWalk(Walk):
    """Nobody is lost, nothing is refused, and no group takes what another has: members and how they speak change."""

    def _change(self) -> None:
        if len(self.wishes) < 2:
            self._group()
        changes = [self._member, self._member, self._interval, self._free_vrid, self._way, self._line, self._priority]
        self.random.choice(changes)()

    def _group(self) -> None:
        count = len(self.wishes)
        super()._group()
        if len(self.wishes) < count:
            self._group()

    def _interval(self) -> None:
        if wish := self._some():
            self._put(replace(wish, interval=self.random.choice(["1s", "2s"])))

    def _free_vrid(self) -> None:
        if wish := self._some():
            used = {other.vrid for other in self.wishes.values()} | self._still_used()
            self._put(replace(wish, vrid=self.random.choice([v for v in range(1, 256) if v not in used])))

    def _still_used(self) -> set[int]:
        everything = [i for node in self.fleet.nodes.values() for i in node.runs]
        return {
            vrid for i in everything for vrid in (i.virtual_router_id, *(f.virtual_router_id for f in i.also_accept))
        }

    def _rare(self) -> None:
        pass

    def able(self) -> set[str]:
        """Groups that somebody could hold at this moment."""
        return {i.group_name for node in self.fleet.nodes.values() for i in node.runs if i.eligible}


@FEW
@given(st.integers(0, 2**32), st.integers(1, 120))
def test_a_group_that_somebody_can_hold_is_never_without_one_who_can(seed, steps):
    walk = SteadyWalk(seed)
    able: set[str] = set()
    known: set[str] = set()
    # A group that was not wanted for a moment may have been told to let go, and is not looked at any more.
    unwanted: set[str] = set()
    for _ in range(steps):
        walk.step()
        wanted = {wish.name for wish in walk.wishes.values()}
        known |= wanted
        unwanted |= known - wanted
        assert able - unwanted <= walk.able()
        able |= walk.able()
    walk.fleet.rounds_to_target()
