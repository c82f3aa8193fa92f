"""What is told of virtual servers fits, and what is wrong comes before what is well."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mooring_node.agent.server_report import FEW_BACKENDS, MOST_LISTED, bounded, is_well, worst_first

STATUS_BYTES = 192 * 1024


def backend(number: int, state: str = "Up") -> dict[str, Any]:
    plain = {"address": f"10.9.{number // 250}.{number % 250}", "port": 8443, "host": f"shop-web-7d9f5b-{number:05}"}
    why = {} if state == "Up" else {"reason": "Connection refused"}
    return plain | {"state": state, "sinceTime": "2026-11-21T04:00:00Z"} | why


def report(name: str, up: int = 10, down: int = 0, draining: int = 0, **more: Any) -> dict[str, Any]:
    states = ["Down"] * down + ["Draining"] * draining + ["Up"] * up
    plain = {"name": name, "family": "IPv4", "quorum": True, "sorry": False, "up": up, "down": down}
    backends = [backend(number, state) for number, state in enumerate(states)][:MOST_LISTED]
    return plain | {"draining": draining, "backends": backends} | more


def size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def test_few_are_told_whole() -> None:
    reports = [report("a"), report("b", up=1, down=1), report("c", up=0, down=2, quorum=False, sorry=True)]
    told = bounded(reports, STATUS_BYTES)
    assert told.left_out == 0
    assert [each["name"] for each in told.reports] == ["a", "b", "c"]
    assert [len(each["backends"]) for each in told.reports] == [10, 2, 2]


def test_of_many_backends_only_those_that_are_not_up_are_told() -> None:
    many = report("a", up=FEW_BACKENDS, down=2, draining=1)
    (told,) = bounded([many], STATUS_BYTES).reports
    assert [each["state"] for each in told["backends"]] == ["Down", "Down", "Draining"]


def test_a_thousand_servers_are_all_counted_and_the_bad_ones_explained() -> None:
    reports = [report(f"team-{n}/shop-frontend-{n}:https", up=9, down=int(n % 50 == 0)) for n in range(1000)]
    told = bounded(reports, STATUS_BYTES)
    assert size(told.reports) <= STATUS_BYTES
    assert len(told.reports) == 1000
    explained = [each for each in told.reports if each["down"]]
    assert len(explained) == 20
    assert all(each["backends"][0]["state"] == "Down" for each in explained)


def test_where_even_counts_do_not_fit_who_is_not_well_is_told() -> None:
    reports = [report(f"team-{n}/shop-frontend-{n}:https", quorum=n < 8000) for n in range(8192)]
    told = bounded(reports, STATUS_BYTES)
    assert size(told.reports) <= STATUS_BYTES
    assert told.left_out == 8192 - len(told.reports) > 0
    assert sum(not each["quorum"] for each in told.reports) == 192


def test_all_down_at_once_still_fits() -> None:
    reports = [report(f"team-{n}/shop-frontend-{n}:https", up=0, down=64, quorum=False) for n in range(1000)]
    told = bounded(reports, STATUS_BYTES)
    assert size(told.reports) <= STATUS_BYTES
    assert len(told.reports) == 1000
    assert any("backends" in each for each in told.reports)


def test_the_worst_come_first() -> None:
    names = [each["name"] for each in worst_first([report("a"), report("b", down=1), report("c", quorum=False)])]
    assert names == ["c", "b", "a"]
    assert not is_well(report("x", sorry=True))


reports = st.builds(
    report,
    st.text("ab", min_size=1, max_size=4),
    up=st.integers(0, 80),
    down=st.integers(0, 80),
    draining=st.integers(0, 80),
    quorum=st.booleans(),
)


@given(st.lists(reports, max_size=8), st.integers(0, 20_000))
@example([report("aa", up=0, down=1)], 246)
def test_it_always_fits_and_nothing_is_made_up(given_reports: list[dict[str, Any]], room: int) -> None:
    told = bounded(given_reports, room)
    assert size(told.reports) <= max(room, 2)
    assert len(told.reports) + told.left_out == len(given_reports)
    left = list(given_reports)
    for each in told.reports:
        backends = each.get("backends", [])
        whole = next(one for one in left if {**one, "backends": backends} == {**each, "backends": backends})
        left.remove(whole)
        assert len(backends) <= MOST_LISTED
        assert all(one in whole["backends"] for one in backends)
        assert len({one["address"] for one in backends}) == len(backends)
