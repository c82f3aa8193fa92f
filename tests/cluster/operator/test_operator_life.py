"""The operator's process: killed, started twice, stopped in the middle, cut off from its API server."""

import contextlib
import json
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cluster.operator.scenery import SOON_S, Cluster, Daemons, Document, addresses_of

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import KubeError, NotFound
from mooring_kube.resources import LEASES, NODE_CONFIGS, SERVICE_ACCOUNTS, VIRTUAL_IPS
from mooring_lab.api import NAMESPACE
from mooring_lab.api.real import RealApi
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster

#: A lease that is found empty soon.
BRIEF = ("--lease-duration", "4s", "--renew-deadline", "3s", "--retry-period", "500ms")
LEASE_LOST = 7
DOCS = Path(__file__).parents[3] / "docs"


def test_killed_and_started_again_it_writes_nothing(cluster: Cluster) -> None:
    names = [f"n{i}" for i in range(1, 7)]
    cluster.add_nodes(names)
    first = cluster.leader(*BRIEF)
    with Daemons(cluster.client, addresses_of(names)).running():
        for number in range(4):
            cluster.apply(f"vip-{number}", f"10.0.0.{100 + number}/8")
        for number in range(4):
            cluster.wait_for(f"vip-{number}", "Programmed")
            cluster.wait_for(f"vip-{number}", "Held")
        wait_until(first.settled, SOON_S, "the operator to settle")
        first.end(signal.SIGKILL)
        configs, statuses = cluster.versions(NODE_CONFIGS), cluster.versions(VIRTUAL_IPS)
        second = cluster.leader(*BRIEF)
        # Its own watches have begun, and the lists that follow them.
        wait_until(
            lambda: second.metric("mooring_operator_lists_total", kind="NodeConfig") >= 2, SOON_S, "the second lists"
        )
        wait_until(second.settled, SOON_S, "the operator to settle")
        assert cluster.versions(NODE_CONFIGS) == configs
        assert cluster.versions(VIRTUAL_IPS) == statuses
        assert second.metric("mooring_operator_writes_total") == 0


def test_of_two_one_leads_and_the_other_takes_over_when_it_ends(cluster: Cluster) -> None:
    cluster.add_nodes(["n1", "n2"])
    first = cluster.leader()
    second = cluster.operator()
    wait_until(lambda: second.ask("/readyz")[0] == 200 and "standing by" in second.log.read_text(), SOON_S, "standby")
    assert not second.leads()
    assert second.metric("mooring_operator_objects") == 0
    began = time.monotonic()
    assert first.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10.0
    assert cluster.client.get(LEASES, "mooring-operator", NAMESPACE)["spec"]["holderIdentity"] == "" or second.leads()
    wait_until(second.leads, SOON_S, "the second to lead", every=0.05)
    # Far below the 15 s that it would wait for one who says nothing.
    assert time.monotonic() - began < 10.0
    wait_until(second.settled, SOON_S, "the second to settle")
    assert second.metric("mooring_operator_writes_total") == 0


def test_the_second_takes_over_from_one_that_was_killed_when_the_lease_has_run_out(cluster: Cluster) -> None:
    cluster.add_nodes(["n1"])
    first = cluster.leader(*BRIEF)
    second = cluster.operator(*BRIEF)
    wait_until(lambda: "standing by" in second.log.read_text(), SOON_S, "the second to stand by")
    first.end(signal.SIGKILL)
    wait_until(second.settled, SOON_S, "the second to lead")
    transitions = cluster.client.get(LEASES, "mooring-operator", NAMESPACE)["spec"]["leaseTransitions"]
    assert transitions == 2


def test_a_lease_that_is_deleted_is_made_anew_by_who_leads(cluster: Cluster) -> None:
    cluster.add_nodes(["n1"])
    first = cluster.leader()
    second = cluster.operator()
    wait_until(lambda: "standing by" in second.log.read_text(), SOON_S, "the second to stand by")
    before = cluster.client.get(LEASES, "mooring-operator", NAMESPACE)
    cluster.client.delete(LEASES, "mooring-operator", NAMESPACE)
    wait_until(lambda: _lease(cluster), SOON_S, "the lease to be made anew", every=0.05)
    after = _lease(cluster)
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["holderIdentity"] == before["spec"]["holderIdentity"]
    assert first.leads()
    assert not second.leads()


def _lease(cluster: Cluster) -> Document:
    """Empty while there is none."""
    try:
        return cluster.client.get(LEASES, "mooring-operator", NAMESPACE)
    except NotFound:
        return {}


