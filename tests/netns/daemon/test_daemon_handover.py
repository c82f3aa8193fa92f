"""Planned hand-overs: a stop, maintenance, a restart. The client does not notice."""

from signal import SIGTERM

import pytest

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
#: Of one packet each millisecond.
MOST_LOST = 5


@pytest.mark.parametrize("interval", ["1s", "100ms"])
def test_a_stop_is_not_noticed(bench, overlap, interval):
    bench.pair(high=255, advertisementInterval=interval)
    with bench.client.measure([ADDRESS]) as measured, overlap(bench.nodes, ADDRESS) as seen:
        bench.a.stop_daemon()
        bench.wait_held(bench.b, ADDRESS)
    result = measured.result()[ADDRESS]
    assert result.lost <= MOST_LOST
    assert [each.mac for each in result.held] == [bench.a.member.mac, bench.b.member.mac]
    # One lets go after the other has taken, and soon.
    assert seen.seconds(2) < 1.0
    assert bench.a.held() == frozenset()
    assert bench.state(bench.b) == "Active"


def test_a_stop_through_a_signal_to_every_process_is_a_hand_over_too(bench):
    """As a container's runtime may do it."""
    bench.pair()
    with bench.client.measure([ADDRESS]) as measured:
        for name in ("vrrp", "supervisor", "agent"):
            bench.kill(bench.a, name, SIGTERM)
        bench.wait(lambda: bench.a.daemon is None, "the daemon to end")
        bench.wait_held(bench.b, ADDRESS)
    assert measured.result()[ADDRESS].lost <= MOST_LOST
    assert bench.a.held() == frozenset()


def test_maintenance_hands_over_and_lasts_until_it_is_ended(bench):
    bench.pair()

    def maintenance(switch):
        done = bench.run(bench.a, "maintenance", switch, "--state-dir", str(bench.a.state_dir))
        assert done.returncode == 0, done.stderr

    with bench.client.measure([ADDRESS]) as measured:
        maintenance("on")
        bench.wait_held(bench.b, ADDRESS)
        bench.wait_held(bench.a)
        assert bench.state(bench.a) == "Backup"
        assert bench.status(bench.a)["maintenance"] is True
        assert "listens only" in bench.group(bench.a)["detail"]
        maintenance("off")
        bench.wait_held(bench.a, ADDRESS)
        bench.wait_held(bench.b)
    assert measured.result()[ADDRESS].lost <= MOST_LOST
    assert bench.status(bench.a)["maintenance"] is False


def test_maintenance_outlives_a_restart_and_the_death_of_the_other(bench):
    bench.pair()
    bench.a.maintenance(True)
    bench.wait_held(bench.b, ADDRESS)
    bench.a.stop_daemon()
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Backup")
    bench.kill(bench.a, "vrrp")
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the process to be replaced")
    bench.wait_state(bench.a, "Backup")
    bench.b.fault_kill()
    bench.wait_held(bench.b)
    assert bench.a.held() == frozenset()
    bench.a.maintenance(False)
    bench.wait_held(bench.a, ADDRESS)


def test_a_restart_with_keep_is_no_transition_anywhere_else(bench, overlap):
    bench.pair(high=255, onStop="Keep", advertisementInterval="1500ms")
    before = bench.group(bench.b)["transitions"]
    with bench.client.measure([ADDRESS]) as measured, overlap(bench.nodes, ADDRESS) as seen:
        bench.a.stop_daemon()
        assert bench.a.held() == {ADDRESS}
        bench.a.start_daemon()
        bench.wait_log(bench.a, "Initialize -> Active: adopted from its predecessor")
        heard = bench.group(bench.b)["members"][0]["advertsReceived"]
        bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > heard, "adverts to go on")
    assert measured.result()[ADDRESS].lost == 0
    assert (seen.most(), seen.seconds(0)) == (1, 0.0)
    assert bench.group(bench.b)["transitions"] == before


def test_a_node_that_kept_its_addresses_and_stays_away_loses_them(bench, overlap):
    bench.pair(onStop="Keep")
    with overlap(bench.nodes, ADDRESS) as seen:
        bench.a.stop_daemon()
        assert bench.a.held() == {ADDRESS}
        bench.wait_held(bench.b, ADDRESS)
        bench.wait_held(bench.a, within=3.5)
    assert seen.seconds(2) < 3.5
    # Too late to adopt: it starts as Backup, and takes the role by its priority.
    bench.a.start_daemon()
    bench.wait_state(bench.a, "Active")
    assert "adopted" not in bench.a.log
    bench.wait_held(bench.b)


def test_a_crash_is_not_a_kept_stop(bench):
    """Keep is for planned stops: what a crash leaves is undone at the next start."""
    bench.pair(onStop="Keep", lease="60s")
    bench.b.stop_daemon()
    bench.a.fault_kill()
    assert bench.a.held() == {ADDRESS}
    bench.a.start_daemon()
    bench.wait_log(bench.a, "Initialize -> Backup: started")
    assert "adopted" not in bench.a.log
    bench.wait_held(bench.a, ADDRESS)
