"""Reports to the agent: in order, never blocking, the oldest lost first."""

from collections.abc import Iterator
from typing import Any

import pytest

from mooring_node.channel import Channel
from mooring_node.vrrp.reports import WAITING, Outbox, Reports


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    here, there = Channel.pair()
    yield here, there
    here.close()
    there.close()


def read(channel: Channel) -> list[dict[str, Any]]:
    found = []
    while batch := list(channel.receive()):
        found += batch
    return found


def test_what_happened_arrives_in_order(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    reports = Reports(Outbox(here))
    reports.transition("web-0", "Backup", "Active", "why")
    reports.log("info", "words", "web-0")
    first, second = read(there)
    assert first["transition"] | {"time": 0} == {
        "group": "web-0",
        "from": "Backup",
        "to": "Active",
        "reason": "why",
        "time": 0,
        "former": "",
    }
    assert second == {"log": {"level": "info", "message": "words", "group": "web-0"}}


def test_an_agent_that_does_not_read_costs_the_oldest_alone(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    outbox = Outbox(here)
    reports = Reports(outbox)
    total = 4 * WAITING
    for number in range(total):
        reports.log("info", str(number))
    told = read(there)
    while True:
        outbox.flush()
        more = read(there)
        if not more:
            break
        told += more
    numbers = [int(each["log"]["message"]) for each in told]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-WAITING:] == list(range(total - WAITING, total))
    assert len(numbers) < total
