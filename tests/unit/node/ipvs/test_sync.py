"""Which sync daemons are to be stopped and started, and who keeps his."""

import dataclasses

from mooring_node.ipvs.sync import Role, SyncDaemon, SyncSteps, both_roles, compare, matches

WANTED = both_roles("eth0", sync_id=3)
NOBODY: frozenset[SyncDaemon] = frozenset()


def running(*daemons: SyncDaemon) -> tuple[SyncDaemon, ...]:
    """As the kernel tells of them: with a length."""
    return tuple(dataclasses.replace(each, max_length=each.max_length or 1472) for each in daemons)


def test_a_node_has_both_roles() -> None:
    assert [each.role for each in WANTED] == [Role.MASTER, Role.BACKUP]
    assert compare(WANTED, (), NOBODY) == SyncSteps(start=WANTED)


def test_what_runs_as_it_is_wanted_is_left_alone_whoever_started_it() -> None:
    assert compare(WANTED, running(*WANTED), frozenset(WANTED)) == SyncSteps()
    assert compare(WANTED, running(*WANTED), NOBODY) == SyncSteps()


def test_each_connection_is_sent_alone() -> None:
    assert [each.max_length for each in WANTED] == [1, 0]


def test_ours_of_an_older_release_that_collects_is_started_anew() -> None:
    before = tuple(dataclasses.replace(each, max_length=0) for each in WANTED)
    steps = compare(WANTED, running(*before), frozenset(before))
    assert steps == SyncSteps(stop=running(before[0]), start=WANTED[:1])


def test_somebody_elses_may_collect() -> None:
    theirs = dataclasses.replace(WANTED[0], max_length=1472)
    assert compare(WANTED[:1], (theirs,), NOBODY) == SyncSteps()


def test_a_length_that_is_asked_for_counts() -> None:
    asked = dataclasses.replace(WANTED[0], max_length=1000)
    assert not matches(asked, running(WANTED[0])[0])
    assert matches(asked, running(asked)[0])


def test_ours_is_stopped_and_started_anew_when_it_changes() -> None:
    new = both_roles("eth1", sync_id=3)
    steps = compare(new, running(*WANTED), frozenset(WANTED))
    assert steps == SyncSteps(stop=running(*WANTED), start=new)


def test_ours_is_stopped_when_it_is_not_wanted_and_others_are_not() -> None:
    assert compare((), running(*WANTED), frozenset(WANTED[:1])) == SyncSteps(stop=running(WANTED[0]))


def test_somebody_elses_keeps_its_role() -> None:
    theirs = SyncDaemon(Role.BACKUP, "eth0", sync_id=9)
    steps = compare(WANTED, running(theirs), frozenset(WANTED))
    assert steps == SyncSteps(start=WANTED[:1], foreign=running(theirs))
