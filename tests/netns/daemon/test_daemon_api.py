"""Daemons whose NodeConfigs are in an API server: what it says is run, and what becomes of it moves no address.

No operator runs here: the tests write NodeConfigs themselves. `MOORING_TEST_API=real` runs them on kube-apiserver.
"""

import base64
import contextlib
import os
import signal
import time
from datetime import datetime

import pytest

from mooring_kube.errors import NotFound
from mooring_kube.resources import NODE_CONFIGS, SECRETS
from mooring_lab.api import NAMESPACE
from mooring_lab.cluster import ApiKind
from mooring_lab.layout import CLUSTER

pytestmark = pytest.mark.netns

KIND = ApiKind(os.environ.get("MOORING_TEST_API", ApiKind.EMBEDDED))
ADDRESS = "10.0.0.100"
KEYED_ADDRESS = "10.0.0.110"
CANARY = "C4n4ry!"
WRITER = "a-test"


class Cluster:
    """Two nodes with daemons, and their NodeConfigs in an API server."""

    def __init__(self, bench, instance_of):
        self.bench = bench
        self.lab = bench.lab
        self.api = bench.lab.cluster.api
        self.a, self.b = bench.nodes
        self.client = bench.lab.cluster.client()
        self._instance_of = instance_of

    def write(self, node, *instances):
        """The node's NodeConfig as an operator writes it; its generation."""
        document = {"metadata": {"name": node.name}, "spec": {"instances": list(instances)}}
        written = self.client.apply(NODE_CONFIGS, document, manager=WRITER, force=True)
        return written["metadata"]["generation"]

    def forget(self, node):
        with contextlib.suppress(NotFound):
            self.client.delete(NODE_CONFIGS, node.name)

    def secret(self, name, password):
        """Its resourceVersion."""
        data = {"password": base64.b64encode(password.encode()).decode()}
        document = {"metadata": {"name": name, "namespace": NAMESPACE}, "type": "mooring.dev/credentials", "data": data}
        written = self.client.apply(SECRETS, document, manager=WRITER, force=True, namespace=NAMESPACE)
        return written["metadata"]["resourceVersion"]

    def status(self, node):
        return self.client.get(NODE_CONFIGS, node.name).get("status") or {}

    def observed(self, node):
        return self.status(node).get("observedGeneration")

    def wait_observed(self, node, generation):
        self.bench.wait(lambda: self.observed(node) == generation, f"{node.name} to confirm generation {generation}")

    def reported(self, node, name="web"):
        """What the status says of an instance."""
        return next((each for each in self.status(node).get("instances", ()) if each["name"] == name), {})

    def wait_reported(self, node, state, name="web"):
        self.bench.wait(
            lambda: self.reported(node, name).get("state") == state, f"{node.name} to report {name} as {state}"
        )

    def web(self, node, **changes):
        """An instance of both nodes."""
        other = self.b if node is self.a else self.a
        transport = {"source": node.address, "peers": [other.address]}
        return self._instance_of(**{"transport": transport, "priority": 150 if node is self.a else 100} | changes)

    def keyed(self, node, **changes):
        """One that needs a key; version 2 counts in whole seconds."""
        fields = {
            "version": 2,
            "virtualRouterID": 52,
            "advertisementInterval": "1s",
            "authentication": {"type": "Password", "secretRef": {"name": "web"}},
            "addresses": [{"address": f"{KEYED_ADDRESS}/24"}],
        }
        return self.web(node, **fields | changes) | {"name": "keyed"}

    def both(self, *makers):
        """Both nodes' NodeConfigs, from functions of the node; waits until they are confirmed."""
        written = {node: self.write(node, *(make(node) for make in makers)) for node in (self.a, self.b)}
        for node, generation in written.items():
            self.wait_observed(node, generation)

    def about(self, node):
        return (self.bench.status(node) or {}).get("agent", {}).get("api") or {}

    def heard(self, node):
        return self.about(node).get("nodeConfig", {}).get("connected")


@pytest.fixture(scope="module")
def shared(make_shared_bench):
    bench = make_shared_bench(nodes=["a", "b"], api=KIND)
    bench.lab.cluster.stop_operator()
    return bench


@pytest.fixture
def cluster(shared, instance_of):
    """Both daemons run and hold nothing; the API server answers."""
    made = Cluster(shared, instance_of)
    for node in (made.a, made.b):
        made.forget(node)
    for node in (made.a, made.b):
        made.write(node)
        if not node.daemon:
            node.start_daemon()
        made.bench.wait_held(node)
        made.bench.wait(lambda node=node: made.heard(node), f"{node.name} to hear the API server")
    yield made
    made.client.close()


