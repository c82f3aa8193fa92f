"""`mooring-operator verify` waits until all is well, or tells what is not, and ends in time."""

import io

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import Forbidden, NotFound, Unreachable
from mooring_operator.main import main
from mooring_operator.verdict import KINDS, Place
from mooring_operator.verify import Verifier

DISCOVERY = "/apis/mooring.dev/v1alpha1"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/here/leases/op"
PODS = "/api/v1/namespaces/here/pods"
CONFIGS = "/apis/mooring.dev/v1alpha1/nodeconfigs"


class Cluster(Client):
    """Answers by path; an exception is raised."""

    def __init__(self):
        super().__init__(Connection("http://192.0.2.1"))
        self.asked = []
        self.now = 0.0
        self.renews = True
        self.answers = {
            DISCOVERY: {"resources": [{"name": kind} for kind in KINDS]},
            LEASE: {"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": "op-1"}},
            PODS: {"items": [pod("lb-1")]},
            CONFIGS: {"items": [config("lb-1")]},
        }

    def request(self, method, path, *, query=None, **written):
        assert method == "GET"
        assert not written
        self.asked.append((path, query))
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        if path == LEASE and self.renews:
            answer["metadata"]["resourceVersion"] = str(self.now)
        return answer

    def sleep(self, seconds):
        self.now += seconds


def pod(node):
    conditions = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": f"p-{node}"}, "spec": {"nodeName": node}, "status": {"conditions": conditions}}


def config(node, observed=1):
    head = {"metadata": {"name": node, "generation": 1}, "spec": {"instances": ["much"]}}
    return head | {"status": {"observedGeneration": observed}}


@pytest.fixture
def cluster():
    return Cluster()


def verify(cluster, timeout_s=30.0):
    """Whether all was well, and what was said."""
    output = io.StringIO()
    place = Place("here", "op", "app=daemon")
    verifier = Verifier(cluster, place, output, now=lambda: cluster.now, sleep=cluster.sleep)
    return verifier.run(timeout_s), output.getvalue().splitlines()


def test_all_is_well_at_the_first_renewal(cluster):
    well, said = verify(cluster)
    assert well
    assert said[0] == "wait  op-1 has the Lease here/op and was not seen to renew it"
    assert said[-1] == "ok    lb-1: its daemon runs generation 1"
    assert cluster.now < 5


def test_only_the_daemons_pods_are_asked_for(cluster):
    verify(cluster)
    assert {query["labelSelector"] for path, query in cluster.asked if path == PODS} == {"app=daemon"}


def test_a_leader_that_does_not_renew_fails_it_when_the_time_is_up(cluster):
    cluster.renews = False
    well, said = verify(cluster, 20.0)
    assert not well
    assert said[-2].startswith("FAIL  op-1 has the Lease here/op")
    assert "kubectl -n here" in said[-1]
    assert cluster.now == pytest.approx(20.0)


def test_what_is_waited_for_is_said_once(cluster):
    cluster.answers[CONFIGS] = {"items": []}
    ready_at = 5.0

    def sleep(seconds):
        cluster.now += seconds
        if cluster.now >= ready_at:
            cluster.answers[CONFIGS] = {"items": [config("lb-1")]}

    cluster.sleep = sleep
    well, said = verify(cluster)
    assert well
    assert [line for line in said if "there is no NodeConfig" in line] == [said[1]]
    assert said[1].startswith("wait  lb-1: ")


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        (DISCOVERY, NotFound(404, "NotFound", "no"), "does not know virtualips, virtualservers, nodeconfigs"),
        (LEASE, NotFound(404, "NotFound", "no"), "no operator has led yet"),
        (LEASE, Forbidden(403, "Forbidden", "leases op is forbidden"), "a right is missing: leases op is forbidden"),
        (PODS, Forbidden(403, "Forbidden", "pods is forbidden"), "a right is missing: pods is forbidden"),
        (PODS, Unreachable("timed out"), "the API server at http://192.0.2.1: timed out"),
    ],
)
def test_what_is_refused_or_not_answered_is_told(cluster, path, error, words):
    cluster.answers[path] = error
    well, said = verify(cluster, 3.0)
    assert not well
    assert any(line.startswith("FAIL") and words in line for line in said)


def test_no_time_is_one_look(cluster):
    well, said = verify(cluster, 0.0)
    assert not well
    assert len([path for path, _ in cluster.asked if path == PODS]) == 1
    assert said[-2].startswith("FAIL")


def test_exit_codes(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["verify"]) == 3
    assert main(["verify", "--kubeconfig", str(tmp_path / "none")]) == 3
    with pytest.raises(SystemExit) as left:
        main(["verify", "--timeout", "soon"])
    assert left.value.code == 2
    assert main(["verify", "--namespace", "a b"]) == 2
    monkeypatch.setattr(Verifier, "run", lambda _self, timeout_s: timeout_s == 60.0)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setattr("mooring_kube.connection.find", lambda _file: Connection("http://192.0.2.1"))
    assert main(["verify"]) == 0
    assert main(["verify", "--timeout", "1s"]) == 1
    capsys.readouterr()