def test_a_leader_that_was_frozen_in_the_middle_of_its_writes_writes_nothing_when_it_wakes(cluster: Cluster) -> None:
    names = [f"n{i}" for i in range(1, 301)]
    cluster.add_nodes(names)
    first = cluster.operator(*BRIEF)
    wait_until(lambda: _writes(first.log.read_text()), SOON_S, "the first write", every=0.001)
    first.send(signal.SIGSTOP)
    frozen_at = len(cluster.generations())
    assert 0 < frozen_at < len(names)
    second = cluster.operator(*BRIEF)
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        wait_until(second.settled, SOON_S, "the second to lead")
        cluster.wait_for("web")
        wait_until(lambda: second.settled() and cluster.confirmed(), SOON_S, "the second and all nodes to settle")
        before = cluster.versions()
        assert set(before) == set(names)
        first.send(signal.SIGCONT)
        assert first.wait() == LEASE_LOST
        assert "the lease is lost" in first.log.read_text()
        wait_until(second.settled, SOON_S, "the second to settle")
        assert cluster.versions() == before


def _writes(log: str) -> list[str]:
    return [line for line in log.splitlines() if " create NodeConfig/" in line or " apply NodeConfig/" in line]


def test_the_api_server_goes_and_comes_back(cluster: Cluster, real_api: RealApi) -> None:
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    operator = cluster.leader("--lease-duration", "2m", "--renew-deadline", "100s")
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web", "Held")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        before = cluster.versions(NODE_CONFIGS)
        real_api.kill_server()
        wait_until(lambda: operator.ask("/readyz")[0] == 503, SOON_S, "the operator to notice")
        assert operator.ask("/healthz")[0] == 200
        real_api.restart_server()
        wait_until(operator.settled, SOON_S, "the operator to be ready again")
        assert cluster.versions(NODE_CONFIGS) == before
        cluster.apply("web", "10.0.0.100/8", "10.0.0.101/8")
        cluster.wait_for("web", "Programmed")
    assert operator.leads()


def test_etcd_is_paused_for_half_a_minute(cluster: Cluster, real_api: RealApi) -> None:
    """Longer than the leader may be without a renewal: it ends itself, and its successor changes nothing."""
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    operator = cluster.leader()
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web", "Held")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        before = cluster.generations()
        real_api.pause_etcd()
        try:
            assert operator.wait() == LEASE_LOST
            again = cluster.operator()
            # The whole pause is what is tested.
            time.sleep(max(0.0, 30.0 - 15.0))
        finally:
            real_api.resume_etcd()
        wait_until(again.settled, SOON_S, "the next one to lead")
        assert cluster.generations() == before
        cluster.apply("web", "10.0.0.101/8")
        cluster.wait_for("web", "Programmed")


def test_it_ends_though_the_api_server_hangs(cluster: Cluster, real_api: RealApi) -> None:
    cluster.add_nodes(["n1"])
    operator = cluster.leader()
    real_api.pause_etcd()
    try:
        cluster_change = threading.Thread(target=lambda: _try(lambda: cluster.apply("web", "10.0.0.100/8")))
        cluster_change.start()
        began = time.monotonic()
        assert operator.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 8.0
    finally:
        real_api.resume_etcd()
        cluster_change.join(SOON_S)
    # The lease could not be given back; it runs out.
    cluster.leader()


def _try(action: Callable[[], object]) -> None:
    with contextlib.suppress(KubeError):
        action()


def test_a_token_that_is_no_longer_good_is_read_anew(cluster: Cluster, real_api: RealApi, tmp_path: Path) -> None:
    """By our requests and by kopf: kubelet replaces the file before the token expires, or after it was revoked."""
    names = ["n1", "n2"]
    cluster.add_nodes(names)
    token = tmp_path / "token"
    token.write_text(real_api.token("mooring-operator"))
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"tokenFile": str(token)}
    cluster.kubeconfig.write_text(yaml.safe_dump(config))
    operator = cluster.leader("--lease-duration", "3m", "--renew-deadline", "2m")
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web")
        # Its account is made anew, so the token that it has is nobody's any more.
        account = cluster.client.get(SERVICE_ACCOUNTS, "mooring-operator", NAMESPACE)
        cluster.client.delete(SERVICE_ACCOUNTS, "mooring-operator", NAMESPACE)
        metadata = {"name": "mooring-operator", "namespace": NAMESPACE}
        cluster.client.create(SERVICE_ACCOUNTS, account | {"metadata": metadata}, NAMESPACE)
        # Watches that are open would go on with the old one.
        real_api.restart_server()
        wait_until(lambda: "Unauthorized" in operator.ask("/readyz")[1], SOON_S, "the token to be refused")
        token.write_text(real_api.token("mooring-operator"))
        wait_until(operator.settled, SOON_S, "the operator to be ready again")
        heard = operator.metric("mooring_operator_events_received_total", kind="VirtualIP")
        cluster.apply("web", "10.0.0.101/8")
        cluster.wait_for("web")
        wait_until(
            lambda: operator.metric("mooring_operator_events_received_total", kind="VirtualIP") > heard,
            SOON_S,
            "kopf's watch to hear again",
        )
    assert operator.leads()


