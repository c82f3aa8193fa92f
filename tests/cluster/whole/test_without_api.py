"""The API server goes and comes back: nothing that elects or holds an address ever asks it."""

from collections.abc import Callable

import pytest
from tests.cluster.whole.scenery import Document, Scene, addresses_of, secret, virtual_ip, with_password

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

#: Master-down at 1 s adverts is 3 s and a skew; twice that is more than a machine that stalls adds.
TAKE_OVER_MS = 8000.0
#: As the demo claims it of a stop.
MOST_LOST_AT_STOP = 5


def cut(scene: Scene, web: Document) -> float:
    """lb-1 loses its service link: for how long its addresses were gone, in milliseconds."""
    with scene.watch(web) as watch:
        scene.lab.node("lb-1").fault_link()
        scene.until_holder("lb-2", *watch.addresses)
    watch.assert_never_two()
    assert all(watch.seen[address].answered_at_the_end for address in watch.addresses)
    return watch.gap_ms()


def test_a_failover_takes_as_long_without_the_api_server_as_with_it(
    scene: Scene, figure: Callable[[str], None]
) -> None:
    web = virtual_ip("web", "10.0.0.100", "10.0.0.101", interval="1s")
    scene.settle(web)
    with_api = cut(scene, web)
    scene.until("the status to name lb-2", lambda: scene.line("web")["HOLDERS"] == "lb-2(2)")
    scene.lab.node("lb-1").heal()
    scene.until_holder("lb-1", *addresses_of(web))
    scene.until("the status to name lb-1", lambda: scene.line("web")["HOLDERS"] == "lb-1(2)")
    scene.until_settled()
    before = scene.generations()
    scene.cluster.api.kill_server()
    without = cut(scene, web)
    figure(f"link cut at 1 s adverts: {with_api:.0f} ms with the API server, {without:.0f} ms without")
    assert 0 < with_api < TAKE_OVER_MS
    assert 0 < without < TAKE_OVER_MS
    with scene.watch(web) as returning:
        scene.cluster.api.restart_server()
        scene.until_true_again("web")
    returning.assert_nothing_moved()
    assert scene.line("web")["HOLDERS"] == "lb-2(2)"
    assert scene.generations() == before


def test_daemons_that_restart_meanwhile_hold_their_addresses_with_their_keys(
    scene: Scene, figure: Callable[[str], None]
) -> None:
    """lb-1, the first choice, starts anew without an API server, twice; later it is back, and nothing moves."""
    web = virtual_ip("web", "10.0.0.100", vrrp=with_password("web-key"), interval="1s")
    scene.settle(secret("web-key", "one"), web)
    before = scene.generations()
    scene.cluster.api.kill_server()
    node = scene.lab.node("lb-1")
    for text, end in (("SIGTERM", node.stop_daemon), ("SIGKILL to all its processes", node.fault_kill)):
        with scene.watch(web) as restarting:
            end()
            scene.until_holder("lb-2", "10.0.0.100")
            node.start_daemon()
            # With another password, or none, nobody would hear it, and both would hold the address.
            scene.until_holder("lb-1", "10.0.0.100")
        restarting.assert_never_two()
        figure(f"{text}, and a start: {restarting.lost} packets lost of one each millisecond")
        assert restarting.gap_ms() < TAKE_OVER_MS
        if text == "SIGTERM":
            assert restarting.lost <= MOST_LOST_AT_STOP
    assert scene.states("lb-1") == {"web-0": "Active"}
    assert scene.refused() == []
    with scene.watch(web) as returning:
        scene.cluster.api.restart_server()
        scene.until_true_again("web")
    returning.assert_nothing_moved()
    assert scene.line("web")["HOLDERS"] == "lb-1(1)"
    assert scene.generations() == before
