"""What a pod's containers need, fetched and kept."""

from pathlib import Path

import pytest
from tests.unit.lab.kubelet.fake_client import FakeClient
from tests.unit.lab.kubelet.pods import NODE, container, pod

from mooring_kube.errors import Forbidden, Unreachable
from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.provision import Provisioner
from mooring_lab.kubelet.volumes import PodFolder

POD = pod(
    container(envFrom=[{"secretRef": {"name": "keys", "optional": True}}]),
    volumes=[{"name": "v", "configMap": {"name": "files"}}, {"name": "e", "emptyDir": {}}],
)


@pytest.fixture
def provisioner(client: FakeClient, tmp_path: Path) -> Provisioner:
    client.objects["shop", "files"] = {"metadata": {"name": "files"}, "data": {"a": "1"}}
    return Provisioner(client, NODE, PodFolder(tmp_path))  # type: ignore[arg-type]


def test_volumes_are_made_and_facts_given(provisioner: Provisioner, client: FakeClient, tmp_path: Path) -> None:
    facts = provisioner.prepare(POD)
    assert client.read == ["ConfigMap/files", "Secret/keys"]
    assert facts.data("ConfigMap", "files") == {"a": b"1"}
    assert facts.data("Secret", "keys", optional=True) == {}
    assert (tmp_path / "volumes/v/a").read_text() == "1"
    assert (tmp_path / "volumes/e").is_dir()


def test_what_changes_is_brought_up_to_date(provisioner: Provisioner, client: FakeClient, tmp_path: Path) -> None:
    provisioner.prepare(POD)
    client.objects["shop", "files"]["data"] = {"a": "2"}
    provisioner.renew(POD)
    assert (tmp_path / "volumes/v/a").read_text() == "2"


def test_what_was_read_before_is_good_enough_while_nobody_answers(provisioner: Provisioner, client: FakeClient) -> None:
    client.deaf = Unreachable("no")
    with pytest.raises(Unreachable):
        provisioner.prepare(POD)
    client.deaf = None
    provisioner.prepare(POD)
    client.deaf, client.read = Unreachable("no"), []
    assert provisioner.prepare(POD).data("ConfigMap", "files") == {"a": b"1"}
    assert client.read == ["ConfigMap/files"], "nobody answers: the others are not asked"


def test_an_answer_that_refuses_is_heard(provisioner: Provisioner, client: FakeClient) -> None:
    provisioner.prepare(POD)
    client.deaf = Forbidden(403, "Forbidden", "no")
    with pytest.raises(Forbidden):
        provisioner.renew(POD)
    client.deaf = None
    del client.objects["shop", "files"]
    with pytest.raises(CannotRun, match="files"):
        provisioner.renew(POD)