def test_what_vanished_while_nobody_watched_is_noticed(cluster: Cluster, real_api: RealApi) -> None:
    """A watch that is torn and whose place etcd has forgotten begins anew; its lists tell nothing of what is gone."""
    names = ["n1", "n2", "n3"]
    cluster.add_nodes(names)
    operator = cluster.leader("--lease-duration", "2m", "--renew-deadline", "100s")
    with Daemons(cluster.client, addresses_of(names)).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web", "Held")
        wait_until(operator.settled, SOON_S, "the operator to settle")
        operator.send(signal.SIGSTOP)
        cluster.client.delete(VIRTUAL_IPS, "web")
        real_api.compact_etcd()
        # Its connections break with the server, and the versions that it would go on from are gone.
        real_api.restart_server()
        operator.send(signal.SIGCONT)
        wait_until(lambda: all(not cluster.instances(name) for name in names), SOON_S, "the addresses to be withdrawn")


def test_without_the_definitions_it_waits_and_says_what_to_do(own_api: RealApi, cluster: Cluster) -> None:
    cluster.kubeconfig = own_api.kubeconfig
    operator = cluster.operator()
    wait_until(lambda: "kubectl apply -f crds/" in operator.ask("/readyz")[1], SOON_S, "the complaint")
    assert "kubectl apply -f crds/" in operator.log.read_text()
    assert operator.ask("/healthz")[0] == 200
    assert operator.end() == 0


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ("virtualips/status", "patch virtualips.mooring.dev --subresource=status"),
        ("virtualservers/status", "patch virtualservers.mooring.dev --subresource=status"),
        ("endpointslices", "list endpointslices.discovery.k8s.io"),
        ("namespaces", "watch namespaces"),
    ],
)
def test_without_a_right_it_waits_and_names_it(cluster: Cluster, real_api: RealApi, resource: str, named: str) -> None:
    admin = Client(from_kubeconfig(real_api.kubeconfig))
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/mooring-operator"
    role = admin.request("GET", path)
    rules = [rule for rule in role["rules"] if resource not in rule["resources"]]
    try:
        admin.request("PUT", path, body=role | {"rules": rules})
        operator = cluster.operator()
        wait_until(
            lambda: named in operator.ask("/readyz")[1],
            SOON_S,
            "the missing right to be named",
        )
        role["metadata"].pop("resourceVersion")
        admin.request("PUT", path, body=role)
        wait_until(operator.settled, SOON_S, "the operator to lead once it may")
    finally:
        role["metadata"].pop("resourceVersion", None)
        admin.request("PUT", path, body=role)
        admin.close()


def test_each_line_of_its_log_says_what_it_is_about(cluster: Cluster) -> None:
    """A life with writes, a bad object, a second operator and an end, in JSON."""
    fields = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "logs.md").read_text(encoding="utf-8"), re.MULTILINE))
    cluster.add_nodes(["n1", "n2"])
    first = cluster.leader("--log-format", "json")
    second = cluster.operator("--log-format", "json")
    with Daemons(cluster.client, addresses_of(["n1", "n2"])).running():
        cluster.apply("web", "10.0.0.100/8")
        cluster.wait_for("web", "Held")
        cluster.balance("web", virtual_ip="nothing")
        wait_until(lambda: first.metric("mooring_operator_plan_problems") > 0, SOON_S, "the problem")
        wait_until(lambda: "standing by" in second.log.read_text(), SOON_S, "standby")
        assert first.metric("mooring_operator_group_holders", virtual_ip="web", group="web-0") == 1
        assert first.metric("mooring_operator_condition", object="web", condition="Held") == 1
        first.end()
        wait_until(second.settled, SOON_S, "the second to lead")
        second.end()
    kinds = set()
    for operator in (first, second):
        for line in operator.log.read_text().splitlines():
            entry = json.loads(line)
            assert entry.keys() >= {"time", "level", "component", "kind", "name", "message"}, line
            assert entry.keys() <= fields, line
            assert all(isinstance(value, str) and value for value in entry.values()), line
            kinds.add(entry["kind"])
    assert kinds >= {"Operator", "Lease", "NodeConfig", "VirtualIP", "VirtualServer"}
