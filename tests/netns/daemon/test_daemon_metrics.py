"""The metrics of a running daemon, as a scraper on its node reads them."""

import signal
import socket
from contextlib import ExitStack
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mooring_lab import namespace

pytestmark = pytest.mark.netns

URL = "http://127.0.0.1:9650/metrics"


def scrape(node):
    """Samples by name and labels."""

    def read():
        with urlopen(URL, timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            return answer.read().decode()

    text = namespace.call(node.namespace, read)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_values_are_those_of_the_instance(bench, instance_of):
    bench.pair(virtualIP="shop")
    label = (("group", "web"), ("virtual_ip", "shop"))
    one = (*label, ("vrrp_instance", "web"))
    active, backup = scrape(bench.a), scrape(bench.b)
    assert (active["mooring_vrrp_up",], backup["mooring_vrrp_up",]) == (1, 1)
    assert (active["mooring_vrrp_state", *label], backup["mooring_vrrp_state", *label]) == (2, 1)
    heard = ("mooring_vrrp_active_heard", *label)
    assert active[heard] == 1, "the holder knows itself"
    bench.wait(lambda: scrape(bench.b)[heard] == 1, "the other to hear it")
    assert (active["mooring_vrrp_priority", *label], backup["mooring_vrrp_priority", *label]) == (150, 100)
    assert (active["mooring_addresses_held", *label], backup["mooring_addresses_held", *label]) == (1, 0)
    assert (active["mooring_vrrp_transitions_total", *label], backup["mooring_vrrp_transitions_total", *label]) == (
        2,
        1,
    )
    assert active["mooring_announcements_sent_total", *one] > 0
    assert active["mooring_vrrp_lateness_seconds_count",] > 0
    assert active["mooring_configuration_generation",] == 1
    assert active["mooring_configuration_problems",] == 0
    assert active["mooring_address_conflicts_total",] == 0
    received = ("mooring_vrrp_adverts_received_total", *one)
    bench.wait(lambda: scrape(bench.b)[received] > backup[received], "received adverts to grow")
    assert scrape(bench.a)["mooring_vrrp_adverts_sent_total", *one] > active["mooring_vrrp_adverts_sent_total", *one]
    # Somebody whom b does not expect: refused, and counted by reason.
    bench.reload(bench.b, instance_of(virtualIP="shop", transport={"peers": ["10.0.0.99"], "source": bench.b.address}))
    refused = ("mooring_vrrp_adverts_refused_total", *sorted((*one, ("reason", "UnknownPeer"))))
    bench.wait(lambda: scrape(bench.b).get(refused), "refused adverts to be counted")
    assert scrape(bench.b)["mooring_configuration_generation",] == 2


def test_a_stopped_vrrp_process_is_down_and_the_scrape_answers(bench, instance_of):
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_state(bench.a, "Active")
    assert scrape(bench.a)["mooring_vrrp_up",] == 1
    bench.kill(bench.a, "vrrp", signal.SIGSTOP)
    # An answer is good for a second: the first may still be the one from before.
    bench.wait(lambda: scrape(bench.a)["mooring_vrrp_up",] == 0, "the scrape to say that nobody answers")
    assert scrape(bench.a)["mooring_configuration_generation",] == 1
    bench.wait(lambda: bench.restarts(bench.a, "vrrp") == 1, "the supervisor to replace it")
    bench.wait(lambda: scrape(bench.a)["mooring_vrrp_up",] == 1, "the new one to answer")


def test_those_who_connect_and_say_nothing_keep_nobody_from_scraping(bench, instance_of):
    bench.start(bench.a, instance_of(transport={"alone": True}))
    bench.wait_state(bench.a, "Active")

    def connect():
        return [socket.create_connection(("127.0.0.1", 9650), timeout=20) for _ in range(100)]

    with ExitStack() as idle:
        for each in namespace.call(bench.a.namespace, connect):
            idle.enter_context(each)
        for _ in range(3):
            assert scrape(bench.a)["mooring_vrrp_up",] == 1
    assert bench.restarts(bench.a, "agent") == 0
