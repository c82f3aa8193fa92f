"""The files of volumes."""

import base64

import pytest
from tests.unit.lab.kubelet.pods import Document, container, facts, pod

from mooring_lab.kubelet.facts import CannotRun
from mooring_lab.kubelet.payload import File, TokenWish, files, token_wishes

FILES = {"data": {"a": "A", "b": "B"}}
KEYS = {"data": {"k": base64.b64encode(b"\x00\x01").decode()}}
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
API_ACCESS = {
    "name": "kube-api-access",
    "projected": {
        "defaultMode": 0o644,
        "sources": [
            TOKEN,
            {"configMap": {"name": "files", "items": [{"key": "a", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ],
    },
}
HELD = {TokenWish("", 3607): "t0ken"}


def made(volume: Document, document: Document | None = None) -> tuple[File, ...]:
    return files(document or pod(), {"name": "v"} | volume, facts(c_files=FILES, s_keys=KEYS), HELD)


def test_all_keys_or_those_that_are_named() -> None:
    assert made({"configMap": {"name": "files"}}) == (File("a", b"A", 0o644), File("b", b"B", 0o644))
    items = [{"key": "b", "path": "deep/er", "mode": 0o400}]
    assert made({"configMap": {"name": "files", "items": items, "defaultMode": 0o600}}) == (
        File("deep/er", b"B", 0o400),
    )
    assert made({"secret": {"secretName": "keys", "defaultMode": 0o440}}) == (File("k", b"\x00\x01", 0o440),)


def test_what_the_api_server_mounts_into_every_pod() -> None:
    assert made(API_ACCESS) == (
        File("ca.crt", b"A", 0o644),
        File("namespace", b"shop", 0o644),
        File("token", b"t0ken", 0o644),
    )


def test_a_token_belongs_to_the_one_user_of_the_pod() -> None:
    document = pod(container(), securityContext={"runAsUser": 1000})
    assert made(API_ACCESS, document)[2] == File("token", b"t0ken", 0o600, 1000)
    two = pod(container("a", securityContext={"runAsUser": 1}), container("b", securityContext={"runAsUser": 2}))
    assert made(API_ACCESS, two)[2] == File("token", b"t0ken", 0o644)


def test_fs_group_may_read_everything() -> None:
    document = pod(container(), securityContext={"fsGroup": 77})
    assert made(API_ACCESS, document)[2] == File("token", b"t0ken", 0o640, None, 77)
    assert made({"secret": {"secretName": "keys", "defaultMode": 0o400}}, document) == (
        File("k", b"\x00\x01", 0o440, None, 77),
    )


def test_wishes_for_tokens() -> None:
    short = {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 60}}
    document = pod(
        volumes=[API_ACCESS, {"name": "x", "projected": {"sources": [short]}}, {"name": "e", "emptyDir": {}}]
    )
    assert token_wishes(document) == {TokenWish("", 3607), TokenWish("vault", 600)}


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        ({"configMap": {"name": "files", "items": [{"key": "z", "path": "z"}]}}, "non-existent key: z"),
        (
            {"downwardAPI": {"items": [{"path": "x", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
            "resourceFieldRef",
        ),
    ],
)
def test_what_is_missing_is_named(volume: Document, said: str) -> None:
    with pytest.raises(CannotRun, match=said) as error:
        made(volume)
    assert error.value.reason == "FailedMount"


def test_what_is_optional_may_be_missing() -> None:
    assert made({"configMap": {"name": "no", "optional": True}}) == ()
    items = [{"key": "z", "path": "z"}, {"key": "a", "path": "a"}]
    assert made({"configMap": {"name": "files", "items": items, "optional": True}}) == (File("a", b"A", 0o644),)
