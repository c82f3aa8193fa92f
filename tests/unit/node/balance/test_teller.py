"""What the agent and the VRRP process are told."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mooring_api.nodeconfig_status import VirtualServerReport
from mooring_api.wire import parse_object
from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig
from mooring_node.balance.outbox import WAITING, Outbox
from mooring_node.balance.parts import Remark
from mooring_node.balance.report import MOST_LISTED, PART_BYTES, parts, server_report
from mooring_node.balance.states import Event, Happening
from mooring_node.balance.teller import MOST_HAPPENINGS, MOST_REMARKS, REPORT_NS, SHED_NS, Teller
from mooring_node.channel import MESSAGE_BYTES, Channel
from mooring_node.ipvs.table import DestinationKey

Make = Callable[..., ServerConfig]


def run(story: Callable[[Channel, Channel], Coroutine[Any, Any, None]]) -> None:
    ours, theirs = Channel.pair()
    try:
        asyncio.run(story(ours, theirs))
    finally:
        ours.close()
        theirs.close()


async def all_of(theirs: Channel, until: Callable[[list[Any]], bool] = bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not until(found):
        found += theirs.receive()
        await asyncio.sleep(0)
    return found


def test_a_report_is_what_the_api_has_a_place_for(course: Any, server_of: Make) -> None:
    backends = tuple(BackendConfig(f"10.0.0.{number}", 80, host=f"pod-{number}") for number in range(1, 4))
    pool = course(server_of(backends=backends, drain_ns=9, sorry=SorryConfig("10.0.0.9", 80), quorum_up=2))
    pool.down(2)
    pool.change(backends=backends[:2])
    told = server_report(pool.pool, lambda ns: f"at {ns}")
    assert told.pop("weights") == {"up": 1, "needed": 2, "all": 2, "backends": 2}
    report = parse_object(VirtualServerReport, told, "told")
    assert (report.up, report.down, report.draining, report.quorum, report.sorry) == (1, 1, 1, False, True)
    assert [(each.address, str(each.state)) for each in report.backends] == [
        ("10.0.0.2", "Down"),
        ("10.0.0.3", "Draining"),
        ("10.0.0.1", "Up"),
    ]
    assert report.backends[0].reason == "tcp: refused"
    assert report.backends[0].host == "pod-2"
    assert report.backends[0].since_time == f"at {pool.now - 1}"


def test_a_backend_that_cannot_be_checked_says_so_whatever_its_state(course: Any, server_of: Make) -> None:
    pool = course(server_of(3))
    pool.down(2)
    why = {DestinationKey(f"10.0.0.{number}", 80): "its port is in use" for number in (1, 2)}
    told = server_report(pool.pool, str, why)
    assert [(each["address"], each["state"], each.get("reason")) for each in told["backends"]] == [
        ("10.0.0.2", "Down", "tcp: refused; not checked: its port is in use"),
        ("10.0.0.1", "Up", "not checked: its port is in use"),
        ("10.0.0.3", "Up", None),
    ]


def test_of_many_backends_those_that_are_not_up_come_first(course: Any, server_of: Make) -> None:
    pool = course(server_of(MOST_LISTED + 20))
    for number in (3, 70):
        pool.down(number)
    told = server_report(pool.pool, str)
    assert told["up"] == MOST_LISTED + 18
    assert len(told["backends"]) == MOST_LISTED
    assert [each["address"] for each in told["backends"][:2]] == ["10.0.0.3", "10.0.0.70"]


def test_a_large_report_comes_in_parts_that_fit(course: Any, server_of: Make) -> None:
    servers = [server_report(course(server_of(50, name=f"s{number}")).pool, str) for number in range(200)]
    messages = parts(servers, [{"server": "", "path": "", "message": "x"}], {"mode": "IPVS"})
    assert len(messages) > 3
    assert [each for message in messages for each in message["report"]["servers"]] == servers
    assert [message["report"]["part"] for message in messages] == list(range(len(messages)))
    assert {message["report"]["of"] for message in messages} == {len(messages)}
    assert [bool(message["report"]["problems"]) for message in messages] == [True] + [False] * (len(messages) - 1)
    assert all(len(json.dumps(message)) < MESSAGE_BYTES for message in messages)
    assert parts([], [], None) == [{"report": {"part": 0, "of": 1, "servers": [], "problems": [], "kubeProxy": None}}]


def test_a_report_comes_at_changes_and_not_too_often(course: Any, server_of: Make) -> None:
    async def story(ours: Channel, theirs: Channel) -> None:
        teller, pool = Teller(ours), course(server_of(2))
        teller.changed({("web", 4): pool.pool})
        assert teller.due_ns == 0
        teller.report(10, (), None)
        (first,) = await all_of(theirs)
        assert first["report"]["servers"][0]["up"] == 2
        assert teller.due_ns is None
        teller.report(10 * REPORT_NS, (), None)
        pool.down(1)
        teller.changed({("web", 4): pool.pool})
        later = teller.due_ns
        assert later is not None
        assert later >= 10 + REPORT_NS
        teller.report(later - 1, (), None)
        assert list(theirs.receive()) == []
        teller.report(later, (), None)
        (second,) = await all_of(theirs)
        assert second["report"]["servers"][0]["down"] == 1
        far = later + 1000 * REPORT_NS
        teller.report(far, (Remark("web", "path", "wrong", "ip_vs_x"),), {"mode": "IPVS"})
        teller.changed({("web", 4): None})
        teller.report(2 * far, (Remark("web", "path", "wrong", "ip_vs_x"),) * 999, {"mode": "IPVS"})
        third, fourth = await all_of(theirs, lambda found: len(found) == 2)
        assert third["report"]["problems"] == [
            {"server": "web", "path": "path", "message": "wrong", "module": "ip_vs_x"}
        ]
        assert third["report"]["kubeProxy"] == {"mode": "IPVS"}
        assert fourth["report"]["servers"] == []
        assert len(fourth["report"]["problems"]) == MOST_REMARKS

    run(story)


def test_what_happens_is_told_and_a_failed_rack_is_one_line_more() -> None:
    async def story(ours: Channel, theirs: Channel) -> None:
        teller = Teller(ours)
        down = Happening(Event.BACKEND_DOWN, "web", 6, DestinationKey("2001:db8::1", 80), "refused")
        teller.happened([down, Happening(Event.QUORUM_DOWN, "web", 6, None, "why")])
        one, two = await all_of(theirs, lambda found: len(found) == 2)
        assert one["happened"].pop("time") > 0
        assert one["happened"] == {
            "event": "BackendDown", "server": "web", "family": 6,
            "address": "2001:db8::1", "port": 80, "reason": "refused",
        }  # fmt: skip
        assert (two["happened"]["address"], two["happened"]["port"]) == (None, None)
        teller.happened([down] * (MOST_HAPPENINGS + 7))
        found = await all_of(theirs, lambda found: len(found) == MOST_HAPPENINGS + 1)
        assert "7 more" in found[-1]["log"]["message"]

    run(story)


def test_tracked_names_come_in_messages_that_fit() -> None:
    names = {f"{number:04}-{'n' * 390}": bool(number % 2) for number in range(1000)}
    messages = list(Teller.tracked_parts(names))
    assert len(messages) > 1
    assert all(len(json.dumps(message)) <= PART_BYTES + 1000 for message in messages)
    assert {name: good for message in messages for name, good in message["tracked"].items()} == names
    assert list(Teller.tracked_parts({})) == []


@pytest.mark.parametrize("count", [10, WAITING + 50])
def test_an_outbox_never_blocks_keeps_the_order_and_drops_the_oldest(count: int) -> None:
    async def story(ours: Channel, theirs: Channel) -> None:
        outbox = Outbox(ours)
        text = "x" * 5000
        for number in range(count):
            outbox.put({"number": number, "text": text})
        assert outbox.idle is (count == 10)
        found = await all_of(theirs, lambda found: bool(found) and found[-1]["number"] == count - 1)
        numbers = [each["number"] for each in found]
        assert numbers == sorted(numbers)
        assert len(numbers) >= min(count, WAITING)
        assert outbox.idle
        outbox.put({"number": 0})
        assert await all_of(theirs) == [{"number": 0}]

    run(story)


def test_who_went_before_the_time_is_told_in_one_line_a_minute() -> None:
    async def story(ours: Channel, theirs: Channel) -> None:
        teller = Teller(ours)
        teller.shed({}, 0)
        teller.shed({"web": 3}, 5)
        (line,) = [message["log"] for message in await all_of(theirs)]
        assert line["level"] == "warning"
        assert "(web: 3)" in line["message"]
        for number in range(8):
            teller.shed({f"s{number}": number + 1, "web": 1}, 5 + number)
        teller.shed({}, 5 + SHED_NS - 1)
        assert list(theirs.receive()) == []
        teller.shed({}, 5 + SHED_NS)
        (line,) = [message["log"] for message in await all_of(theirs)]
        assert "(web: 8, s7: 8, s6: 7, s5: 6, s4: 5 and 4 more)" in line["message"]
        teller.shed({}, 5 + 3 * SHED_NS)
        assert list(theirs.receive()) == []

    run(story)
