"""Power cords: the checks process, or the whole daemon, killed at any moment; and configurations that are bad."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring_lab import namespace
from mooring_node.balance.config import BackendConfig, NotificationConfig, ServerConfig, SorryConfig
from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.table import Destination, DestinationKey, Service, ServiceKey

pytestmark = pytest.mark.usefixtures("servers")
SECOND = 1_000_000_000
#: Somebody else's, with a backend; nobody may touch it.
FOREIGN = ServiceKey(4, 6, "198.51.100.7", 53)
Web = Callable[..., ServerConfig]


def many(web_of: Web, count: int) -> list[ServerConfig]:
    return [web_of(2, name=f"web-{number}", port=1000 + number, checks=()) for number in range(count)]


def add_foreign(director: Any) -> None:
    service = Operation(Action.NEW_SERVICE, FOREIGN, values=Service("rr"))
    one = DestinationKey("10.9.0.1", 53)
    backend = Operation(Action.NEW_DESTINATION, FOREIGN, destination=one, values=Destination(1))
    assert director.ipvs.apply([service, backend]) == ()


def is_clean(director: Any) -> bool:
    """Nothing of ours is left in the kernel or to be taken away; what is foreign is there."""
    rules = namespace.run(["ip", "netns", "exec", director.name, "nft", "list", "tables"])
    left = director.services() - {FOREIGN}
    return not left and "mooring" not in rules and not director.state.balancing.exists()


# The checks process.


def test_a_successor_brings_no_dead_backend_back_for_a_moment(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(3))
    servers.kill(2)
    director.wait_weights({"1": 1, "3": 1})
    for _ in range(2):
        director.kill_checks()
        director.stays({"1": 1, "3": 1}, 3)
    assert director.happened().count("BackendDown 2") == 1
    assert director.happened().count("QuorumUp") == 1
    servers.revive(2)
    director.wait_weights({"1": 1, "2": 1, "3": 1})


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_a_death_amid_a_mass_failure_leaves_the_right_table(
    director: Any, servers: Any, web_of: Web, after_s: float
) -> None:
    director.start(web_of(12, sorry=SorryConfig("10.9.0.99", 80)))
    director.wait(lambda: len(director.weights() or ()) == 12, "twelve backends")
    servers.kill(*range(1, 12))
    time.sleep(after_s)
    director.kill_checks()
    director.wait_weights({"12": 1})
    servers.kill(12)
    director.wait_weights({"99": 1})
    director.kill_checks()
    director.stays({"99": 1}, 2)


@pytest.mark.parametrize("there", [1, 40, 150])
def test_a_death_amid_a_change_of_everything_is_made_up_for(director: Any, web_of: Web, there: int) -> None:
    director.start(web_of(2))
    add_foreign(director)
    director.wait_weights({"1": 1, "2": 1})
    director.put(*many(web_of, 200))
    director.tell({"do": "configure"})
    pid = director.checks_pid()
    director.wait(lambda: len(director.services()) >= there, "some services")
    os.kill(pid, signal.SIGKILL)
    director.wait(lambda: len(director.services()) == 201, "all services, and none of before", 60)
    director.wait(lambda: director.weights(ServiceKey(4, 6, "192.0.2.1", 1199)) == {"1": 1, "2": 1}, "their backends")
    assert director.weights() is None
    assert director.weights(FOREIGN) == {"1": 1}


def test_what_drains_goes_on_draining_and_no_longer(director: Any, web_of: Web) -> None:
    director.start(web_of(2, drain_ns=10 * SECOND))
    director.wait_weights({"1": 1, "2": 1})
    director.configure(web_of(1, drain_ns=10 * SECOND))
    director.wait_weights({"1": 1, "2": 0})
    time.sleep(3)
    director.kill_checks()
    assert 6 <= director.time_to({"1": 1}) <= 7.1


def test_one_that_dies_again_and_again_leaves_the_table_as_it_is(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(3))
    director.wait_weights({"1": 1, "2": 1, "3": 1})
    for _ in range(4):
        director.kill_checks()
    assert director.weights() == {"1": 1, "2": 1, "3": 1}
    director.wait(director.checks_pid, "the next one")
    servers.kill(3)
    director.wait_weights({"1": 1, "2": 1})


def test_one_that_hangs_is_killed_and_replaced(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(2))
    director.wait_weights({"1": 1, "2": 1})
    before = director.checks_pid()
    os.kill(before, signal.SIGSTOP)
    servers.kill(1)
    director.wait(lambda: director.checks_pid() not in (0, before), "a successor", 60)
    director.wait_weights({"2": 1})


# The daemon.


def test_a_stop_leaves_nothing(director: Any, web_of: Web) -> None:
    director.start(web_of(2))
    add_foreign(director)
    director.wait_weights({"1": 1, "2": 1})
    assert director.stop() == 0
    assert is_clean(director)
    assert director.weights(FOREIGN) == {"1": 1}
    assert not director.state.results.exists()


def script(director: Any, name: str, text: str) -> None:
    """A program that nobody's user can reach."""
    director.scripts.mkdir(exist_ok=True)
    for folder in director.scripts.parents:
        folder.chmod(folder.stat().st_mode | 0o005)
    path = Path(director.scripts, name)
    path.write_text(text)
    path.chmod(0o755)


def test_a_death_amid_the_stop_leaves_nothing_either(director: Any, web_of: Web) -> None:
    script(director, "slow.sh", "#!/bin/sh\nsleep 5\n")
    slow = NotificationConfig(("BackendDown",), "slow.sh")
    director.start(web_of(2, notify_at_end=True, notifications=(slow,)))
    director.wait_weights({"1": 1, "2": 1})
    pid = director.checks_pid()
    os.kill(director.pid, signal.SIGTERM)
    time.sleep(1)
    assert director.weights() is not None
    os.kill(pid, signal.SIGKILL)
    director.reap()
    assert is_clean(director)


