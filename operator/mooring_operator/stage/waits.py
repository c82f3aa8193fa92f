"""What a group waits for, in sentences for a person on call."""

from collections.abc import Iterable, Iterator

from mooring_operator.stage.aims import Target
from mooring_operator.stage.forms import Form, has_key
from mooring_operator.stage.round import Round
from mooring_operator.stage.seats import GroupKey, Seat, Waiting, any_of, named

_REMEDY = "see the daemon there, or delete its Node if it is off for good"


def waits_of(this: Round) -> tuple[Waiting, ...]:
    """Everything that is known to be in the way of this group's target; empty while it simply goes on."""
    return _told(this.target.group, [*_claims(this), *_form(this), *_members(this)])


def waits_at_target(target: Target) -> tuple[Waiting, ...]:
    """The same for a group that has nothing to do: what may still come is a key that not all have yet."""
    return _told(target.group, _newer_key(target))


def _told(group: GroupKey, found: Iterable[tuple[Iterable[str], str]]) -> tuple[Waiting, ...]:
    unique = dict.fromkeys((tuple(sorted(nodes)), why) for nodes, why in found)
    return tuple(Waiting(*group, nodes, why) for nodes, why in unique)


def _not_confirmed(nodes: list[str]) -> str:
    return f"{named(nodes)} {'has' if len(nodes) == 1 else 'have'} not confirmed"


_Found = Iterator[tuple[Iterable[str], str]]


def _claims(this: Round) -> _Found:
    for claim, groups in this.aims.blocked.items():
        nodes = sorted(frozenset[str]().union(*groups.values()))
        family, slash, vrid = claim.partition("/")
        what = f"virtual router ID {vrid} for {family}" if slash else claim
        yield nodes, f"{what} is still used by group {', '.join(sorted(groups))} on {named(nodes)} and comes after that"
    if this.speech.refused:
        silent = [seat.node for seat in this.standing if not seat.confirmed]
        yield silent, f"too many changes at once: {named(silent)} must confirm one of them first; {_REMEDY}"


def _form(this: Round) -> _Found:
    goal = this.aims.goal
    old = [form for form in this.speech.spoken.values() if form != goal]
    if goal is None or not this.standing:
        return
    if old:
        change = changes(old[0], goal)
        silent = [seat.node for seat in this.standing if not seat.confirmed]
        if silent:
            yield silent, f"{change}: {_not_confirmed(silent)} yet to accept old and new; {_REMEDY}"
        if goal.secret is not None:
            keyless = [seat.node for seat in this.standing if seat.confirmed and not has_key(seat, goal)]
            if keyless:
                yield keyless, f"{change}: no key of Secret {goal.secret} yet on {named(keyless)}"
        return
    yield from _newer_key(this.target)
    listening = [seat for seat in this.standing if any(i.also_accept for i in seat.stands.values())]
    silent = [seat.node for seat in this.standing if not seat.confirmed]
    if listening and silent:
        yield silent, f"{_not_confirmed(silent)} the new form yet; the others accept the old one meanwhile"


def _newer_key(target: Target) -> _Found:
    goal = target.goal
    if goal is None or goal.secret is None:
        return
    reports = {seat.node: report for seat in target.seats if (report := seat.keys.get(goal.secret))}
    currents = {report.current for report in reports.values()} - {goal.key_version, None}
    behind = [node for node, report in reports.items() if not currents.intersection(report.versions)]
    if currents and behind:
        yield (
            behind,
            f"the new state of Secret {goal.secret} is not on {named(behind)} yet; the old one is kept",
        )


def changes(old: Form, new: Form) -> str:
    """What a change of form changes, in a few words."""
    words = []
    if old.virtual_router_id != new.virtual_router_id:
        words.append(f"virtual router ID {old.virtual_router_id} to {new.virtual_router_id}")
    if old.version != new.version:
        words.append(f"version {old.version} to {new.version}")
    if old.advertisement_interval != new.advertisement_interval:
        words.append(f"interval {old.advertisement_interval} to {new.advertisement_interval}")
    if old.authentication != new.authentication:
        words.append("authentication")
    if old.checksum != new.checksum:
        words.append(f"checksum {old.checksum} to {new.checksum}")
    if (old.type, old.group) != (new.type, new.group):
        words.append(f"transport {old.type} to {new.type}" if old.type != new.type else "multicast group")
    return " and ".join(words) or "nothing"


def _members(this: Round) -> _Found:
    for seat in this.target.seats:
        if seat.held:
            continue
        aimed, made = any_of(this.aims.shares[seat.node]), any_of(this.shares[seat.node])
        if before := this.waits_for(seat):
            yield before, f"{seat.node} can't take the role and joins when {named(before)} may"
        elif aimed is None and made is not None:
            yield from _leaver(this, seat, eligible=made.eligible)
        elif aimed is not None and made is not None and aimed.eligible and not made.eligible and seat.stands:
            silent = [s.node for s in this.standing if s is not seat and not s.confirmed]
            if silent:
                yield (
                    silent,
                    f"{seat.node} may take the role when it is confirmed by {named(silent)} as one that is heard",
                )
        elif made is not None and aimed is not None and made.eligible and not aimed.eligible:
            yield from _no_heir(this, seat)
        yield from _moving_place(this, seat)


def _leaver(this: Round, seat: Seat, *, eligible: bool) -> _Found:
    if eligible:
        yield from _no_heir(this, seat)
    elif not seat.may_become_active and not seat.confirmed:
        yield [seat.node], f"{seat.node} leaves when it has confirmed that it lets go; {_REMEDY}"


def _no_heir(this: Round, seat: Seat) -> _Found:
    heirs = [heir.node for heir in this.heirs(seat)]
    yield heirs, f"{seat.node} keeps the role until one of the others can take it ({named(heirs)})"


def _moving_place(this: Round, seat: Seat) -> _Found:
    silent = [s.node for s in this.standing if s is not seat and not s.confirmed]
    for family, instance in this.shares[seat.node].items():
        aimed = this.aims.shares[seat.node].get(family)
        if aimed and silent and aimed.transport.source != instance.transport.source:
            yield silent, f"{seat.node} speaks from {aimed.transport.source} when that is confirmed by {named(silent)}"
