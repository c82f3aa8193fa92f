"""Scripts: which are run, as whom, and that nothing of them stays."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring_node.checks.attempt import Scope
from mooring_node.checks.scripts import MOST_OUTPUT_BYTES, NOBODY, Ended, ScriptError, Scripts, run
from mooring_node.checks.verdict import Withheld

Writes = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that anyone may enter, which only we may change."""
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and not each.stat().st_mode & 0o001:
            each.chmod(0o711)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Writes:
    def write(text: str, name: str = "check.sh", mode: int = 0o755) -> str:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(mode)
        return name

    return write


def ran(folder: Path, name: str, *arguments: str, timeout_s: float = 30, **more: str) -> Ended:
    return asyncio.run(run(Scripts(folder), name, arguments, more, timeout_s))


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_code_output_arguments_and_environment(folder: Path, write: Writes) -> None:
    name = write('echo "$1 $MOORING_PORT"; echo second >&2; env | cut -d= -f1 | sort | tr "\\n" " "; pwd; exit 7')
    ended = ran(folder, name, "a b; exit 0", MOORING_PORT="80")
    assert ended.code == 7
    assert ended.first_line == "a b; exit 0 80"
    assert ended.output.decode().splitlines()[1:] == ["second", "MOORING_PORT PATH PWD /"]


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user, so needs root")
def test_it_is_nobody_without_groups_and_capabilities(folder: Path, write: Writes) -> None:
    name = write("id -u; id -g; id -G; grep CapEff /proc/self/status | cut -f2")
    ended = ran(folder, name)
    assert ended.output.decode().split() == [str(NOBODY), str(NOBODY), str(NOBODY), "0" * 16]


def test_a_signal_is_a_negative_code(folder: Path, write: Writes) -> None:
    assert ran(folder, write("kill -TERM $$")).code == -15


def test_time_is_up_for_the_whole_group(folder: Path, write: Writes) -> None:
    pids = folder / "pids"
    pids.mkdir()
    pids.chmod(0o1777)
    name = write(f"sleep 1000 & echo $! > {pids}/child; echo $$ > {pids}/self; wait")
    with pytest.raises(TimeoutError, match="timed out while the script was running"):
        ran(folder, name, timeout_s=1)
    for which in ("self", "child"):
        assert gone(int((pids / which).read_text()))


def test_a_child_that_holds_the_pipe_holds_nobody_up_and_ends(folder: Path, write: Writes) -> None:
    ended = ran(folder, write("sleep 1000 & echo $!"))
    assert ended.code == 0
    assert gone(int(ended.output))


def test_endless_output_is_bounded(folder: Path, write: Writes) -> None:
    name = write("yes 1234567 | head -c 3000000; exit 3")
    ended = ran(folder, name)
    assert ended.code == 3
    assert len(ended.output) == MOST_OUTPUT_BYTES
    with pytest.raises(TimeoutError):
        ran(folder, write("exec yes"), timeout_s=0.3)


def test_output_is_hostile(folder: Path, write: Writes) -> None:
    ended = ran(folder, write("printf '\\033[31mred\\377\\000'; head -c 1000 /dev/zero | tr '\\0' x"))
    assert ended.first_line.startswith("?[31mred")
    assert ended.first_line.isprintable()
    assert len(ended.first_line) == 200


def test_links_within_the_folder_are_followed_as_a_configmap_has_them(folder: Path, write: Writes) -> None:
    (folder / "..2026").mkdir()
    write("exit 4", "..2026/real.sh")
    (folder / "..data").symlink_to("..2026")
    (folder / "link.sh").symlink_to("..data/real.sh")
    assert ran(folder, "link.sh").code == 4


@pytest.mark.parametrize("name", ["../check.sh", "a/b", "..", "", "missing.sh"])
def test_names_that_lead_elsewhere(folder: Path, name: str) -> None:
    with pytest.raises(ScriptError):
        Scripts(folder).find(name)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.sh"
    outside.write_text("#!/bin/sh\n")
    outside.chmod(0o755)
    (folder / "x.sh").symlink_to(outside)
    with pytest.raises(ScriptError, match="leads out"):
        Scripts(folder).find("x.sh")


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_file_that_others_may_write_is_refused(folder: Path, write: Writes, mode: int) -> None:
    with pytest.raises(ScriptError, match="others than root may change"):
        Scripts(folder).find(write("exit 0", mode=mode))


def test_a_folder_that_others_may_write_is_refused(folder: Path, write: Writes) -> None:
    name = write("exit 0")
    folder.chmod(0o777)
    with pytest.raises(ScriptError, match="others than root may change"):
        Scripts(folder).find(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, so needs root")
def test_a_file_of_somebody_else_is_refused(folder: Path, write: Writes) -> None:
    name = write("exit 0")
    os.chown(folder / name, NOBODY, NOBODY)
    with pytest.raises(ScriptError, match="others than root may change"):
        Scripts(folder).find(name)


def test_what_is_no_program_is_refused(folder: Path, write: Writes) -> None:
    with pytest.raises(ScriptError, match="not executable"):
        Scripts(folder).find(write("exit 0", mode=0o644))
    (folder / "sub").mkdir()
    with pytest.raises(ScriptError, match="no file"):
        Scripts(folder).find("sub")
    (folder / "bad").write_text("#!/nowhere\n")
    (folder / "bad").chmod(0o755)
    with pytest.raises(ScriptError, match="no such file"):
        ran(folder, "bad")


@pytest.mark.skipif(os.geteuid() != 0, reason="lacks rights that root has, so needs root")
def test_root_without_the_right_to_change_users_tells_nothing_of_a_backend(
    folder: Path, write: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring_node.checks.scripts._capabilities", lambda: 0)
    with pytest.raises(Withheld, match="SETUID"):
        ran(folder, write("exit 0"))


def test_root_is_refused_as_the_user_of_scripts(folder: Path) -> None:
    with pytest.raises(ValueError, match="not run as root"):
        Scripts(folder, user=0)


def test_nothing_stays_open(folder: Path, write: Writes) -> None:
    name = write("exit 0")
    ran(folder, name)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        ran(folder, name)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_cancelled_scope_ends_the_script(folder: Path, write: Writes) -> None:
    scope = Scope()
    scripts = Scripts(folder)
    name = write("exec sleep 1000")
    running = scripts.execute(scope, name, (), {})
    running.send(None)
    children = [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    running.close()
    scope.close()
    assert children
    assert all(gone(child) for child in children)
