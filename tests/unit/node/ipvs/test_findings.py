"""What is said of problems, and what others' changes add up to."""

import pytest
from tests.unit.node.ipvs.tables import DNS, MARK, ONE, THREE, TWO, WEB, WEB6, balanced

from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.findings import Drift, drifted, foreign_problem, told
from mooring_node.ipvs.table import Balanced, Destination, DestinationKey, Service, ServiceKey


@pytest.mark.parametrize(
    ("key", "name", "command"),
    [
        (WEB, "192.0.2.1:80/TCP", "ipvsadm -D -t 192.0.2.1:80"),
        (DNS, "192.0.2.1:53/UDP", "ipvsadm -D -u 192.0.2.1:53"),
        (WEB6, "[2001:db8::1]:80/TCP", "ipvsadm -D -t [2001:db8::1]:80"),
        (ServiceKey(4, 132, "192.0.2.1", 80), "192.0.2.1:80/SCTP", "ipvsadm -D --sctp-service 192.0.2.1:80"),
        (MARK, "mark 7 (IPv4)", "ipvsadm -D -f 7"),
        (ServiceKey(6, mark=7), "mark 7 (IPv6)", "ipvsadm -D -f 7 -6"),
    ],
)
def test_somebody_elses_service_is_named_with_the_remedy(key: ServiceKey, name: str, command: str) -> None:
    problem = foreign_problem(key)
    assert problem.service == key
    assert f"another program balances {name}" in problem.message
    assert "its state folder was lost" in problem.message
    assert f"`{command}`" in problem.message


def test_an_operation_is_told_in_words() -> None:
    six = DestinationKey("fd00::1", 80)
    assert told(Operation(Action.NEW_DESTINATION, WEB, ONE)) == "adding 10.0.0.1:8080 to 192.0.2.1:80/TCP"
    assert told(Operation(Action.SET_DESTINATION, WEB6, six)) == "changing [fd00::1]:80 of [2001:db8::1]:80/TCP"
    assert told(Operation(Action.DELETE_DESTINATION, WEB, ONE)) == "removing 10.0.0.1:8080 from 192.0.2.1:80/TCP"
    assert told(Operation(Action.DELETE_SERVICE, MARK)) == "removing mark 7 (IPv4)"
    assert {told(Operation(action, WEB, ONE)).split()[0] for action in Action} == {"adding", "changing", "removing"}


def test_what_others_changed_adds_up() -> None:
    start = Drift(audits=3, owned=5)
    known = balanced(ONE, TWO)
    assert drifted(start, WEB, known, balanced(ONE, TWO)) == start
    gone = drifted(start, WEB, known, None)
    assert (gone.vanished_services, gone.mended, gone.audits) == (1, 1, 3)
    actual = Balanced(Service("lc"), {ONE: Destination(5), THREE: Destination(1)})
    more = drifted(gone, WEB, known, actual)
    assert more == Drift(3, 5, 1, 1, 1, 1, 1)
    assert more.mended == 5