def test_what_is_written_runs_and_is_reported(cluster):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    cluster.secret("web", CANARY)
    began = time.time()
    cluster.both(cluster.web, cluster.keyed)
    bench.wait_held(a, ADDRESS, KEYED_ADDRESS)
    for name in ("web", "keyed"):
        cluster.wait_reported(a, "Active", name)
        cluster.wait_reported(b, "Backup", name)
    told = cluster.reported(a)
    assert began - 1 <= datetime.fromisoformat(told["sinceTime"]).timestamp() <= time.time()
    assert (told["priority"], told["transitions"], told["reason"]) == (150, 2, "nobody else was heard")
    status = cluster.status(a)
    eth0 = next(each for each in status["interfaces"] if each["name"] == "eth0")
    assert f"{a.address}/16" in eth0["addresses"]
    assert not any(ADDRESS in each or KEYED_ADDRESS in each for each in eth0["addresses"])
    assert (eth0["mac"], eth0["carrier"]) == (a.member.mac, True)
    assert status["problems"] == []
    (key,) = status["credentials"]
    assert key["name"] == "web"
    assert key["versions"][-1] == key["current"]
    # Nobody refuses the other's password, and nobody shows it.
    heard = bench.group(b, "keyed")["lastHeard"]
    assert (heard["source"], heard["priority"]) == (a.address, 150)
    state = (a.state_dir / "keys.json").stat()
    assert state.st_mode & 0o777 == 0o600
    shown = [
        a.log,
        b.log,
        str(status),
        str(bench.status(a)),
        bench.run(a, "status", "--state-dir", str(a.state_dir)).stdout,
    ]
    assert not any(CANARY in text for text in shown)


def test_a_takeover_is_in_the_api_within_moments(cluster):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    cluster.both(cluster.web)
    cluster.wait_reported(a, "Active")
    a.fault_link()
    bench.wait_held(b, ADDRESS)
    cluster.wait_reported(b, "Active")
    cluster.wait_reported(a, "Fault")
    assert "InterfaceDown: the interface has no carrier" in cluster.reported(a)["reason"]
    a.heal()
    cluster.wait_reported(a, "Active")
    cluster.wait_reported(b, "Backup")


def test_an_instance_that_cannot_run_keeps_its_last_good_form_and_is_told(cluster):
    bench, a = cluster.bench, cluster.a
    cluster.both(cluster.web)
    bench.wait_held(a, ADDRESS)
    lacking = cluster.keyed(a, authentication={"type": "Password", "secretRef": {"name": "nobody-s"}})
    cluster.wait_observed(a, cluster.write(a, cluster.web(a, priority=160), lacking))
    (problem,) = cluster.status(a)["problems"]
    assert (problem["instance"], problem["path"]) == ("keyed", "spec.instances[1].authentication.secretRef")
    assert "kubectl -n mooring-system create secret generic nobody-s" in problem["message"]
    assert bench.a.held() == {ADDRESS}
    assert cluster.reported(a)["priority"] == 160
    # It comes: nothing has to be written again.
    cluster.secret("nobody-s", CANARY)
    bench.wait_held(a, ADDRESS, KEYED_ADDRESS)
    bench.wait(lambda: cluster.status(a)["problems"] == [], "the problem to be gone")


def test_a_nodeconfig_that_is_deleted_takes_nothing_away_and_an_empty_one_does(cluster):
    bench, a = cluster.bench, cluster.a
    cluster.both(cluster.web)
    bench.wait_held(a, ADDRESS)
    cluster.forget(a)
    bench.wait_log(a, f"NodeConfig {a.name} was deleted; the last good configuration runs")
    a.stop_daemon()
    a.start_daemon()
    bench.wait_held(a, ADDRESS)
    assert "was deleted" in a.log
    bench.wait(lambda: cluster.about(a).get("absence") == "is not there", "status to say that there is none")
    said = bench.run(a, "status", "--state-dir", str(a.state_dir)).stdout
    assert f"! NodeConfig {a.name} is not there; what runs goes on" in said
    generation = cluster.write(a)
    bench.wait_held(a)
    cluster.wait_observed(a, generation)


def test_without_the_api_server_everything_goes_on_and_when_it_is_back_nothing_moves(cluster, overlap, deletions):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    cluster.secret("web", CANARY)
    cluster.both(cluster.web, cluster.keyed)
    bench.wait_held(a, ADDRESS, KEYED_ADDRESS)
    cluster.wait_reported(a, "Active", "keyed")
    said = a.log.count("is not heard")
    cluster.api.kill_server()
    bench.wait(lambda: not cluster.heard(a) and not cluster.heard(b), "both to notice")
    # A failover without it.
    a.fault_link()
    bench.wait_held(b, ADDRESS, KEYED_ADDRESS)
    a.heal()
    bench.wait_held(a, ADDRESS, KEYED_ADDRESS)
    # A daemon that is restarted has its addresses and its keys.
    a.stop_daemon()
    bench.wait_held(b, ADDRESS, KEYED_ADDRESS)
    began = time.monotonic()
    a.start_daemon()
    bench.wait_held(a, ADDRESS, KEYED_ADDRESS)
    assert time.monotonic() - began < 15
    bench.wait_log(a, "; the last good configuration runs (2 groups, generation ")
    bench.wait_state(b, "Backup", "keyed")
    bench.wait(lambda: bench.group(b, "keyed")["lastHeard"]["source"] == a.address, "b to accept a's password")
    with overlap([a, b], ADDRESS) as web, overlap([a, b], KEYED_ADDRESS) as keyed, deletions(a) as deleted:
        cluster.api.restart_server()
        bench.wait(lambda: cluster.heard(a) and cluster.heard(b), "both to hear it again", within=40)
        cluster.wait_reported(a, "Active", "keyed")
        # What happened meanwhile is told.
        bench.wait(lambda: cluster.reported(a).get("transitions", 0) >= 2, "the status to be of now")
        cluster.wait_reported(b, "Backup", "keyed")
        # It is the client again, not only a listener: another generation runs.
        cluster.wait_observed(b, cluster.write(b, cluster.web(b, priority=90), cluster.keyed(b)))
        assert deleted.seen() == []
    assert (web.most(), keyed.most()) == (1, 1)
    assert web.seconds(0) == keyed.seconds(0) == 0
    # Once by each of the two daemons that ran on a.
    assert a.log.count("is not heard") == said + 2
    assert "is heard again, after" in a.log


