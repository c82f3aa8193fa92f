"""Who gets connections: failures, recoveries, quorum, sorry server, draining; when, to the millisecond."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mooring_lab import namespace
from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig
from mooring_node.checks.config import TCPProbe

pytestmark = pytest.mark.usefixtures("servers")
SECOND = 1_000_000_000
#: Of what is measured: the table is looked at each 5 ms, and timers sleep whole milliseconds.
SLACK_S = 0.03
Web = Callable[..., ServerConfig]


def test_a_closed_port_is_out_within_an_interval_and_one_retry(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(3))
    director.wait_weights({"1": 1, "2": 1, "3": 1})
    director.wait(lambda: director.report().get("up") == 3, "the report")
    servers.kill(2)
    # Refused at once, so a try takes no time: interval + delayBeforeRetry.
    assert director.time_to({"1": 1, "3": 1}) <= 1 + 0.25 + SLACK_S
    servers.revive(2)
    assert director.time_to({"1": 1, "2": 1, "3": 1}) <= 1 + SLACK_S
    assert director.happened() == ["QuorumUp", "BackendDown 2", "BackendUp 2"]


def test_without_retries_a_closed_port_is_out_within_one_interval(
    director: Any, servers: Any, web_of: Web, check_of: Any
) -> None:
    director.start(web_of(2, checks=(("page", check_of(retries=0)),)))
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(1)
    assert director.time_to({"2": 1}) <= 1 + SLACK_S


def test_one_that_says_nothing_is_out_after_all_its_tries(
    director: Any, servers: Any, web_of: Web, check_of: Any
) -> None:
    director.start(web_of(2, checks=(("page", check_of(retries=2)),)))
    director.wait_weights({"1": 1, "2": 1})
    servers.silence(1)
    took = director.time_to({"2": 1})
    tries = 0.5 + 2 * (0.25 + 0.5)
    assert tries - SLACK_S <= took <= 1 + tries + SLACK_S


def test_it_comes_back_after_rise_good_checks(director: Any, servers: Any, web_of: Web, check_of: Any) -> None:
    director.start(web_of(2, checks=(("page", check_of(rise=3)),)))
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(1)
    director.time_to({"2": 1})
    servers.revive(1)
    assert 2 - SLACK_S <= director.time_to({"1": 1, "2": 1}) <= 3 + SLACK_S


def test_when_all_are_dead_the_sorry_server_answers_until_there_is_a_quorum_again(
    director: Any, servers: Any, web_of: Web
) -> None:
    director.start(web_of(4, sorry=SorryConfig("10.9.0.99", 80), quorum_up=2, quorum_hysteresis=1))
    director.wait_weights({"1": 1, "2": 1, "3": 1, "4": 1})
    servers.kill(1, 2, 3)
    director.wait_weights({"4": 1})
    servers.kill(4)
    director.wait_weights({"99": 1})
    servers.revive(1, 2)
    director.wait(lambda: director.report()["up"] == 2, "two to be up")
    assert director.weights() == {"99": 1}
    assert director.report()["sorry"]
    servers.revive(3)
    director.wait_weights({"1": 1, "2": 1, "3": 1})
    assert [each for each in director.happened() if each.startswith("Q")] == ["QuorumUp", "QuorumDown", "QuorumUp"]


def test_without_a_sorry_server_those_that_are_up_go_on(director: Any, servers: Any, web_of: Web) -> None:
    director.start(web_of(2, quorum_up=2))
    director.wait_weights({"1": 1, "2": 1})
    servers.kill(1)
    director.wait_weights({"2": 1})
    servers.kill(2)
    director.wait_weights({})


def test_who_is_inhibited_keeps_its_place_with_weight_0(director: Any, servers: Any, web_of: Web) -> None:
    backends = (BackendConfig("10.9.0.1", 80, weight=3, inhibit=True), BackendConfig("10.9.0.2", 80))
    director.start(web_of(backends=backends))
    director.wait_weights({"1": 3, "2": 1})
    servers.kill(1)
    director.wait_weights({"1": 0, "2": 1})
    servers.revive(1)
    director.wait_weights({"1": 3, "2": 1})


def test_who_leaves_the_list_drains_exactly_its_time(director: Any, web_of: Web) -> None:
    director.start(web_of(2, drain_ns=7 * SECOND))
    director.wait_weights({"1": 1, "2": 1})
    director.configure(web_of(1, drain_ns=7 * SECOND))
    assert director.time_to({"1": 1, "2": 0}) <= 0.1
    assert 6.8 <= director.time_to({"1": 1}) <= 7 + SLACK_S


def test_who_comes_back_while_it_drains_is_up_again(director: Any, web_of: Web) -> None:
    director.start(web_of(2, drain_ns=7 * SECOND))
    director.wait_weights({"1": 1, "2": 1})
    director.configure(web_of(1, drain_ns=7 * SECOND))
    director.wait_weights({"1": 1, "2": 0})
    director.configure(web_of(2, drain_ns=7 * SECOND))
    director.wait_weights({"1": 1, "2": 1})
    director.stays({"1": 1, "2": 1}, 8)


def test_one_that_terminates_keeps_its_connections_though_its_port_is_closed(
    director: Any, web_of: Web, check_of: Any
) -> None:
    """As a pod does in a rolling update: weight 0, the listener closed, what is served goes on, and then it is gone."""
    listener = namespace.call(director.name, partial(socket.create_server, ("10.9.0.1", 8080)))
    both = tuple(BackendConfig("10.9.0.1", 8080, weight=weight) for weight in (1, 0))
    checks = (("port", check_of(probe=TCPProbe(), retries=0)),)
    director.start(web_of(backends=both[:1], checks=checks, drain_ns=5 * SECOND))
    director.wait_weights({"1": 1})
    client = namespace.call(director.name, partial(socket.create_connection, ("192.0.2.1", 80), 5))
    with client, listener:
        listener.settimeout(5)
        while True:
            served, peer = listener.accept()
            if peer == client.getsockname():
                break
            served.close()
        with served:
            served.settimeout(5)
            director.configure(web_of(backends=both[1:], checks=checks, drain_ns=5 * SECOND))
            director.wait_weights({"1": 0})
            # The daemon was forked with it open.
            listener.shutdown(socket.SHUT_RDWR)
            director.wait(lambda: "reason" in director.report()["backends"][0], "the check to be refused")
            director.stays({"1": 0}, 3)
            assert director.report()["backends"][0]["state"] == "Draining"
            assert through(client, served)
            director.configure(web_of(backends=(), checks=checks, drain_ns=5 * SECOND))
            director.stays({"1": 0}, 4)
            assert through(client, served)
    director.wait_weights({})
    assert "BackendDown 1" not in director.happened()


def through(client: socket.socket, served: socket.socket) -> bool:
    client.sendall(b"?")
    asked = served.recv(1)
    served.sendall(b"!")
    return asked + client.recv(1) == b"?!"


def test_where_they_start_as_down_a_good_check_comes_first(director: Any, servers: Any, web_of: Web) -> None:
    servers.kill(2)
    director.start(web_of(2, starts_down=True))
    director.wait_weights({"1": 1})
    director.stays({"1": 1}, 2)
    assert director.happened() == ["BackendUp 1", "QuorumUp"]


def test_a_server_that_is_taken_out_goes_at_once_and_others_stay(director: Any, web_of: Web) -> None:
    other = web_of(2, name="other", port=81, drain_ns=60 * SECOND)
    director.start(web_of(1), other)
    director.wait(lambda: len(director.services()) == 2, "both services")
    director.configure(web_of(1))
    director.wait(lambda: len(director.services()) == 1, "one service")
    director.wait_weights({"1": 1})


@pytest.mark.parametrize("twice", [True, False])
def test_the_same_configuration_changes_nothing(director: Any, servers: Any, web_of: Web, twice: bool) -> None:
    servers.kill(2)
    director.start(web_of(2))
    director.wait_weights({"1": 1})
    director.configure(web_of(2))
    if twice:
        director.configure(web_of(2))
    director.stays({"1": 1}, 3)
    assert director.happened().count("BackendDown 2") == 1