def test_what_a_killed_daemon_left_is_adopted_or_taken_away(director: Any, web_of: Web) -> None:
    director.start(web_of(2), web_of(2, name="gone", port=81))
    add_foreign(director)
    director.wait(lambda: len(director.services()) == 3, "all services")
    namespace_kill(director)
    assert len(director.services()) == 3
    director.start(web_of(2))
    director.wait(lambda: len(director.services()) == 2, "what is configured, and what is foreign")
    director.wait_weights({"1": 1, "2": 1})
    namespace_kill(director)
    # With nothing to run it starts all the same, to clear away.
    director.state.balance.unlink()
    director.start()
    director.wait(lambda: is_clean(director), "nothing")
    assert director.weights(FOREIGN) == {"1": 1}
    director.wait(lambda: director.checks_pid() == 0, "its end")


def namespace_kill(director: Any) -> None:
    """The daemon with all its processes, at once; the servers live on."""
    os.killpg(director.pid, signal.SIGKILL)
    director.reap()


def test_a_new_start_begins_by_the_initial_states(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(2))
    servers.kill(2)
    director.wait_weights({"1": 1})
    namespace_kill(director)
    director.start()
    director.wait_weights({"1": 1, "2": 1})
    director.wait_weights({"1": 1})


# Configurations.


def test_nothing_to_run_is_no_process_and_something_is_one_again(director: Any, web_of: Web) -> None:
    director.start()
    time.sleep(2)
    assert director.checks_pid() == 0
    director.put(web_of(1))
    director.wait_weights({"1": 1})
    director.put()
    director.wait(lambda: is_clean(director) and director.checks_pid() == 0, "nothing")
    director.put(web_of(2))
    director.wait_weights({"1": 1, "2": 1})


def test_what_cannot_be_read_changes_nothing(director: Any, web_of: Web) -> None:
    director.start(web_of(2))
    director.wait_weights({"1": 1, "2": 1})
    director.state.balance.write_text('{"format": 1, "generation"')
    director.wait(lambda: "what runs goes on" in str(director.told()), "a complaint")
    director.stays({"1": 1, "2": 1}, 2)
    director.kill_checks()
    director.stays({"1": 1, "2": 1}, 4)
    director.put(web_of(1))
    director.wait_weights({"1": 1})


@pytest.mark.parametrize(
    "poison",
    [
        {"addresses": ("banana",)},
        {"backends": (BackendConfig("banana", 80),)},
        {"backends": (BackendConfig("10.9.0.1", 99999),)},
        {"scheduler": "nosuch"},
    ],
)
def test_one_poisonous_server_costs_only_itself(
    director: Any, servers: Any, web_of: Web, poison: dict[str, Any]
) -> None:
    bad = web_of(2, **{"name": "bad", "port": 81, **poison})
    director.start(bad, web_of(2))
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(2)
    director.wait_weights({"1": 1})
    director.wait(lambda: any(complaints(each) for each in director.told()), "a complaint")
    first = director.checks_pid()
    time.sleep(3)
    assert director.checks_pid() == first
    assert director.stop() == 0
    assert is_clean(director)


def complaints(told: dict[str, Any]) -> list[Any]:
    """What a message has against the server `bad`."""
    report = told.get("report", {"problems": [], "servers": []})
    problems = [each for each in report["problems"] if each["server"] == "bad" and "ip_forward" not in each["message"]]
    return problems + [each for each in report["servers"] if each["name"] == "bad" and each["down"]]


def test_a_scheduler_that_the_kernel_lacks_is_named_by_its_module(director: Any, web_of: Web) -> None:
    director.start(web_of(2, scheduler="nosuch"))
    director.wait(lambda: any("ip_vs_nosuch" in each for each in director.problems()), "the module's name")


# Who checks, and who is told.


def test_where_only_the_holder_checks_nobody_else_does(director: Any, servers: Any, web_of: Web) -> None:
    servers.kill(2)
    director.start(web_of(2, checks_on_holder=True))
    director.wait_weights({"1": 1, "2": 1})
    director.stays({"1": 1, "2": 1}, 4)
    director.tell({"holding": ["192.0.2.1"]})
    assert director.time_to({"1": 1}) <= 2.3
    director.tell({"holding": []})
    time.sleep(1)
    servers.revive(2)
    # What was known last stays, also in a successor.
    director.stays({"1": 1}, 3)
    director.kill_checks()
    director.stays({"1": 1}, 3)
    director.tell({"holding": ["192.0.2.1"]})
    director.wait_weights({"1": 1, "2": 1})


def test_programs_are_told_in_order_also_of_the_end(director: Any, servers: Any, web_of: Web, tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.touch()
    told.chmod(0o666)
    script(director, "told.sh", f'#!/bin/sh\necho "$@" >> {told}\n')
    everything = NotificationConfig(("BackendUp", "BackendDown", "QuorumUp", "QuorumDown"), "told.sh", ("note",))
    director.start(web_of(2, notify_at_end=True, notifications=(everything,)))
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(1)
    director.wait_weights({"2": 1})
    servers.revive(1)
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(1)
    director.wait_weights({"2": 1})
    assert director.stop() == 0
    assert told.read_text().splitlines() == [
        "note QuorumUp shop/web",
        "note BackendDown shop/web 10.9.0.1 80",
        "note BackendUp shop/web 10.9.0.1 80",
        "note BackendDown shop/web 10.9.0.1 80",
        "note BackendDown shop/web 10.9.0.2 80",
        "note QuorumDown shop/web",
    ]
