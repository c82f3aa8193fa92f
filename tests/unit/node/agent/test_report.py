"""The status of a NodeConfig from what the daemon knows: bounded, and the same for the same facts."""

import json
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_api.levels import LEVEL
from mooring_api.nodeconfig import InstanceState, NodeConfigStatus
from mooring_api.problems import REMARK, Problem, Severity
from mooring_node.agent.interfaces import InterfaceReport
from mooring_node.agent.keys import CredentialReport
from mooring_node.agent.report import LONGEST_TEXT, MOST_CREDENTIALS, MOST_PROBLEMS, Facts, build
from mooring_node.agent.server_report import Told
from mooring_node.agent.transitions import STATES, GroupState
from mooring_node.vrrp.config import GroupConfig, MemberConfig


def group(name: str, *members: str, priority: int = 100) -> GroupConfig:
    made = tuple(MemberConfig(each, "eth0", 4, 1, 3, ()) for each in members or (name,))
    return GroupConfig(name, made, priority=priority)


def problem(instance: str, message: str = "is wrong", severity: Severity = Severity.ERROR) -> Problem:
    return Problem("NodeConfig lb-1", "spec.instances[0].x", message, severity, instance)


def facts(**more: Any) -> Facts:
    return Facts("1.2", **more)


def read(given: Facts) -> NodeConfigStatus:
    """The status of these facts as the operator reads it: with the very same fields, in the same order."""
    told = build(given)
    status = NodeConfigStatus.model_validate(told, by_alias=True, by_name=False)
    assert json.dumps(status.to_wire()) == json.dumps(told)
    return status


SERVER: dict[str, Any] = {
    "name": "shop/web:https",
    "family": "IPv4",
    "quorum": True,
    "sorry": False,
    "up": 1,
    "down": 1,
    "draining": 0,
    "backends": [
        {"address": "10.9.0.1", "port": 8443, "state": "Down", "reason": "refused", "sinceTime": "2026-11-21T04:00:00Z"}
    ],
}


def test_everything_stands_where_it_belongs() -> None:
    status = read(
        facts(
            observed_generation=7,
            groups=(group("web", "web-4", "web-6", priority=150), group("new")),
            states={"web": GroupState("Active", 1795233600.9, "nobody else was heard", 3)},
            interfaces=(InterfaceReport("eth0", "02:00:00:00:00:01", (), True, 1500),),
            foreign_routers=[
                {"interface": "eth0", "virtualRouterID": 51, "source": "10.0.0.9", "priority": 100, "version": 2}
            ],
            credentials=(CredentialReport(name="web", current="9", versions=("9",)),),
            problems=(problem("new"),),
            remarks=("a remark",),
            servers=Told((SERVER,), left_out=3),
            kube_proxy={"mode": "IPVS", "removesServices": True},
        )
    ).to_wire()
    member = {
        "state": "Active",
        "sinceTime": "2026-11-21T04:00:00Z",
        "priority": 150,
        "transitions": 3,
        "reason": "nobody else was heard",
    }
    assert status == {
        "observedGeneration": 7,
        "daemonVersion": "1.2",
        "contractLevel": LEVEL,
        "instances": [{"name": "web-4", **member}, {"name": "web-6", **member}],
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "addresses": [], "carrier": True, "mtu": 1500}],
        "foreignRouters": [
            {"interface": "eth0", "virtualRouterID": 51, "source": "10.0.0.9", "priority": 100, "version": 2}
        ],
        "credentials": [{"name": "web", "current": "9", "versions": ["9"]}],
        "virtualServers": [SERVER],
        "kubeProxy": {"mode": "IPVS", "removesServices": True, "answersArp": False},
        "problems": [
            {"instance": "new", "path": "spec.instances[0].x", "message": "is wrong"},
            {"instance": "", "path": REMARK, "message": "a remark"},
            {
                "instance": "",
                "path": REMARK,
                "message": "3 virtual servers that are well are not reported; there is no room",
            },
        ],
    }


