"""What a daemon that balances tells: the kernel's counters as metrics, the status to a person."""

import re
import time
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from mooring_lab import namespace
from mooring_lab.lab import default_daemon_command

ADDRESS = "10.0.0.120"
SERVICE = "10.0.0.120:80/TCP"
#: Counters are read with the table, each 30 s; the kernel adds them up each 2 s.
COUNTED_SECONDS = 35


def scrape(node: Any) -> dict[tuple[Any, ...], float]:
    """Samples by name and labels."""

    def read() -> str:
        with urlopen("http://127.0.0.1:9650/metrics", timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(namespace.call(node.namespace, read))
        for sample in family.samples
    }


def test_the_kernel_s_counters_are_metrics(bench: Any, plan: Any) -> None:
    bench.start(plan(addresses=(ADDRESS,)))
    holder = bench.lab.nodes[0]
    service = (("server", "web/web:http-v4"), ("virtual_service", SERVICE))
    # Until the requests of the start are all counted.
    time.sleep(COUNTED_SECONDS)
    before = scrape(holder)
    assert sum(bench.tally(30).values()) == 30
    time.sleep(COUNTED_SECONDS)
    after = scrape(holder)

    def more(name: str, *labels: tuple[str, str]) -> float:
        key = (name, *sorted((*service, *labels)))
        return after[key] - before[key]

    assert more("mooring_ipvs_service_connections_total") == 30
    assert more("mooring_ipvs_service_packets_total", ("direction", "in")) >= 5 * 30
    assert more("mooring_ipvs_service_bytes_total", ("direction", "out")) > 30 * 100
    backends = [("backend", f"{each.machine.address}:8080") for each in bench.backends(plan().place)]
    assert [more("mooring_ipvs_backend_connections_total", each) for each in backends] == [10, 10, 10]
    family = (("family", "IPv4"), ("server", "web/web:http-v4"))
    assert after["mooring_server_quorum", *family] == 1
    assert after["mooring_server_backends", *family, ("state", "up")] == 3
    assert after["mooring_ipvs_backend_weight", *sorted((*service, backends[0]))] == 1
    assert after["mooring_check_targets",] == 3
    tries = ("mooring_check_duration_seconds_count", ("kind", "http"))
    assert after[tries] > before[tries]
    assert after["mooring_ipvs_writes_total",] == before["mooring_ipvs_writes_total",], "nothing had to be changed"


def test_a_person_reads_what_is_down_and_why(bench: Any, plan: Any, out_seconds: float) -> None:
    bench.start(plan(addresses=(ADDRESS,)))
    dead = bench.backends(plan().place)[0]
    dead.kill()
    time.sleep(out_seconds + 1)
    node = bench.lab.nodes[0]
    status = node.exec(*default_daemon_command(), "status", "--state-dir", str(node.state_dir)).stdout
    lines = status.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("web/web:http-v4"))
    assert lines[place].split() == ["web/web:http-v4", "IPv4", "yes", "2", "1", "0"]
    where = re.escape(f"{dead.machine.address}:8080 ({dead.name})")
    assert re.fullmatch(rf"    {where} down since [-0-9T:]+Z: .*refused.*", lines[place + 1], re.IGNORECASE)
    scraped = scrape(node)
    assert scraped["mooring_check_failures_total", ("kind", "http"), ("reason", "Refused")] >= 2
    assert scraped["mooring_server_backends", ("family", "IPv4"), ("server", "web/web:http-v4"), ("state", "down")] == 1
