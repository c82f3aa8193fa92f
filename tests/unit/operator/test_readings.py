"""How many nodes hold a group, as the metrics say it."""

import pytest

from mooring_api.virtualip import GroupStatus
from mooring_operator.tell.holders import Holding, Verdict
from mooring_operator.tell.readings import group_readings


def group(name: str, family: str = "IPv4") -> GroupStatus:
    return GroupStatus(name=name, family=family, virtual_router_id=7)


@pytest.mark.parametrize(
    ("verdict", "holders"),
    [
        (Verdict(Holding.ONE, None, ("n1",)), 1),
        (Verdict(Holding.NOBODY), 0),
        (Verdict(Holding.SEVERAL, None, ("n1", "n2", "n3")), 3),
        (Verdict(Holding.UNREACHABLE, None, ("n1",)), 0),
    ],
    ids=lambda each: str(getattr(each, "holding", each)),
)
def test_a_verdict_is_a_number(verdict: Verdict, holders: int) -> None:
    (reading,) = group_readings([group("web-0")], {"web-0": verdict})
    assert reading == ("web-0", "IPv4", holders)


@pytest.mark.parametrize(
    ("name", "called"),
    [("web-0", "web-0"), ("web-0-ipv6", "web-0"), ("web-0-ipv4", "web-0"), ("web-ipv6-1", "web-ipv6-1")],
)
def test_a_group_is_called_as_the_daemons_call_it(name: str, called: str) -> None:
    (reading,) = group_readings([group(name, "IPv6")], {name: Verdict(Holding.NOBODY)})
    assert reading.group == called
