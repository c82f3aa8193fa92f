"""What a pod's document says."""

import pytest
from tests.unit.lab.kubelet.pods import container, pod

from mooring_lab.kubelet import document
from mooring_lab.kubelet.document import PodKey


@pytest.mark.parametrize(
    ("asked", "wished", "expected"),
    [(None, None, 30), (None, 7, 7), (3, 7, 3), (0, 7, 7), (0, 0, 1), (None, 0, 1), (60, 7, 60)],
)
def test_grace(asked: int | None, wished: int | None, expected: float) -> None:
    found = pod() if wished is None else pod(terminationGracePeriodSeconds=wished)
    if asked is not None:
        found["metadata"] |= {"deletionTimestamp": "x", "deletionGracePeriodSeconds": asked}
    assert document.grace_s(found) == expected
    assert document.is_deleted(found) == (asked is not None)


def test_references_are_those_of_environment_and_volumes() -> None:
    env = [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "D", "value": "x"},
    ]
    sources = [{"configMapRef": {"name": "c2"}}, {"secretRef": {"name": "s2"}}]
    volumes = [
        {"name": "1", "configMap": {"name": "c3"}},
        {"name": "2", "secret": {"secretName": "s3"}},
        {"name": "3", "projected": {"sources": [{"configMap": {"name": "c4"}}, {"secret": {"name": "s4"}}]}},
        {"name": "4", "emptyDir": {}},
    ]
    found = document.references(
        pod(container(env=env), initContainers=[container("i", envFrom=sources)], volumes=volumes)
    )
    assert found == {
        (kind, f"{kind[0].lower()}{number}") for kind in ("ConfigMap", "Secret") for number in (1, 2, 3, 4)
    }


def test_containers_by_name() -> None:
    found = pod(container("a"), initContainers=[container("b")])
    assert document.container(found, "b")["name"] == "b"
    with pytest.raises(KeyError):
        document.container(found, "c")
    assert PodKey.of(found) == PodKey("shop", "web", "u-1")


def test_the_container_is_heard_before_the_pod() -> None:
    main = container(securityContext={"runAsUser": 0})
    found = pod(main, securityContext={"runAsUser": 5, "runAsGroup": 6})
    assert document.security(found, main, "runAsUser") == 0
    assert document.security(found, main, "runAsGroup") == 6
    assert document.security(found, main, "runAsNonRoot") is None
