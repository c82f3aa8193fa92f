"""What makes an installation work or not, by what was read of it."""

import pytest

from mooring_operator.verdict import KINDS, Finding, Leadership, Place, Seen, judge

PLACE = Place("mooring-system", "mooring-operator", "app=daemon")
ALL = frozenset(KINDS)


def lease(version="1", holder="op-1", duration=15):
    spec = {"holderIdentity": holder, "leaseDurationSeconds": duration}
    return {"metadata": {"name": "mooring-operator", "resourceVersion": version}, "spec": spec}


def pod(node="lb-1", ready=True, container=None, **metadata):
    """`container`: what is said of it; left out, it is as the pod."""
    said = container or {"ready": ready, "state": {"running": {}}}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": f"node-{node or 'none'}", **metadata},
        "spec": {"nodeName": node} if node else {},
        "status": {"conditions": conditions, "containerStatuses": [said]},
    }


def config(node="lb-1", generation=3, observed=3, **status):
    said = {"observedGeneration": observed, **status} if observed is not None else {}
    return {"metadata": {"name": node, "generation": generation}, "status": said}


def verdict(*, kinds=ALL, leader="op-1", pods=(), configs=()):
    return judge(Seen(kinds, leader, pods, configs), PLACE)


def wrong(**seen):
    (finding,) = verdict(**seen).wrong
    return finding


def test_all_is_well():
    found = verdict(pods=[pod("lb-2"), pod("lb-1")], configs=[config("lb-1"), config("lb-2", 7, 7)])
    assert found.wrong == ()
    assert list(found.lines()) == [
        "ok    the API server knows virtualips, virtualservers, nodeconfigs of mooring.dev/v1alpha1",
        "ok    op-1 leads",
        "ok    lb-1: its daemon runs generation 3",
        "ok    lb-2: its daemon runs generation 7",
    ]


@pytest.mark.parametrize("absent", KINDS)
def test_an_unknown_kind_is_all_that_is_told(absent):
    finding = wrong(kinds=ALL - {absent})
    assert absent in finding.what
    assert "mooring-crds" in finding.remedy


def test_the_leaders_finding_is_told_beside_the_rest():
    nobody = Finding("nobody leads", "look")
    found = verdict(leader=nobody, pods=[pod()], configs=[config()])
    assert found.wrong == (nobody,)
    assert found.right[-1] == "lb-1: its daemon runs generation 3"
    assert list(found.lines())[-1] == "FAIL  nobody leads\n      look"


def test_no_daemon_at_all_is_wrong():
    assert "app=daemon" in wrong().what
    assert "get daemonsets" in wrong().remedy


def test_a_pod_that_goes_is_none():
    assert "no daemon runs" in wrong(pods=[pod(deletionTimestamp="2026-01-01T00:00:00Z")]).what


def test_a_pod_that_is_not_ready_says_why():
    waiting = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}
    finding = wrong(pods=[pod(ready=False, container=waiting)], configs=[config()])
    assert finding.what == "the daemon's pod node-lb-1 on lb-1 is not Ready: CrashLoopBackOff: back-off 10s"
    assert "describe pod node-lb-1" in finding.remedy


def test_a_pod_that_ended_says_why():
    ended = {"ready": False, "state": {"terminated": {"reason": "Error", "exitCode": 4}}}
    assert wrong(pods=[pod(ready=False, container=ended)]).what.endswith("is not Ready: Error")


def test_a_pod_that_no_node_has_says_why():
    lost = pod("", ready=False)
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    lost["status"] = {"conditions": [condition]}
    assert wrong(pods=[lost]).what.endswith(", which no node has taken, is not Ready: 0/1 nodes are available")


def test_a_pod_without_a_status_is_not_ready():
    bare = {"metadata": {"name": "x"}, "spec": {"nodeName": "lb-1"}}
    assert wrong(pods=[bare]).what == "the daemon's pod x on lb-1 is not Ready"


def test_a_node_that_is_away_is_no_fault_of_the_installation():
    away = pod("lb-2", ready=False, container={"ready": True, "state": {"running": {}}})
    found = verdict(pods=[pod("lb-1"), away], configs=[config("lb-1")])
    assert found.wrong == ()
    assert found.remarks == ("lb-2: the node does not report, so nothing is known of its daemon",)


@pytest.mark.parametrize(
    ("configs", "words"),
    [
        ([], "there is no NodeConfig"),
        ([config("lb-2")], "there is no NodeConfig"),
        ([config(observed=None)], "has never reported"),
        ([config(generation=4, observed=3)], "runs generation 3 of its NodeConfig, not 4"),
    ],
)
def test_a_daemon_that_does_not_run_the_newest_is_wrong(configs, words):
    finding = wrong(pods=[pod()], configs=configs)
    assert finding.what.startswith("lb-1: ")
    assert words in finding.what
    assert "logs" in finding.remedy


def test_what_a_daemon_says_of_its_configuration_is_a_remark():
    said = [
        {"instance": "web-0", "path": "spec.instances[0].interface", "message": "no eth9"},
        {"instance": "", "path": "status", "message": "a Secret is missing"},
    ]
    found = verdict(pods=[pod()], configs=[config(problems=said)])
    assert found.wrong == ()
    assert found.remarks == ("lb-1: web-0: no eth9", "lb-1: a Secret is missing")


def test_a_lease_that_is_seen_to_be_renewed_is_a_leaders():
    leadership = Leadership(PLACE)
    first = leadership.see(lease("1"), 100.0)
    assert isinstance(first, Finding)
    assert "was not seen to renew" in first.what
    assert leadership.see(lease("2"), 102.0) == "op-1"
    assert leadership.see(lease("2"), 116.9) == "op-1"
    assert isinstance(leadership.see(lease("2"), 117.1), Finding)
    assert leadership.see(lease("3"), 118.0) == "op-1"


def test_another_who_takes_it_leads():
    leadership = Leadership(PLACE)
    leadership.see(lease("1", "dead"), 0.0)
    assert leadership.see(lease("2", "op-2"), 1.0) == "op-2"


def test_a_lease_that_was_given_back_is_nobodys():
    leadership = Leadership(PLACE)
    leadership.see(lease("1"), 0.0)
    finding = leadership.see(lease("2", ""), 1.0)
    assert isinstance(finding, Finding)
    assert "gave the Lease mooring-system/mooring-operator back" in finding.what


def test_without_a_lease_nobody_has_led():
    finding = Leadership(PLACE).see(None, 0.0)
    assert isinstance(finding, Finding)
    assert "no operator has led yet" in finding.what
    assert "logs deployment/mooring-operator" in finding.remedy
