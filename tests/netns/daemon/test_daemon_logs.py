"""The log of a daemon through everything that a log tells of: JSON, and each line says what it is about."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mooring_lab.lab import default_daemon_command

PAGE = Path(__file__).parents[3] / "docs" / "logs.md"
ALWAYS = {"time", "level", "component", "node", "kind", "name", "message"}


def documented() -> set[str]:
    """The fields in the table of the page."""
    return set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_each_line_says_what_it_is_about(make_bench: Callable[..., Any], instance_of: Callable[..., Any]) -> None:
    command = ("sh", "-c", 'exec "$0" "$@" --log-format json', *default_daemon_command())
    bench = make_bench(daemon_command=command)
    bench.pair(virtualIP="shop")
    bench.a.reload_daemon(bench.config(bench.a, instance_of(priority="high", virtualIP="shop")))
    bench.wait_log(bench.a, "must be a whole number")
    bench.kill(bench.a, "vrrp", signal.SIGKILL)
    bench.wait_log(bench.a, "it is started again")
    bench.kill(bench.b, "agent", signal.SIGKILL)
    bench.wait_log(bench.b, "it is started again")
    bench.run(bench.a, "maintenance", "on", "--state-dir", str(bench.a.state_dir))
    bench.wait_log(bench.a, "maintenance is on")
    bench.wait_state(bench.b, "Active")
    for node in bench.nodes:
        node.stop_daemon()

    fields = documented()
    kinds: set[str] = set()
    for node in bench.nodes:
        lines = [json.loads(line) for line in node.log.splitlines()]
        assert len(lines) > 5
        for line in lines:
            assert line.keys() >= ALWAYS, line
            assert line.keys() <= fields, line
            assert line["level"] in ("info", "warning", "error"), line
            assert all(isinstance(value, str) and value for value in line.values()), line
            kinds.add(line["kind"])
        moved = [line for line in lines if "->" in line["message"]]
        assert moved
        assert {(line["kind"], line["name"], line["group"]) for line in moved} == {("VirtualIP", "shop", "web")}
    assert kinds == {"Node", "NodeConfig", "VirtualIP"}