def test_who_knows_nothing_says_little() -> None:
    assert read(facts()).to_wire() == {
        "daemonVersion": "1.2",
        "contractLevel": LEVEL,
        "instances": [],
        "interfaces": [],
        "foreignRouters": [],
        "credentials": [],
        "virtualServers": [],
        "problems": [],
    }


def test_a_priority_by_what_is_tracked_is_the_one_that_is_told() -> None:
    status = read(facts(groups=(group("web", priority=150),), states={"web": GroupState("Backup", 1.0, "", 1, 100)}))
    assert status.instances[0].priority == 100


def test_words_of_the_checks_process_that_do_not_fit_cost_only_themselves() -> None:
    long = SERVER | {"backends": [SERVER["backends"][0] | {"reason": "x" * 5000}]}
    status = read(facts(servers=Told((SERVER | {"family": "IPv5"}, long)), kube_proxy={"mode": "Userspace"}))
    (report,) = status.virtual_servers
    assert len(report.backends[0].reason or "") == LONGEST_TEXT
    assert status.kube_proxy is None


@pytest.mark.parametrize("state", ["Initialize", "Backup", "Active", "Fault"])
def test_each_state_of_the_vrrp_process_is_one_of_the_resource(state: str) -> None:
    status = read(facts(groups=(group("web"),), states={"web": GroupState(state, 1.0, "", 1)}))
    assert status.instances[0].state is InstanceState(state)
    assert status.instances[0].reason is None


def router(**more: Any) -> dict[str, Any]:
    plain = {"interface": "eth0", "virtualRouterID": 51, "source": "10.0.0.9", "priority": 100, "version": 3}
    return plain | more


def test_who_was_heard_last_does_not_change_the_order() -> None:
    one, two, three = router(virtualRouterID=9), router(source="10.0.0.10"), router(interface="eth1", virtualRouterID=1)
    orders = [[one, two, three], [three, one, two], [two, three, one]]
    assert len({read(facts(foreign_routers=order)).foreign_routers for order in orders}) == 1


@pytest.mark.parametrize(
    "made_up",
    [{"virtualRouterID": 0}, {"source": "others"}, {"priority": 300}, {"interface": ""}, {"version": "x"}, {"more": 1}],
)
def test_what_no_router_can_be_costs_only_itself(made_up: dict[str, Any]) -> None:
    status = read(facts(foreign_routers=[router(**made_up), router()]))
    assert [each.virtual_router_id for each in status.foreign_routers] == [51]


def test_a_flood_of_routers_is_bounded() -> None:
    assert len(read(facts(foreign_routers=[router(virtualRouterID=n) for n in range(1, 200)])).foreign_routers) == 32


def test_too_many_problems_name_each_instance_once_before_any_twice() -> None:
    several = [problem(f"web-{n}", text) for n in range(20) for text in ("first", "second")]
    status = read(facts(problems=(*several, problem("web-99", severity=Severity.WARNING))))
    assert len(status.problems) == MOST_PROBLEMS
    assert {each.instance for each in status.problems} == {f"web-{n}" for n in [*range(20), 99]} | {""}
    last = status.problems[-1]
    # Of the whole NodeConfig: what is not named must not seem fine.
    assert (last.instance, last.path) == ("", "")
    assert last.message.startswith("10 more problems")


def test_errors_come_before_warnings() -> None:
    warning = problem("web-0", "a warning", Severity.WARNING)
    status = read(facts(problems=(warning, problem("web-0", "an error"))))
    assert [each.message for each in status.problems] == ["an error", "a warning"]


def test_too_many_secrets_are_cut_and_it_is_said() -> None:
    credentials = [CredentialReport(name=f"s{n:03}", current=None, versions=()) for n in range(MOST_CREDENTIALS + 6)]
    status = read(facts(credentials=credentials))
    assert len(status.credentials) == MOST_CREDENTIALS
    assert [(each.path, each.message) for each in status.problems] == [(REMARK, "64 of 70 Secrets are reported")]


def test_no_text_grows_without_end() -> None:
    long = "x" * 100_000
    told = {"web": GroupState("Fault", 1.0, long, 1)}
    status = read(facts(groups=(group("web"),), states=told, problems=(problem("web", long),), remarks=(long,)))
    assert len(str(status.to_wire())) < 4 * LONGEST_TEXT