def test_a_server_that_hangs_holds_up_neither_failover_nor_stop(cluster):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    cluster.both(cluster.web)
    bench.wait_held(a, ADDRESS)
    # Frozen on the way there: connections stay and are made, and nobody answers.
    way = cluster.lab.store.load().processes[CLUSTER]["forwarder"].identity
    way.send(signal.SIGSTOP)
    try:
        a.fault_link()
        bench.wait_held(b, ADDRESS)
        a.heal()
        bench.wait_held(a, ADDRESS)
        began = time.monotonic()
        a.stop_daemon()
        assert time.monotonic() - began < 15
        bench.wait_held(b, ADDRESS)
    finally:
        way.send(signal.SIGCONT)


def test_a_stop_is_the_last_that_the_api_hears(cluster):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    cluster.both(cluster.web)
    cluster.wait_reported(a, "Active")
    a.stop_daemon()
    # It has been said before the daemon ended.
    assert cluster.reported(a)["state"] == "Initialize"
    bench.wait_held(b, ADDRESS)
    cluster.wait_reported(b, "Active")


@pytest.mark.parametrize("process", ["agent", "vrrp"])
def test_a_process_that_dies_confirms_only_what_runs(cluster, process):
    bench, a = cluster.bench, cluster.a
    cluster.both(cluster.web)
    cluster.wait_reported(a, "Active")
    since = cluster.reported(a)["sinceTime"]
    restarts = bench.restarts(a, process)
    bench.kill(a, process)
    generation = cluster.write(a, cluster.web(a, priority=170))
    bench.wait(lambda: bench.restarts(a, process) > restarts, f"{process} to be started again")
    cluster.wait_observed(a, generation)
    assert bench.group(a)["priority"] == 170
    cluster.wait_reported(a, "Active")
    assert cluster.reported(a)["priority"] == 170
    if process == "agent":
        assert cluster.reported(a)["sinceTime"] == since
        assert a.held() == {ADDRESS}


def test_who_writes_our_status_is_overwritten_and_nothing_is_written_for_nothing(cluster):
    bench, a = cluster.bench, cluster.a
    cluster.both(cluster.web)
    cluster.wait_reported(a, "Active")
    right = cluster.status(a)
    liar = {"metadata": {"name": a.name}, "status": {"daemonVersion": "not ours", "observedGeneration": 999}}
    cluster.client.apply(NODE_CONFIGS, liar, manager="a-liar", force=True, subresource="status")
    bench.wait(lambda: cluster.status(a) == right, "the status to be as it was")
    version = cluster.client.get(NODE_CONFIGS, a.name)["metadata"]["resourceVersion"]
    bench.wait_log(a, "somebody else has written its status")
    looked = cluster.about(a)["statusWrites"]
    time.sleep(12)  # longer than the daemon looks for what nobody tells
    assert cluster.client.get(NODE_CONFIGS, a.name)["metadata"]["resourceVersion"] == version
    assert cluster.about(a)["statusWrites"] == looked


def test_keys_go_round_by_their_versions(cluster):
    bench, a, b = cluster.bench, cluster.a, cluster.b
    old = cluster.secret("web", CANARY)
    pinned = {"type": "Password", "secretRef": {"name": "web"}, "keyVersion": old}
    cluster.both(lambda node: cluster.keyed(node, authentication=pinned))
    bench.wait_held(a, KEYED_ADDRESS)
    new = cluster.secret("web", "an0ther")
    for node in (a, b):
        bench.wait(lambda node=node: cluster.status(node)["credentials"][0].get("current") == new, "the new state")
        assert cluster.status(node)["credentials"][0]["versions"][-2:] == [old, new]
    # The old one is in use on both until the configuration says otherwise, also when the Secret goes.
    cluster.client.delete(SECRETS, "web", NAMESPACE)
    bench.wait(lambda: cluster.status(a)["problems"], "the deletion to be told")
    (problem,) = cluster.status(a)["problems"]
    assert problem["path"] == "status"
    assert "Secret mooring-system/web was deleted" in problem["message"]
    heard = bench.group(b, "keyed")["members"][0]["advertsReceived"]
    bench.wait(lambda: bench.group(b, "keyed")["members"][0]["advertsReceived"] > heard + 2, "adverts to be accepted")
    assert a.held() == {KEYED_ADDRESS}
