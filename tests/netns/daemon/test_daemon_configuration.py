"""Configurations good and bad: what is wrong never stops what runs, and a change touches only what it names."""

import pytest

pytestmark = pytest.mark.netns

ADDRESS = "10.0.0.100"
ALONE = {"alone": True}
JUNK = "spec: [this: is {no YAML\n"


def held(*last):
    return [{"address": f"10.0.0.{each}/24"} for each in last]


def transitions_of(bench):
    return {each["name"]: each["transitions"] for each in bench.status(bench.a)["groups"]}


# What is wrong.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(JUNK, "", id="no-yaml"),
        pytest.param("kind: VirtualIP\nmetadata: {name: x}\n", "kind", id="another-kind"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_junk_file_at_reload_changes_nothing(bench, text, said):
    bench.pair()
    before = transitions_of(bench)
    with bench.client.measure([ADDRESS]) as measured:
        bench.a.reload_daemon(text)
        problems = bench.wait(lambda: bench.problems(bench.a), "status to tell of it")
        heard = bench.group(bench.b)["members"][0]["advertsReceived"]
        bench.wait(lambda: bench.group(bench.b)["members"][0]["advertsReceived"] > heard + 5, "adverts to go on")
    file = str(bench.a.config_file)
    assert said in " ".join(problems)
    assert file in bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir)).stdout
    bench.wait_log(bench.a, f"error {file}")
    assert measured.result()[ADDRESS].lost == 0
    assert transitions_of(bench) == before
    assert bench.a.held() == {ADDRESS}


def test_one_bad_instance_of_two_keeps_its_last_good_form(bench, instance_of):
    other = instance_of("other", virtualRouterID=52, addresses=held(120), transport=ALONE)
    bench.start(bench.a, instance_of(transport=ALONE), other)
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")
    before = transitions_of(bench)
    changed = instance_of(transport=ALONE, priority=160)
    bench.reload(bench.a, changed, {**other, "priority": "banana", "addresses": held(121)})
    assert bench.group(bench.a)["priority"] == 160
    assert bench.group(bench.a, "other")["priority"] == 100
    assert bench.a.held() == {ADDRESS, "10.0.0.120"}
    assert transitions_of(bench) == before
    problems = bench.problems(bench.a)
    assert len(problems) == 1
    assert "spec.instances[1].priority" in problems[0]
    bench.wait_log(bench.a, "spec.instances[1].priority")
    bench.reload(bench.a, changed, {**other, "addresses": held(121)})
    bench.wait_held(bench.a, ADDRESS, "10.0.0.121")
    assert bench.problems(bench.a) == []


def test_an_unusable_file_at_the_first_start_is_an_exit_code_and_a_sentence(bench):
    bench.a.write_config(JUNK)
    file, state = str(bench.a.config_file), str(bench.a.state_dir)
    done = bench.run(bench.a, "run", "--config", file, "--state-dir", state)
    assert done.returncode == 3
    assert file in done.stderr
    checked = bench.run(bench.a, "check", "--config", file)
    assert checked.returncode == 3
    assert file in checked.stderr


def test_a_junk_file_at_a_later_start_runs_the_last_good_one(bench, instance_of):
    bench.start(bench.a, instance_of(transport=ALONE))
    bench.wait_held(bench.a, ADDRESS)
    bench.a.stop_daemon()
    bench.wait_held(bench.a)
    bench.a.start_daemon(JUNK)
    bench.wait_held(bench.a, ADDRESS)
    bench.wait(lambda: bench.problems(bench.a), "status to tell of it")
    bench.a.config_file.unlink()
    bench.a.stop_daemon()
    bench.a.start_daemon()
    bench.wait_held(bench.a, ADDRESS)
    assert "cannot be read" in bench.wait(lambda: bench.problems(bench.a), "status to tell of it")[0]


# What changes.


def test_another_priority_touches_no_address_and_is_heard_at_once(bench, instance_of, deletions):
    bench.pair()
    before = transitions_of(bench)
    with deletions(bench.a) as seen:
        bench.reload(bench.a, instance_of(priority=200))
        bench.wait(lambda: bench.group(bench.b)["lastHeard"]["priority"] == 200, "the other to hear it")
        assert seen.seen() == []
    assert transitions_of(bench) == before
    bench.reload(bench.b, instance_of(priority=210))
    bench.wait_held(bench.b, ADDRESS)
    bench.wait_held(bench.a)


def test_addresses_come_and_go_on_a_group_that_is_active(bench, instance_of, deletions, capture):
    bench.pair(addresses=held(100, 101, 102))
    before = transitions_of(bench)
    with deletions(bench.a) as seen, bench.client.measure([ADDRESS, "10.0.0.102"]) as measured:
        with capture(bench.client, 0x0806) as arp:
            bench.reload(bench.a, instance_of(priority=150, addresses=held(100, 102, 103)))
            bench.wait_held(bench.a, "10.0.0.100", "10.0.0.102", "10.0.0.103")
            bench.wait(lambda: arp.announced(bench.a.member.mac, "10.0.0.103"), "the new one to be announced")
        assert seen.seen() == ["10.0.0.101"]
    assert measured.result().most_lost == 0
    assert transitions_of(bench) == before


def test_another_label_touches_that_address_alone(bench, instance_of, deletions):
    both = held(100, 101)
    bench.start(bench.a, instance_of(transport=ALONE, addresses=both))
    bench.wait_held(bench.a, ADDRESS, "10.0.0.101")
    before = transitions_of(bench)
    with deletions(bench.a) as seen:
        bench.reload(bench.a, instance_of(transport=ALONE, addresses=[both[0], {**both[1], "label": "eth0:7"}]))
        label = "10.0.0.101/24 scope global secondary"
        del label
        bench.wait(
            lambda: "eth0:7" in bench.a.exec("ip", "-4", "address", "show", "dev", "eth0").stdout,
            "the label to be there",
        )
        assert ADDRESS not in seen.seen()
    bench.wait_held(bench.a, ADDRESS, "10.0.0.101")
    assert transitions_of(bench) == before


def test_an_address_moves_from_one_group_to_another_in_one_reload(bench, instance_of, deletions):
    def two(first, second):
        one = instance_of("one", transport=ALONE, addresses=held(*first))
        return one, instance_of("two", virtualRouterID=52, transport=ALONE, addresses=held(*second))

    bench.start(bench.a, *two((100, 101), (110,)))
    everything = ("10.0.0.100", "10.0.0.101", "10.0.0.110")
    bench.wait_held(bench.a, *everything)
    before = transitions_of(bench)
    with deletions(bench.a) as seen:
        bench.reload(bench.a, *two((100,), (101, 110)))
        bench.wait(lambda: "10.0.0.101/24" in bench.group(bench.a, "two")["heldAddresses"], "the other to hold it")
        bench.wait_held(bench.a, *everything)
        assert set(seen.seen()) <= {"10.0.0.101"}
        # And back, to a group that comes earlier.
        bench.reload(bench.a, *two((100, 101), (110,)))
        bench.wait(lambda: "10.0.0.101/24" in bench.group(bench.a, "one")["heldAddresses"], "the first to hold it")
        bench.wait_held(bench.a, *everything)
        assert set(seen.seen()) <= {"10.0.0.101"}
    assert transitions_of(bench) == before
    # All live on: nobody has let go of what the other renews.
    bench.a.stop_daemon()
    assert bench.a.held() == frozenset()


def test_an_instance_that_is_removed_is_handed_over(bench, instance_of):
    def both(priority):
        second = instance_of("second", virtualRouterID=52, priority=priority, addresses=held(120))
        return instance_of(priority=priority), second

    bench.start(bench.a, *both(150))
    bench.wait_held(bench.a, ADDRESS, "10.0.0.120")
    bench.start(bench.b, *both(100))
    bench.wait_state(bench.b, "Backup", "second")
    with bench.client.measure([ADDRESS, "10.0.0.120"]) as measured:
        bench.reload(bench.a, both(150)[0])
        bench.wait_held(bench.b, "10.0.0.120")
        bench.wait_held(bench.a, ADDRESS)
    result = measured.result()
    assert result[ADDRESS].lost == 0
    assert result["10.0.0.120"].lost <= 5
    # An empty list withdraws all.
    bench.reload(bench.a)
    bench.wait_held(bench.b, ADDRESS, "10.0.0.120")
    bench.wait_held(bench.a)


def test_no_peers_is_a_fault_and_never_multicast(bench, instance_of, capture):
    with capture(bench.b, 0x0800) as ip:
        bench.start(bench.a, instance_of(transport={"peers": []}))
        bench.wait_state(bench.a, "Fault")
        assert bench.group(bench.a)["faults"] == ["NoPeers"]
        assert "transport.alone: true" in bench.group(bench.a)["remedies"][0]
        assert bench.a.held() == frozenset()
        bench.reload(bench.a, instance_of(transport=ALONE))
        bench.wait_state(bench.a, "Active")
        bench.wait_held(bench.a, ADDRESS)
        assert [frame for frame in ip.frames() if frame[23] == 112] == []
    assert bench.group(bench.a)["faults"] == []
