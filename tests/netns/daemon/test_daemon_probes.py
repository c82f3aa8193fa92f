"""What kubelet does to a daemon: it probes, and before it ends one it has everything handed over."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from mooring_kube.errors import NotFound
from mooring_kube.resources import NODE_CONFIGS
from mooring_lab.cluster import ApiKind
from mooring_lab.lab import default_daemon_command
from mooring_lab.wait import wait_until
from mooring_node.probe import AnotherContainer, refuse_another_container

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
#: Of one packet each millisecond.
MOST_LOST = 5
#: The door, the probe, a socket, and what the door's types take. The parser alone would be 10 more, JSON 6.
MOST_MODULES = 12
#: As a container is, beside another one.
FENCE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
#: A daemon that takes part again soon.
IMPATIENT = """
import sys
from mooring_node import main
from mooring_node.supervisor import requests
requests.APART_NS = 3 * 10**9
sys.exit(main.main())
"""


def asked(bench, node, *command):
    return bench.run(node, *command, "--state-dir", str(node.state_dir))


def said(bench, node, question):
    """The exit code and the sentence of a probe."""
    done = asked(bench, node, "probe", question)
    return done.returncode, (done.stdout + done.stderr).strip()


def wait_ready(bench, node):
    bench.wait(lambda: said(bench, node, "ready")[0] == 0, f"{node.name} to be ready")


def test_a_fresh_node_is_live_at_once_and_ready_when_it_has_found_its_place(bench, instance_of):
    """Long intervals, so that there is something to be seen before the end."""
    bench.start(bench.b, instance_of(priority=100, advertisementInterval="1s"))
    wait_ready(bench, bench.b)
    assert bench.state(bench.b) == "Active"
    bench.start(bench.a, instance_of(priority=150, advertisementInterval="1s"))
    bench.wait(lambda: said(bench, bench.a, "live")[0] == 0, "a daemon to live")
    code, words = said(bench, bench.a, "live")
    assert (code, words[:11]) == (0, "live: vrrp ")
    while bench.state(bench.a) != "Active":
        code, words = said(bench, bench.a, "ready")
        if bench.state(bench.a) != "Active":
            assert code == 1, words
    wait_ready(bench, bench.a)
    assert said(bench, bench.a, "ready") == (0, "ready")
    assert said(bench, bench.b, "ready") == (0, "ready")


def test_a_backup_that_waits_on_purpose_is_ready(bench, instance_of):
    """A delayed preemption runs for minutes; an update must not wait for that on each node."""
    bench.start(bench.b, instance_of(priority=100))
    bench.wait_state(bench.b, "Active")
    bench.start(bench.a, instance_of(priority=150, preemption={"delay": "10m"}))
    wait_ready(bench, bench.a)
    assert bench.state(bench.a) == "Backup"


def test_a_bad_file_makes_nobody_unwell(bench):
    bench.pair()
    bench.a.reload_daemon("spec: [")
    bench.wait(lambda: bench.problems(bench.a), "the problem to be told")
    assert said(bench, bench.a, "live")[0] == 0
    assert said(bench, bench.a, "ready") == (0, "ready")


@pytest.mark.parametrize("process", ["vrrp", "agent"])
def test_what_the_supervisor_replaces_is_no_reason_to_end_it_all(bench, process):
    bench.pair()
    bench.kill(bench.a, process)
    for _ in range(5):
        assert said(bench, bench.a, "live")[0] == 0
    wait_ready(bench, bench.a)


def test_a_supervisor_that_hangs_is_not_live_and_its_sentence_says_why(bench):
    bench.pair()
    supervisor = bench.pid(bench.a, "supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    code, words = said(bench, bench.a, "live")
    # Nor does the hook that comes before its end wait for it.
    useless = asked(bench, bench.a, "hand-over")
    os.kill(supervisor, signal.SIGCONT)
    assert useless.returncode == 1
    assert "it hangs, or the machine stands still" in useless.stderr
    assert code == 6
    assert "no daemon answers" in words
    bench.wait(lambda: said(bench, bench.a, "live")[0] == 0, "it to be live again")


def test_a_process_that_hangs_for_less_than_its_bound_is_live(bench):
    bench.pair()
    bench.kill(bench.a, "vrrp", signal.SIGSTOP)
    assert said(bench, bench.a, "live")[0] == 0
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the supervisor to replace it")
    assert said(bench, bench.a, "live")[0] == 0


def test_a_probe_costs_little(bench):
    """Two kinds each few seconds on every node. What it costs is what it imports, and that is counted, not timed."""
    bench.pair()
    counted = (
        "import sys; before = set(sys.modules); from mooring_node.main import main; code = main(sys.argv[1:]);"
        " print(code, *(set(sys.modules) - before))"
    )
    for question in ("live", "ready"):
        wait_ready(bench, bench.a)
        command = ("probe", question, "--state-dir", str(bench.a.state_dir))
        *_, last = bench.a.exec(sys.executable, "-I", "-c", counted, *command).stdout.splitlines()
        code, *modules = last.split()
        assert code == "0"
        assert len(modules) <= MOST_MODULES, modules


def test_a_hand_over_is_done_when_it_returns_and_lasts_until_the_end(bench):
    bench.pair()
    with bench.client.measure([ADDRESS]) as measured:
        done = asked(bench, bench.a, "hand-over")
        assert (done.returncode, done.stdout) == (0, "everything is handed over\n")
        assert bench.a.held() == frozenset()
        bench.wait_held(bench.b, ADDRESS)
        code, words = said(bench, bench.a, "ready")
        assert code == 1
        assert "handed over" in words
        assert said(bench, bench.a, "live")[0] == 0
        # A second time is as good, and at once.
        assert asked(bench, bench.a, "hand-over").returncode == 0
        # Neither a new VRRP process nor the other's death ends it.
        bench.kill(bench.a, "vrrp")
        bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the process to be replaced")
        bench.wait_state(bench.a, "Backup")
        bench.a.stop_daemon()
    assert measured.result()[ADDRESS].lost <= MOST_LOST
    # Nothing of it is on disk.
    bench.a.start_daemon()
    bench.wait_held(bench.a, ADDRESS)
    wait_ready(bench, bench.a)


def test_nobody_takes_over_and_it_returns_all_the_same(make_bench, instance_of):
    bench = make_bench(nodes=1)
    bench.start(bench.a, instance_of(priority=100, transport={"peers": ["10.0.0.200"], "source": bench.a.address}))
    bench.wait_held(bench.a, ADDRESS)
    done = asked(bench, bench.a, "hand-over")
    assert done.returncode == 0
    assert bench.a.held() == frozenset()


def test_a_hand_over_that_is_killed_and_a_stop_in_its_midst_leave_nothing(make_bench, instance_of):
    """Kubelet ends the command when its time is up, and then the daemon."""
    bench = make_bench(nodes=1)
    transport = {"peers": ["10.0.0.200"], "source": bench.a.address}
    keeping = instance_of(priority=255, transport=transport, advertisementInterval="2s", onStop="Keep")
    bench.start(bench.a, keeping)
    bench.wait_held(bench.a, ADDRESS)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(asked(bench, bench.a, "hand-over")))
    waiting.start()
    bench.wait(lambda: "handing over" in bench.group(bench.a)["detail"], "the hand-over to begin")
    # What is handed over has been said goodbye to: it is not kept for the next start.
    bench.a.stop_daemon()
    waiting.join(60)
    assert answers[0].returncode == 0
    assert "the daemon has ended" in answers[0].stdout
    assert bench.a.held() == frozenset()
    assert not (bench.a.state_dir / "kept.json").exists()


def test_a_daemon_that_is_not_ended_takes_part_again(make_bench):
    """Kubelet was replaced between the hook and the end, or a person tried it."""
    bench = make_bench(daemon_command=(sys.executable, "-c", IMPATIENT))
    bench.pair()
    assert asked(bench, bench.a, "hand-over").returncode == 0
    bench.wait_held(bench.b, ADDRESS)
    assert bench.status(bench.a)["apartSeconds"] <= 3
    bench.wait_held(bench.a, ADDRESS)
    wait_ready(bench, bench.a)


def test_without_a_daemon_there_is_no_hand_over_to_wait_for(make_bench):
    bench = make_bench(nodes=1)
    done = asked(bench, bench.a, "hand-over")
    assert done.returncode == 6
    assert said(bench, bench.a, "live")[0] == 6


def test_ready_is_what_the_api_server_says_to_run(make_bench, instance_of):
    """No NodeConfig: nothing is to run here, and an update goes on. No server and nothing known: it does not."""
    bench = make_bench(nodes=["a", "b"], api=ApiKind.EMBEDDED)
    bench.lab.cluster.stop_operator()
    a = bench.a
    with contextlib.closing(bench.lab.cluster.client()) as client:
        with contextlib.suppress(NotFound):
            client.delete(NODE_CONFIGS, a.name)
        if a.daemon:
            a.stop_daemon()
    for file in a.state_dir.glob("*.json"):
        file.unlink()
    bench.lab.cluster.cut(a.name)
    a.start_daemon()
    code, words = said(bench, a, "ready")
    assert (code, "no last good one" in words) == (1, True)
    assert said(bench, a, "live")[0] == 0
    bench.lab.cluster.mend(a.name)
    wait_ready(bench, a)
    transport = {"source": a.address, "peers": [bench.b.address]}
    document = {"metadata": {"name": a.name}, "spec": {"instances": [instance_of(transport=transport)]}}
    with contextlib.closing(bench.lab.cluster.client()) as client:
        client.apply(NODE_CONFIGS, document, manager="test", force=True)
    bench.wait_held(a, ADDRESS)
    wait_ready(bench, a)
    # What runs goes on without it.
    bench.lab.cluster.cut(a.name)
    assert said(bench, a, "ready") == (0, "ready")
    assert said(bench, a, "live")[0] == 0


def test_one_that_waits_for_another_container_s_end_speaks_for_itself(bench):
    """A static pod and a pod of the DaemonSet on one node share the state folder, and see each other's socket."""
    bench.pair()
    command, where = (*FENCE, *default_daemon_command()), ("--state-dir", str(bench.a.state_dir))
    for each in ("probe live", "probe ready", "hand-over"):
        done = bench.a.exec(*command, *each.split(), *where)
        assert (done.returncode, "one of another container" in done.stderr) == (6, True), each
    assert ADDRESS in bench.a.held()
    assert bench.status(bench.a)["apartSeconds"] == 0
    # A person is answered there, too.
    assert bench.a.exec(*command, "status", *where).returncode == 0
    assert said(bench, bench.a, "live")[0] == 0


def test_a_container_in_the_node_s_process_namespace_knows_one_that_is_not(tmp_path):
    """With hostPID it sees the others' processes, by numbers of its own."""
    path = tmp_path / "control.sock"
    listen = (
        f"import socket; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(); s.accept()[0].recv(1)"
    )
    for fence, other in ((FENCE, True), ((), False)):
        path.unlink(missing_ok=True)
        with subprocess.Popen([*fence, sys.executable, "-c", listen]) as listener:
            try:
                refused = pytest.raises(AnotherContainer) if other else contextlib.nullcontext()
                with wait_until(lambda: connected(path), 30, "it to listen") as connection, refused:
                    refuse_another_container(connection)
            finally:
                listener.kill()


def connected(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection
