"""The keeper of the sync daemons: idempotent, on disk before it starts one, and never at another's."""

import errno
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.node.ipvs.fake_kernel import FakeKernel

from mooring_node.ipvs.findings import Trouble
from mooring_node.ipvs.keeper import SyncKeeper
from mooring_node.ipvs.kernel import IpvsMissingError
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.sync import Role, SyncDaemon, both_roles

WANTED = both_roles("eth0", sync_id=3)
DEFAULTS = {"backup_only": "0", "sync_version": "1", "sync_persist_mode": "0"}


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ipvs.json"


def keep(
    kernel: FakeKernel, path: Path, daemons: tuple[SyncDaemon, ...], settings: Mapping[str, str] = DEFAULTS
) -> SyncKeeper:
    """What a process that has just begun does."""
    keeper = SyncKeeper(kernel, Owned(path), lambda: settings)
    keeper.want(daemons)
    keeper.turn()
    return keeper


def told(kernel: FakeKernel) -> dict[Role, tuple[str, int]]:
    return {role: (each.interface, each.sync_id) for role, each in kernel.daemons.items()}


def test_both_are_started_once(kernel: FakeKernel, path: Path) -> None:
    keeper = keep(kernel, path, WANTED)
    assert told(kernel) == {Role.MASTER: ("eth0", 3), Role.BACKUP: ("eth0", 3)}
    started = dict(kernel.daemons)
    keeper.turn()
    keep(kernel, path, WANTED)
    assert all(kernel.daemons[role] is started[role] for role in Role)
    assert keeper.problems == ()
    assert Owned(path).daemons == frozenset(WANTED)


def test_it_is_on_disk_before_it_is_started(kernel: FakeKernel, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[frozenset[SyncDaemon]] = []
    real = kernel.sync_start

    def start(daemon: SyncDaemon) -> None:
        seen.append(Owned(path).daemons)
        real(daemon)

    monkeypatch.setattr(kernel, "sync_start", start)
    keep(kernel, path, WANTED)
    assert seen == [frozenset(WANTED)] * 2


def test_one_that_stopped_is_started_again(kernel: FakeKernel, path: Path) -> None:
    keeper = keep(kernel, path, WANTED)
    del kernel.daemons[Role.MASTER]
    keeper.turn()
    assert set(kernel.daemons) == set(Role)


def test_killed_while_it_changes_the_next_one_goes_on(
    kernel: FakeKernel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(kernel, path, WANTED)

    def die(_daemon: SyncDaemon) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kernel, "sync_start", die)
        with pytest.raises(KeyboardInterrupt):
            keep(kernel, path, both_roles("eth1"))
    keep(kernel, path, both_roles("eth2"))
    assert told(kernel) == {Role.MASTER: ("eth2", 0), Role.BACKUP: ("eth2", 0)}
    assert SyncKeeper(kernel, Owned(path)).release() == ()
    assert kernel.daemons == {}
    assert Owned(path).daemons == frozenset()


def test_somebody_elses_is_told_of_and_not_stopped(kernel: FakeKernel, path: Path) -> None:
    theirs = SyncDaemon(Role.BACKUP, "eth9", 9)
    kernel.sync_start(theirs)
    keeper = keep(kernel, path, WANTED)
    assert told(kernel) == {Role.MASTER: ("eth0", 3), Role.BACKUP: ("eth9", 9)}
    (problem,) = keeper.problems
    assert problem.trouble is Trouble.FOREIGN
    assert "ipvsadm --stop-daemon backup" in problem.message
    assert keeper.release() == ()
    assert told(kernel) == {Role.BACKUP: ("eth9", 9)}


def test_one_like_ours_that_somebody_else_started_stays_theirs(kernel: FakeKernel, path: Path) -> None:
    kernel.sync_start(WANTED[1])
    keeper = keep(kernel, path, WANTED)
    assert keeper.problems == ()
    assert keeper.release() == ()
    assert set(kernel.daemons) == {Role.BACKUP}


def test_an_interface_that_is_not_there_is_told_and_tried_again(kernel: FakeKernel, path: Path) -> None:
    keeper = keep(kernel, path, both_roles("none0"))
    assert [each.message for each in keeper.problems] == [
        f"starting the {role} sync daemon on none0: there is no such interface" for role in ("master", "backup")
    ]
    keeper.want(WANTED)
    keeper.turn()
    assert set(kernel.daemons) == set(Role)
    assert keeper.problems == ()


def test_one_that_can_not_be_stopped_is_not_started_beside(
    kernel: FakeKernel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(kernel, path, WANTED)

    def refuse(_role: Role) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(kernel, "sync_stop", refuse)
    keeper = keep(kernel, path, both_roles("eth1"))
    assert [each.trouble for each in keeper.problems] == [Trouble.NOT_PERMITTED] * 2
    assert told(kernel) == {Role.MASTER: ("eth0", 3), Role.BACKUP: ("eth0", 3)}
    assert Owned(path).daemons == frozenset(WANTED)


def test_without_ipvs_it_is_said_and_nothing_is_left(kernel: FakeKernel, path: Path) -> None:
    kernel.breaks = IpvsMissingError(errno.ENOENT, "the kernel lacks the module ip_vs")
    keeper = keep(kernel, path, WANTED)
    assert [(each.trouble, each.module) for each in keeper.problems] == [(Trouble.MISSING_MODULE, "ip_vs")]
    assert keeper.release() == ()
    kernel.breaks = TimeoutError(errno.ETIMEDOUT, "no answer")
    keeper = keep(kernel, path, WANTED)
    assert [each.trouble for each in keeper.problems] == [Trouble.REFUSED]


def test_where_nothing_is_wanted_nothing_is_asked(kernel: FakeKernel, path: Path) -> None:
    SyncKeeper(kernel, Owned(path)).turn()
    keep(kernel, path, ())
    assert kernel.questions == 0


def test_a_setting_that_hinders_is_told_while_it_does(kernel: FakeKernel, path: Path) -> None:
    settings = {**DEFAULTS, "backup_only": "1", "sync_version": "0"}
    keeper = keep(kernel, path, WANTED, settings)
    assert set(kernel.daemons) == set(Role)
    for _ in range(2):  # Not once more with each turn.
        assert [(each.trouble, each.message.split()[0]) for each in keeper.problems] == [
            (Trouble.SETTING, "net.ipv4.vs.backup_only"),
            (Trouble.SETTING, "net.ipv4.vs.sync_version"),
        ]
        keeper.turn()
    settings.update(DEFAULTS)
    keeper.turn()
    assert keeper.problems == ()


def test_a_setting_hinders_nothing_where_nothing_is_to_be_synced(kernel: FakeKernel, path: Path) -> None:
    settings = {**DEFAULTS, "backup_only": "1"}
    keeper = keep(kernel, path, WANTED, settings)
    keeper.want(())
    keeper.turn()
    assert (kernel.daemons, keeper.problems) == ({}, ())
    assert keep(kernel, path, WANTED, settings).release() == ()
