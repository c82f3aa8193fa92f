"""What `mooring-node status` says when something is wrong, as a person reads it."""

import os
import signal
import threading

ADDRESS = "10.0.0.100"


def said(bench, node):
    """Exit code and lines."""
    done = bench.run(node, "status", "--state-dir", str(node.state_dir))
    return done.returncode, done.stdout.splitlines()


def line_with(bench, node, text):
    """The first such line of its status, or nothing."""
    return next((line for line in said(bench, node)[1] if text in line), "")


def test_a_vrrp_process_that_hangs_is_no_node_without_groups(bench):
    bench.pair()
    bench.wait(lambda: line_with(bench, bench.a, "-> Active"), "its state to be on disk")
    bench.kill(bench.a, "vrrp", signal.SIGSTOP)
    code, lines = said(bench, bench.a)
    assert (code, lines[0][:43]) == (1, "! groups are not known: the vrrp process (p")
    assert lines[0].endswith("; it is replaced after 3 s")
    assert lines[1].startswith("  web was Active, since ")
    bench.wait(lambda: said(bench, bench.a)[0] == 0, "a new VRRP process to answer")


def test_a_dead_link_is_seen_at_the_age_of_what_was_heard_last(bench):
    bench.pair()
    bench.wait(lambda: (bench.group(bench.b) or {}).get("lastHeard"), "b to hear a")
    assert bench.group(bench.b)["lastHeard"]["secondsAgo"] < 5
    for node in bench.nodes:
        for hook in ("INPUT", "OUTPUT"):
            node.exec("iptables", "-A", hook, "-p", "112", "-j", "DROP")
    bench.wait_state(bench.b, "Active")
    bench.wait(lambda: bench.group(bench.b)["lastHeard"]["secondsAgo"] > 1, "its age to grow")
    assert " s ago" in line_with(bench, bench.b, f"{bench.a.address} (150) ")


def test_a_peer_with_another_id_is_named_while_it_sends(bench, instance_of):
    bench.start(bench.a, instance_of(virtualRouterID=51))
    bench.start(bench.b, instance_of(virtualRouterID=52, addresses=[{"address": "10.0.0.101/24"}]))
    for here, there, number in ((bench.a, bench.b, 52), (bench.b, bench.a, 51)):
        bench.wait(lambda here=here: line_with(bench, here, "UnknownVirtualRouter"), "status to tell of it")
        line = line_with(bench, here, "UnknownVirtualRouter")
        assert f"adverts from {there.address}, a peer of web (" in line
        assert f"came on eth0 with virtual router ID {number}, the last " in line
    bench.reload(bench.b, instance_of(virtualRouterID=51, addresses=[{"address": "10.0.0.101/24"}]))
    bench.wait(lambda: not line_with(bench, bench.b, "UnknownVirtualRouter"), "it to be forgotten")


def test_the_end_of_a_group_with_another_id_is_told_as_such(bench, instance_of):
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_held(bench.a, ADDRESS)
    bench.reload(bench.a, instance_of(transport={"alone": True}, virtualRouterID=52))
    bench.wait_log(bench.a, "Active -> Initialize: its former form (VRID 51): ")
    # On disk a moment later.
    told = bench.wait(lambda: line_with(bench, bench.a, "Active -> Initialize"), "the transition to be shown")
    assert told.split("  ")[-1].startswith("its former form (VRID 51): ")
    bench.wait_held(bench.a, ADDRESS)
    bench.wait_state(bench.a, "Active")


def test_an_address_in_use_is_named_with_its_interface(bench, instance_of):
    assert bench.a.exec("ip", "address", "add", f"{ADDRESS}/24", "dev", "eth0").returncode == 0
    bench.start(bench.a, instance_of())
    bench.wait_state(bench.a, "Fault")
    said_of_it = f"AddressInUse: {ADDRESS} on eth0: the address is set on this node already"
    assert said_of_it in line_with(bench, bench.a, "! web")
    bench.wait_log(bench.a, said_of_it)
    assert bench.group(bench.a)["detail"] == f"{ADDRESS} on eth0"


def test_who_did_not_wait_for_maintenance_gets_none(bench):
    bench.pair()
    supervisor = bench.pid(bench.a, "supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    done = []
    asking = threading.Thread(
        target=lambda: done.append(bench.run(bench.a, "maintenance", "on", "--state-dir", str(bench.a.state_dir)))
    )
    asking.start()
    asking.join()
    os.kill(supervisor, signal.SIGCONT)
    assert done[0].returncode == 6
    assert "it hangs, or the machine stands still" in done[0].stderr
    assert "this request is dropped" in done[0].stderr
    bench.wait_log(bench.a, "nothing is done: who asked for maintenance did not wait for it")
    assert bench.status(bench.a)["maintenance"] is False
    assert bench.state(bench.a) == "Active"


def test_the_socket_of_a_daemon_that_was_killed_is_called_so(bench):
    bench.pair()
    daemon = bench.a.daemon
    os.kill(bench.pid(bench.a, "supervisor"), signal.SIGKILL)
    bench.wait(lambda: not daemon.alive(), "it to be dead")
    done = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir))
    assert done.returncode == 6
    assert "it does not run; what is there is the socket of one that was killed" in done.stderr
    assert "--state-dir" not in done.stderr


def test_a_signal_to_all_processes_ends_with_the_last_transition_and_no_noise(bench):
    bench.pair()
    daemon = bench.a.daemon
    pids = [bench.pid(bench.a, name) for name in ("agent", "supervisor", "vrrp")]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    bench.wait(lambda: not daemon.alive(), "the daemon to end")
    ended = bench.a.log.rpartition("stopping: ")[2]
    assert "web: Active -> Initialize: " in ended
    assert "error" not in ended
    assert "Exception" not in ended
