"""The environment and the downward API."""

import base64

import pytest
from tests.unit.lab.kubelet.pods import NODE, Document, container, facts, pod

from mooring_lab.kubelet.environment import environment, field
from mooring_lab.kubelet.facts import CannotRun

KEYS = {"data": {"word": base64.b64encode(b"sesame").decode()}}
SETTINGS = {"data": {"colour": "blue"}, "binaryData": {"raw": base64.b64encode(b"\xff").decode()}}


def read(*env: Document, **fields: object) -> dict[str, str]:
    main = container(env=list(env), **fields)
    return environment(pod(main), main, facts(c_settings=SETTINGS, s_keys=KEYS), {"PATH": "/bin"})


def test_the_image_and_the_cluster_come_first() -> None:
    assert read() == {
        "PATH": "/bin",
        "HOSTNAME": "lb-1",
        "KUBERNETES_SERVICE_HOST": "192.168.77.254",
        "KUBERNETES_SERVICE_PORT": "6443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "6443",
    }


def test_later_ones_win_and_see_only_earlier_ones() -> None:
    found = read(
        {"name": "EARLY", "value": "$(LATE)"},
        {"name": "LATE", "value": "x"},
        {"name": "PATH", "value": "/mine"},
        {"name": "SUM", "value": "$(LATE)$(PATH)$(KUBERNETES_SERVICE_PORT)"},
        {"name": "LATE", "value": "$(LATE)y"},
        {"name": "EMPTY"},
    )
    assert (found["EARLY"], found["LATE"], found["PATH"]) == ("$(LATE)", "xy", "/mine")
    assert (found["SUM"], found["EMPTY"]) == ("x/mine6443", "")


def test_the_images_own_variables_are_not_for_expansion() -> None:
    """As kubelet, which does not know them."""
    assert read({"name": "X", "value": "$(PATH)"})["X"] == "$(PATH)"


def test_whole_objects() -> None:
    sources = [{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "keys"}}]
    found = read(
        {"name": "colour", "value": "red"}, envFrom=[*sources, {"configMapRef": {"name": "no", "optional": True}}]
    )
    assert (found["colour"], found["S_word"]) == ("red", "sesame")
    assert found["raw"].encode("utf-8", "surrogateescape") == b"\xff"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "x"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "keys", "key": "x"}}, "couldn't find key x in Secret shop/keys"),
        ({"fieldRef": {"fieldPath": "status.phase"}}, "status.phase"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "resourceFieldRef"),
    ],
)
def test_what_is_missing_is_named(source: Document, said: str) -> None:
    with pytest.raises(CannotRun, match=said) as error:
        read({"name": "X", "valueFrom": source})
    assert error.value.reason == "CreateContainerConfigError"


def test_what_is_optional_may_be_missing() -> None:
    for source in ({"name": "no", "key": "x"}, {"name": "settings", "key": "x"}):
        assert "X" not in read({"name": "X", "valueFrom": {"configMapKeyRef": source | {"optional": True}}})


def test_a_secret_that_is_no_base64_is_the_pods_trouble() -> None:
    main = container(env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "bad", "key": "k"}}}])
    with pytest.raises(CannotRun, match="secret bad"):
        environment(pod(main), main, facts(s_bad={"data": {"k": "!"}}), {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="web"'),
        ("spec.serviceAccountName", "default"),
        ("status.podIPs", "10.0.0.18,fd00:10::18"),
    ],
)
def test_fields(path: str, expected: str) -> None:
    assert field(pod(), path, NODE) == expected


def test_annotations_are_quoted() -> None:
    document = pod()
    document["metadata"]["annotations"] = {"b": 'say "x"\nand \\', "a": "1"}
    assert field(document, "metadata.annotations", NODE) == 'a="1"\nb="say \\"x\\"\\nand \\\\"'
