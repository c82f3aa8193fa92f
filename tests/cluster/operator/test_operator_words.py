"""What a person reads of a VirtualIP with kubectl: its line, its conditions, and what happened to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.operator.scenery import SOON_S, Cluster, Daemons, addresses_of

from mooring_kube.resources import EVENTS, VIRTUAL_IPS
from mooring_lab.api.kubectl import VERSIONS, Kubectl
from mooring_lab.api.real import RealApi
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.cluster
NAMES = ("n1", "n2", "n3")
PREFERRED = {"preferred": [{"node": "n2"}, {"node": "n1"}]}


@pytest.fixture
def daemons(cluster: Cluster) -> Iterator[Daemons]:
    """Three nodes, and `web` held by the second one."""
    cluster.add_nodes(NAMES)
    cluster.leader()
    with Daemons(cluster.client, addresses_of(NAMES)).running() as found:
        cluster.apply("web", "10.0.0.100/8", "10.0.0.101/8", nodes=PREFERRED)
        cluster.wait_for("web", "Programmed")
        cluster.wait_for("web", "Held")
        yield found


@pytest.fixture
def kubectls(real_api: RealApi, tmp_path: Path) -> list[Kubectl]:
    """All that people have, from Debian's of 2021 to the newest."""
    return [Kubectl(real_api.kubeconfig, tmp_path / f"home-{version}", version) for version in VERSIONS]


def line(kubectl: Kubectl) -> dict[str, str]:
    """The table of `kubectl get vip web`: column to what stands in it."""
    done = kubectl("get", "vip", "web")
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    return dict(zip(head.split(), row.split(), strict=True))


@pytest.mark.usefixtures("daemons")
def test_a_line_of_the_table_says_who_holds_it(kubectl: Kubectl) -> None:
    shown = line(kubectl)
    assert list(shown) == ["NAME", "ADDRESSES", "HOLDERS", "HELD", "SINCE", "ACCEPTED", "PLAN", "AGE"]
    assert shown | {"SINCE": "", "AGE": ""} == {
        "NAME": "web",
        "ADDRESSES": "2",
        "HOLDERS": "n2(2)",
        "HELD": "True",
        "SINCE": "",
        "ACCEPTED": "True",
        "PLAN": "Programmed",
        "AGE": "",
    }


def events(kubectl: Kubectl) -> str:
    """What `kubectl describe vip web` shows of them."""
    return kubectl("describe", "vip", "web").stdout.partition("Events:")[2]


def test_a_change_of_holder_is_shown_and_told(
    cluster: Cluster, daemons: Daemons, kubectl: Kubectl, kubectls: list[Kubectl]
) -> None:
    # The node is lost: its last word stays Active, and its Node is Ready for some time.
    daemons.silent.add("n2")
    daemons.speak("n1")
    wait_until(lambda: line(kubectl)["HOLDERS"] == "n1(2)", SOON_S, "the new holder in the table", every=0.05)
    (group,) = cluster.client.get(VIRTUAL_IPS, "web")["status"]["groups"]
    assert [past["node"] for past in group["superseded"]] == ["n2"]
    words = "n1 holds web-0, before it n2"
    for each in kubectls:
        wait_until(lambda of=each: words in events(of), SOON_S, "the event", every=0.05)
        row = next(row.split() for row in events(each).splitlines() if words in row)
        assert row[:2] == ["Normal", "HolderChanged"]
        assert "mooring-operator" in row
    # It was cut off and is back: the other lets go.
    daemons.silent.discard("n2")
    daemons.speak("n1")
    wait_until(lambda: line(kubectl)["HOLDERS"] == "n2(2)", SOON_S, "the first choice to hold it again", every=0.05)


@pytest.mark.usefixtures("daemons")
def test_a_pause_is_seen_in_the_table_and_its_end_is_told(cluster: Cluster, kubectl: Kubectl) -> None:
    assert kubectl("annotate", "vip", "web", "mooring.dev/paused=true").returncode == 0
    wait_until(lambda: line(kubectl)["PLAN"] == "Paused", SOON_S, "Paused in the table", every=0.05)
    cluster.apply("web", "10.0.0.100/8", annotations={"mooring.dev/paused": "true"}, nodes=PREFERRED)
    waited = kubectl("wait", "vip/web", "--for=condition=Programmed=False", f"--timeout={SOON_S:g}s")
    assert waited.returncode == 0, waited.stderr
    status = cluster.client.get(VIRTUAL_IPS, "web")["status"]
    assert (status["observedGeneration"], len(status["groups"][0]["addresses"])) == (1, 2)
    assert line(kubectl)["HELD"] == "True"
    assert kubectl("annotate", "vip", "web", "mooring.dev/paused-").returncode == 0
    cluster.wait_for("web", "Programmed")
    assert line(kubectl)["HOLDERS"] == "n2(1)"

    def reasons() -> set[str]:
        listed = cluster.client.list(EVENTS, "default", field_selector="involvedObject.name=web").items
        uid = cluster.client.get(VIRTUAL_IPS, "web")["metadata"]["uid"]
        return {each["reason"] for each in listed if each["involvedObject"]["uid"] == uid}

    wait_until(lambda: reasons() >= {"Paused", "Resumed", "Programmed"}, SOON_S, f"the events; {reasons()}", every=0.05)
