"""The status of a NodeConfig from what the daemon knows: bounded, and the same for the same facts."""

from typing import Any

import pytest

from mooring_api.levels import LEVEL
from mooring_api.nodeconfig import CredentialReport, InstanceState, InterfaceReport
from mooring_api.problems import REMARK, Problem, Severity
from mooring_node.agent.report import LONGEST_TEXT, MOST_CREDENTIALS, MOST_PROBLEMS, Facts, build
from mooring_node.agent.server_report import Told
from mooring_node.agent.transitions import GroupState
from mooring_node.vrrp.config import GroupConfig, MemberConfig


def group(name: str, *members: str, priority: int = 100) -> GroupConfig:
    made = tuple(MemberConfig(each, "eth0", 4, 1, 3, ()) for each in members or (name,))
    return GroupConfig(name, made, priority=priority)


def problem(instance: str, message: str = "is wrong", severity: Severity = Severity.ERROR) -> Problem:
    return Problem("NodeConfig lb-1", "spec.instances[0].x", message, severity, instance)


def facts(**more: Any) -> Facts:
    return Facts("1.2", **more)


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
    status = build(
        facts(
            observed_generation=7,
            groups=(group("web", "web-4", "web-6", priority=150), group("new")),
            states={"web": GroupState("Active", 1795233600.9, "nobody else was heard", 3)},
            interfaces=(InterfaceReport(name="eth0", mac="02:00:00:00:00:01", carrier=True, mtu=1500),),
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
    assert build(facts()).to_wire() == {
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
    status = build(facts(groups=(group("web", priority=150),), states={"web": GroupState("Backup", 1.0, "", 1, 100)}))
    assert status.instances[0].priority == 100


def test_words_of_the_checks_process_that_do_not_fit_cost_only_themselves() -> None:
    long = SERVER | {"backends": [SERVER["backends"][0] | {"reason": "x" * 5000}]}
    status = build(facts(servers=Told((SERVER | {"family": "IPv5"}, long)), kube_proxy={"mode": "Userspace"}))
    (report,) = status.virtual_servers
    assert len(report.backends[0].reason or "") == LONGEST_TEXT
    assert status.kube_proxy is None


@pytest.mark.parametrize("state", ["Initialize", "Backup", "Active", "Fault"])
def test_each_state_of_the_vrrp_process_is_one_of_the_resource(state: str) -> None:
    status = build(facts(groups=(group("web"),), states={"web": GroupState(state, 1.0, "", 1)}))
    assert status.instances[0].state is InstanceState(state)
    assert status.instances[0].reason is None


def router(**more: Any) -> dict[str, Any]:
    plain = {"interface": "eth0", "virtualRouterID": 51, "source": "10.0.0.9", "priority": 100, "version": 3}
    return plain | more


def test_who_was_heard_last_does_not_change_the_order() -> None:
    one, two, three = router(virtualRouterID=9), router(source="10.0.0.10"), router(interface="eth1", virtualRouterID=1)
    orders = [[one, two, three], [three, one, two], [two, three, one]]
    assert len({build(facts(foreign_routers=order)).foreign_routers for order in orders}) == 1


@pytest.mark.parametrize(
    "made_up",
    [{"virtualRouterID": 0}, {"source": "others"}, {"priority": 300}, {"interface": ""}, {"version": "x"}, {"more": 1}],
)
def test_what_no_router_can_be_costs_only_itself(made_up: dict[str, Any]) -> None:
    status = build(facts(foreign_routers=[router(**made_up), router()]))
    assert [each.virtual_router_id for each in status.foreign_routers] == [51]


def test_a_flood_of_routers_is_bounded() -> None:
    assert len(build(facts(foreign_routers=[router(virtualRouterID=n) for n in range(1, 200)])).foreign_routers) == 32


def test_too_many_problems_name_each_instance_once_before_any_twice() -> None:
    several = [problem(f"web-{n}", text) for n in range(20) for text in ("first", "second")]
    status = build(facts(problems=(*several, problem("web-99", severity=Severity.WARNING))))
    assert len(status.problems) == MOST_PROBLEMS
    assert {each.instance for each in status.problems} == {f"web-{n}" for n in [*range(20), 99]} | {""}
    last = status.problems[-1]
    # Of the whole NodeConfig: what is not named must not seem fine.
    assert (last.instance, last.path) == ("", "")
    assert last.message.startswith("10 more problems")


def test_errors_come_before_warnings() -> None:
    warning = problem("web-0", "a warning", Severity.WARNING)
    status = build(facts(problems=(warning, problem("web-0", "an error"))))
    assert [each.message for each in status.problems] == ["an error", "a warning"]


def test_too_many_secrets_are_cut_and_it_is_said() -> None:
    credentials = [CredentialReport(name=f"s{n:03}") for n in range(MOST_CREDENTIALS + 6)]
    status = build(facts(credentials=credentials))
    assert len(status.credentials) == MOST_CREDENTIALS
    assert [(each.path, each.message) for each in status.problems] == [(REMARK, "64 of 70 Secrets are reported")]


def test_no_text_grows_without_end() -> None:
    long = "x" * 100_000
    told = {"web": GroupState("Fault", 1.0, long, 1)}
    status = build(facts(groups=(group("web"),), states=told, problems=(problem("web", long),), remarks=(long,)))
    assert len(str(status.to_wire())) < 4 * LONGEST_TEXT


def test_a_crowd_of_bad_servers_hides_no_instance() -> None:
    crowd = [
        Problem("", f"spec.virtualServers[{n}].scheduler", "is wrong", instance=f"shop/web-{n}:http")
        for n in range(2 * MOST_PROBLEMS)
    ]
    status = build(facts(problems=(*crowd, problem("web-1"), problem("web-2", severity=Severity.WARNING))))
    assert [each.instance for each in status.problems[:3]] == ["web-1", "web-2", "shop/web-0:http"]
    assert len(status.problems) == MOST_PROBLEMS


def test_a_field_that_is_not_known_is_one_remark_and_against_no_instance() -> None:
    """Told as a problem of its instances, it would hold up every change of their groups."""
    unknown = [
        Problem("NodeConfig lb-1", f"spec.instances[{i}].later", "unknown field; it is not used", Severity.REMARK, name)
        for i, name in enumerate(("b", "a", "c"))
    ]
    unknown.append(Problem("NodeConfig lb-1", "spec.pools", "unknown field; it is not used", Severity.REMARK))
    told = build(facts(problems=(*unknown, problem("b")))).problems
    assert [(each.instance, each.path, each.message) for each in told] == [
        ("b", "spec.instances[0].x", "is wrong"),
        ("", REMARK, "spec.instances[].later (of a and 2 more): unknown field; it is not used"),
        ("", REMARK, "spec.pools: unknown field; it is not used"),
    ]