def test_a_crowd_of_bad_servers_hides_no_instance() -> None:
    crowd = [
        Problem("", f"spec.virtualServers[{n}].scheduler", "is wrong", instance=f"shop/web-{n}:http")
        for n in range(2 * MOST_PROBLEMS)
    ]
    status = read(facts(problems=(*crowd, problem("web-1"), problem("web-2", severity=Severity.WARNING))))
    assert [each.instance for each in status.problems[:3]] == ["web-1", "web-2", "shop/web-0:http"]
    assert len(status.problems) == MOST_PROBLEMS


def test_a_field_that_is_not_known_is_one_remark_and_against_no_instance() -> None:
    """Told as a problem of its instances, it would hold up every change of their groups."""
    unknown = [
        Problem("NodeConfig lb-1", f"spec.instances[{i}].later", "unknown field; it is not used", Severity.REMARK, name)
        for i, name in enumerate(("b", "a", "c"))
    ]
    unknown.append(Problem("NodeConfig lb-1", "spec.pools", "unknown field; it is not used", Severity.REMARK))
    told = read(facts(problems=(*unknown, problem("b")))).problems
    assert [(each.instance, each.path, each.message) for each in told] == [
        ("b", "spec.instances[0].x", "is wrong"),
        ("", REMARK, "spec.instances[].later (of a and 2 more): unknown field; it is not used"),
        ("", REMARK, "spec.pools: unknown field; it is not used"),
    ]


TEXTS = st.text(max_size=12) | st.just("x" * 600)
NAMES = st.sampled_from(["web", "db", "new"])
ADDRESSES = st.ip_addresses().filter(lambda each: not isinstance(each, IPv6Address) or not each.ipv4_mapped)
INTERFACES = st.builds(
    InterfaceReport,
    st.sampled_from(["eth0", "bond0.7"]),
    st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":")),
    st.lists(ADDRESSES.map(lambda each: f"{each}/{each.max_prefixlen - 8}"), max_size=3).map(tuple),
    st.booleans(),
    st.integers(68, 65536),
)
VERSIONS = st.integers(0, 10**64 - 1).map(str)
CREDENTIALS = st.builds(
    CredentialReport,
    name=st.sampled_from(["web", "w" * 253]),
    current=st.none() | VERSIONS,
    versions=st.lists(VERSIONS, max_size=8).map(tuple),
)
PROBLEMS = st.builds(
    Problem, TEXTS, TEXTS | st.just("spec.virtualServers[0]"), TEXTS, st.sampled_from(Severity), TEXTS, TEXTS
)
PRIORITIES = st.integers(0, 255)
STATE = st.builds(
    GroupState, st.sampled_from(sorted(STATES)), st.floats(0, 4e9), TEXTS, st.integers(0), st.none() | PRIORITIES
)
ANYTHING = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2)


@given(
    st.builds(
        Facts,
        TEXTS,
        observed_generation=st.none() | st.integers(0),
        groups=st.lists(st.builds(group, NAMES, TEXTS, TEXTS, priority=PRIORITIES), max_size=3),
        states=st.dictionaries(NAMES, STATE),
        interfaces=st.lists(INTERFACES, max_size=3),
        foreign_routers=st.lists(st.builds(router) | ANYTHING.map(lambda more: router(**more)), max_size=40),
        credentials=st.lists(CREDENTIALS, max_size=3) | CREDENTIALS.map(lambda each: [each] * 65),
        problems=st.lists(PROBLEMS, max_size=40),
        remarks=st.lists(TEXTS, max_size=3),
        servers=st.builds(
            Told,
            st.lists(st.just(SERVER) | ANYTHING.map(lambda more: SERVER | more), max_size=3).map(tuple),
            st.integers(0, 3),
        ),
        kube_proxy=st.none() | ANYTHING | st.just({"mode": "IPVS"}),
    )
)
def test_whatever_there_is_to_tell_the_resource_has_a_place_for_it(given: Facts) -> None:
    read(given)
