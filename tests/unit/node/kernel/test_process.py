"""Process settings, each in a child of its own; what needs a right is tried with and without it."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from mooring_node.kernel import process

HEAD = "import json, os, resource, signal, sys, time\nfrom mooring_node.kernel import process\n"

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="needs root to give rights away"
)

WITHOUT_RIGHTS = [
    "setpriv",
    "--bounding-set=-all",
    "--inh-caps=-all",
]  # uid 0, or it could not read a checkout in its home


def _child(body: str, *prefix: str) -> Any:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", HEAD + body], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_clock_counts_from_boot() -> None:
    before = process.now_ns()
    with open("/proc/uptime", encoding="ascii") as uptime:
        booted = float(uptime.read().split()[0])
    assert abs(before / 1e9 - booted) < 5
    assert process.now_ns() >= before


def test_what_goes_beyond_the_bound_fails_in_this_process_alone() -> None:
    body = """
process.bound_memory(300 << 20)
fits = len(bytearray(100 << 20))
try:
    bytearray(300 << 20)
except MemoryError:
    print(json.dumps([fits, resource.getrlimit(resource.RLIMIT_DATA)[0]]))
"""
    assert _child(body) == [100 << 20, 300 << 20]


def test_a_lower_bound_stays() -> None:
    body = """
resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 250 << 20))
process.bound_memory(300 << 20)
print(json.dumps(resource.getrlimit(resource.RLIMIT_DATA)))
"""
    assert _child(body) == [200 << 20, 250 << 20]


def test_a_crash_leaves_no_core_file() -> None:
    body = """
resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
process.no_core_dumps()
print(json.dumps(resource.getrlimit(resource.RLIMIT_CORE)))
"""
    assert _child(body) == [0, 1 << 20]


OOM = """
said = [process.oom_score(), process.protect_from_oom()]
process.be_expendable()
said.append(process.oom_score())
with process.ordinary_children():
    pid = os.fork()
    if pid == 0:
        os._exit(process.oom_score() == process.ORDINARY)
said += [process.oom_score(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
print(json.dumps(said))
"""


@needs_root
def test_what_may_go_first_does_and_what_may_not_keeps_its_score() -> None:
    """Without CAP_SYS_RESOURCE, as the chart grants: what kubelet gave stays, and raising is for everybody."""
    before = process.oom_score()
    after = before + process.EXPENDABLE
    assert _child(OOM, *WITHOUT_RIGHTS) == [before, before, after, after, 0 if before + 100 > 0 else 1]


@needs_root
def test_a_score_that_cannot_be_raised_further_stays() -> None:
    body = "process._set_oom_score(950)\n" + OOM
    assert _child(body, *WITHOUT_RIGHTS)[1:3] == [950, 1000]


@needs_root
def test_memory_is_locked_on_first_use_alone() -> None:
    body = """
import mmap
untouched = mmap.mmap(-1, 200_000_000, flags=mmap.MAP_PRIVATE)
done = process.lock_memory()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([done, int(status["VmLck"].split()[0]), int(status["VmRSS"].split()[0])]))
"""
    done, locked_kib, resident_kib = _child(body)
    assert done
    assert locked_kib > 0
    assert resident_kib < 100_000


@needs_root
def test_memory_stays_unlocked_where_a_limit_would_bite_later() -> None:
    body = """
def refuse(*_):
    raise PermissionError
# As a process under a limit that mlockall itself would still accept: a hard limit can't be raised everywhere.
process._has_capability = lambda number: False
resource.setrlimit = refuse
done = process.lock_memory()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([done, int(status["VmLck"].split()[0])]))
"""
    assert _child(body) == [False, 0]


@needs_root
def test_without_rights_memory_stays_unlocked() -> None:
    assert _child("print(json.dumps(process.lock_memory()))", *WITHOUT_RIGHTS) is False


@needs_root
def test_real_time_is_granted_bounded_and_not_inherited() -> None:
    body = """
got = process.real_time(10, cpu_limit_ms=300).name
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, b"%d" % os.sched_getscheduler(0))
    os._exit(0)
os.wait()
policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
limit = resource.getrlimit(resource.RLIMIT_RTTIME)[0]
print(json.dumps([got, policy == os.SCHED_FIFO, limit, int(os.read(reader, 9))]))
"""
    assert _child(body) == ["REAL_TIME", True, 300_000, int(os.SCHED_OTHER)]


@needs_root
def test_a_runaway_real_time_loop_is_ended() -> None:
    body = "process.real_time(10, cpu_limit_ms=100)\nwhile True: pass\n"
    done = subprocess.run([sys.executable, "-c", HEAD + body], timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU


@needs_root
def test_without_rights_scheduling_stays_normal() -> None:
    body = "print(json.dumps([process.real_time(10).name, os.getpriority(os.PRIO_PROCESS, 0)]))"
    assert _child(body, *WITHOUT_RIGHTS) == ["NORMAL", os.getpriority(os.PRIO_PROCESS, 0)]


@needs_root
def test_where_real_time_is_refused_nice_is_taken_and_not_inherited() -> None:
    body = """
def refuse(pid, policy, parameter, real=os.sched_setscheduler):
    if policy & os.SCHED_FIFO:
        raise PermissionError
    real(pid, policy, parameter)
os.sched_setscheduler = refuse
got = process.real_time(10).name
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, b"%d" % os.getpriority(os.PRIO_PROCESS, 0))
    os._exit(0)
os.wait()
print(json.dumps([got, os.getpriority(os.PRIO_PROCESS, 0), int(os.read(reader, 9))]))
"""
    assert _child(body) == ["NICE", -20, 0]


def test_a_child_dies_with_its_parent() -> None:
    body = """
ready, tell = os.pipe()
parent = os.fork()
if parent == 0:
    mine = os.getpid()
    if os.fork() == 0:
        process.die_with_parent(signal.SIGTERM, mine)
        signal.signal(signal.SIGTERM, lambda *_: (os.write(tell, b"gone"), os._exit(0)))
        os.write(tell, b"here")
        while True:
            signal.pause()
    time.sleep(600)
assert os.read(ready, 4) == b"here"
os.kill(parent, signal.SIGKILL)
print(json.dumps(os.read(ready, 4).decode()))
"""
    assert _child(body) == "gone"


def test_a_parent_that_is_gone_already_counts() -> None:
    body = """
child = os.fork()
if child == 0:
    process.die_with_parent(signal.SIGTERM, os.getppid() + 1)
    os._exit(0)
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
    assert _child(body) == -signal.SIGTERM


def test_the_name_is_cut_to_what_fits() -> None:
    body = 'process.set_name("mooring-vrrp-and-more")\nprint(json.dumps(open("/proc/self/comm").read()))'
    assert _child(body) == "mooring-vrrp-an\n"
