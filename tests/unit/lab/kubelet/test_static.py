"""Manifests as kubelet makes pods of them."""

import pytest

from mooring_lab.kubelet.static import is_manifest, is_static, static_pod

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {mine: "1"}}
spec: {containers: [{name: c, image: i}]}
"""


def test_a_pod_of_a_file_is_its_node_s() -> None:
    pod = static_pod(POD, "lb-1")
    assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == ("web-lb-1", "default")
    assert pod["spec"]["nodeName"] == "lb-1"
    assert pod["metadata"]["annotations"]["mine"] == "1"
    assert is_static(pod)
    assert not is_static({"metadata": {}})


def test_another_text_is_another_pod_and_the_same_is_the_same() -> None:
    uid = static_pod(POD, "lb-1")["metadata"]["uid"]
    assert static_pod(POD + "# a comment\n", "lb-1")["metadata"]["uid"] == uid
    assert static_pod(POD.replace("image: i", "image: j"), "lb-1")["metadata"]["uid"] != uid
    assert static_pod(POD, "lb-2")["metadata"]["uid"] != uid


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("kind: Pod", "kind: Service"), "not a Pod"),
        (("{name: web,", "{"), "must have a name"),
        (("containers: [{name: c, image: i}]", ""), "must have a name and containers"),
        (("spec: {", "spec: {serviceAccountName: a, "), "a service account"),
        (("image: i", "image: i, envFrom: [{secretRef: {name: s}}]"), "Secret s"),
        (("spec: {", "spec: {volumes: [{name: v, projected: {sources: []}}], "), "a volume"),
        (("apiVersion", ": ["), "not YAML"),
    ],
)
def test_what_kubelet_refuses(change: tuple[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        static_pod(POD.replace(*change), "lb-1")


def test_which_files_are_manifests() -> None:
    names = ("a.yaml", "b.yml", "c.json", ".a.yaml.swp", "a.yaml~", ".hidden.yaml", "README.md")
    assert [name for name in names if is_manifest(name)] == ["a.yaml", "b.yml", "c.json"]
