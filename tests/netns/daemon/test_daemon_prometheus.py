"""A real Prometheus, with the alerts of the chart, scrapes two real daemons through a hand-over, a death and an end."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from mooring_lab import namespace
from mooring_lab.lab import default_daemon_command
from mooring_lab.machine import Machine

RULES = Path(__file__).parents[3] / "charts" / "mooring" / "files" / "alerts.yaml"
WEB = "127.0.0.1:9090"
#: A scrape each second, and each alert waits for several of them, as by default it waits for some of half a minute.
SCRAPE, PATIENCE = "1s", "5s"
LOOK_S = 30.0


class Prometheus:
    """One that runs in a machine of the lab."""

    def __init__(self, machine: Machine, program: str, folder: Path, targets: dict[str, str]) -> None:
        self._machine = machine
        rules = folder / "alerts.yaml"
        rules.write_text(re.sub(r"for: \w+", f"for: {PATIENCE}", RULES.read_text(encoding="utf-8")))
        config = {
            "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    "job_name": "mooring-node",
                    "static_configs": [
                        {"targets": [address], "labels": {"node": node}} for node, address in targets.items()
                    ],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        options = {"config.file": folder / "prometheus.yaml", "storage.tsdb.path": folder / "data"}
        options |= {"web.listen-address": WEB, "log.level": "warn"}
        command = [program, *(f"--{name}={value}" for name, value in options.items())]
        machine.start_program("prometheus", command, folder / "prometheus.log")

    def ask(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """What an expression gives now, by labels; nothing while it does not answer."""

        def read() -> Any:
            connection = HTTPConnection(WEB, timeout=20)
            try:
                connection.request("GET", f"/api/v1/query?{urlencode({'query': expression})}")
                reply = connection.getresponse()
                return json.load(reply) if reply.status == 200 else None
            except OSError:
                return None
            finally:
                connection.close()

        answer = namespace.call(self._machine.namespace, read)
        result = answer["data"]["result"] if answer else []
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in result}

    def number(self, expression: str) -> float | None:
        """Of an expression with one value; None: it has none."""
        values = list(self.ask(expression).values())
        return values[0] if len(values) == 1 else None

    def firing(self) -> set[tuple[str, str]]:
        """Alert and what it is about."""
        found = (dict(labels) for labels in self.ask('ALERTS{alertstate="firing"}'))
        return {(each["alertname"], each.get("group") or each.get("node", "")) for each in found}

    def ever_fired(self, *alerts: str) -> bool:
        chosen = "|".join(alerts)
        return bool(self.ask(f'count_over_time(ALERTS{{alertname=~"{chosen}",alertstate="firing"}}[10m])'))


@pytest.fixture
def scene(
    make_bench: Callable[..., Any], require_tool: Callable[[str], str], tmp_path: Path
) -> Iterator[tuple[Any, Prometheus]]:
    program = require_tool("prometheus")
    # As the chart does: on the node's own address, which stands alone on its link before anything is held.
    own = "$(ip -4 -oneline address show dev eth0 | sed 's|.* inet \\([0-9.]*\\)/.*|\\1|')"
    wrapped = ("sh", "-c", f'exec "$0" "$@" --metrics-address "[{own}]:9650"', *default_daemon_command())
    bench = make_bench(daemon_command=wrapped)
    bench.pair(virtualIP="shop")
    targets = {node.name: f"{node.address}:9650" for node in bench.nodes}
    yield bench, Prometheus(bench.client, program, tmp_path, targets)
    bench.client.stop_program("prometheus")


def test_it_sees_a_hand_over_and_a_death_as_they_are(scene: tuple[Any, Prometheus]) -> None:
    bench, prometheus = scene
    first, second = bench.a.name, bench.b.name
    began = time.monotonic()

    def holds(node: str) -> bool:
        return prometheus.number(f'mooring_vrrp_state{{node="{node}",group="web",virtual_ip="shop"}}') == 2

    bench.wait(lambda: holds(first), "Prometheus to see the holder", LOOK_S)
    bench.wait(lambda: prometheus.number("count(mooring_vrrp_active_heard == 1)") == 2, "both to hear it", LOOK_S)
    # Labels that a target has are never renamed: no `exported_instance`.
    exported = prometheus.ask('count by (__name__) ({exported_instance!=""} or {exported_node!=""})')
    assert exported == {}

    bench.run(bench.a, "maintenance", "on", "--state-dir", str(bench.a.state_dir))
    bench.wait(lambda: holds(second), "Prometheus to see the hand-over", LOOK_S)
    forgotten = ("MooringMaintenanceLeftOn", first)
    bench.wait(lambda: forgotten in prometheus.firing(), "the alert that it is left in maintenance", LOOK_S)
    bench.run(bench.a, "maintenance", "off", "--state-dir", str(bench.a.state_dir))
    bench.wait(lambda: holds(first), "Prometheus to see it come back", LOOK_S)
    bench.wait(lambda: forgotten not in prometheus.firing(), "the alert to end", LOOK_S)

    bench.a.fault_node()
    bench.wait(lambda: holds(second), "Prometheus to see the take-over", LOOK_S)
    bench.wait(lambda: ("MooringDaemonDown", first) in prometheus.firing(), "the alert of the dead node", LOOK_S)
    assert not holds(first), "what the dead node said last is no answer any more"
    assert not prometheus.ever_fired("MooringNoHolder", "MooringTwoHolders", "MooringFlapping", "MooringVRRPDown")

    # The last one lets go, too: now nobody holds the group, and only now it is said.
    bench.run(bench.b, "maintenance", "on", "--state-dir", str(bench.b.state_dir))
    bench.wait(lambda: ("MooringNoHolder", "web") in prometheus.firing(), "the alert that nobody holds it", LOOK_S)
    bench.run(bench.b, "maintenance", "off", "--state-dir", str(bench.b.state_dir))
    bench.wait(lambda: ("MooringNoHolder", "web") not in prometheus.firing(), "the alert to end", LOOK_S)
    assert not prometheus.ever_fired("MooringTwoHolders")
    print(f"a hand-over, a death and an end through Prometheus: {time.monotonic() - began:.0f} s")
