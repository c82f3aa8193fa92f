"""Built-in objects as protobuf, and the OpenAPI document that kubectl reads so."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_lab.api.embedded import kinds, openapi, protobuf
from mooring_lab.api.embedded.errors import StatusError
from mooring_lab.api.embedded.protobuf import MAGIC, message

RESOLVED = kinds.resolved()
SECRET, POD = RESOLVED["io.k8s.api.core.v1.Secret"], RESOLVED["io.k8s.api.core.v1.Pod"]
#: What kubectl 1.37 sent for `create namespace foo`.
NAMESPACE = bytes.fromhex(
    "6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a001a002200"
)


def _object(version: str, kind: str, *fields: tuple[int, Any]) -> bytes:
    return MAGIC + message((1, message((1, version), (2, kind))), (2, message(*fields)))


def test_what_kubectl_sends_is_read() -> None:
    read = protobuf.read(RESOLVED["io.k8s.api.core.v1.Namespace"], NAMESPACE)
    assert read == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "foo", "generation": 0},
        "spec": {},
        "status": {},
    }


def test_maps_bytes_and_booleans() -> None:
    data = [message((1, "a"), (2, b"\x00\xff")), message((1, "empty"))]
    meta = message((1, "s"), (11, message((1, "l"), (2, "v"))), (14, "f1"), (14, "f2"))
    read = protobuf.read(SECRET, _object("v1", "Secret", (1, meta), *((2, entry) for entry in data), (5, True)))
    assert read["data"] == {"a": base64.b64encode(b"\x00\xff").decode(), "empty": ""}
    assert read["metadata"] == {"name": "s", "labels": {"l": "v"}, "finalizers": ["f1", "f2"]}
    assert read["immutable"] is True


def test_times_quantities_ports_and_negative_numbers() -> None:
    number = {name: below["x-number"] for name, below in POD["properties"].items() if "x-number" in below}
    spec = {name: below.get("x-number") for name, below in POD["properties"]["spec"]["properties"].items()}
    container = RESOLVED["io.k8s.api.core.v1.Container"]["properties"]
    action = RESOLVED["io.k8s.api.core.v1.HTTPGetAction"]["properties"]
    handler = RESOLVED["io.k8s.api.core.v1.LifecycleHandler"]["properties"]["httpGet"]["x-number"]
    hooks = RESOLVED["io.k8s.api.core.v1.Lifecycle"]["properties"]
    ports = [message((action["port"]["x-number"], message(*one))) for one in (((1, 1), (3, "http")), ((2, 80),))]
    names = ("postStart", "preStop")
    parts = [(hooks[name]["x-number"], message((handler, port))) for name, port in zip(names, ports, strict=True)]
    limits = message((1, message((1, "cpu"), (2, message((1, "100m"))))))
    numbers = [container[name]["x-number"] for name in ("resources", "lifecycle")]
    body = message((1, "c"), (numbers[0], limits), (numbers[1], message(*parts)))
    start = message((1, 1_700_000_000), (2, 5_000))
    read = protobuf.read(
        POD,
        _object(
            "v1",
            "Pod",
            (number["metadata"], message((8, start))),
            (number["spec"], message((spec["containers"], body), (spec["activeDeadlineSeconds"], (1 << 64) - 5))),
        ),
    )
    assert read["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20.000005Z"
    assert read["spec"]["activeDeadlineSeconds"] == -5
    (one,) = read["spec"]["containers"]
    assert one["resources"] == {"limits": {"cpu": "100m"}}
    assert [one["lifecycle"][name]["httpGet"]["port"] for name in names] == ["http", 80]


def test_fields_that_nobody_knows_are_left_out() -> None:
    read = protobuf.read(SECRET, _object("v1", "Secret", (1, message((1, "s"))), (999, "x"), (998, 5), (997, 1.5)))
    assert read == {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}


@given(st.binary(max_size=80) | st.integers(0, len(NAMESPACE)).map(lambda end: NAMESPACE[:end]))
def test_broken_bytes_are_a_bad_request(data: bytes) -> None:
    for schema in (SECRET, POD):
        try:
            protobuf.read(schema, data)
        except StatusError as refused:
            assert refused.code == 400  # noqa: PT017


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 1 << 64 - 1) | st.text() | st.binary() | st.floats())))
def test_any_message_is_read_or_refused(fields: list[tuple[int, Any]]) -> None:
    data = _object("v1", "Pod", *fields)
    try:
        protobuf.read(POD, data)
    except StatusError as refused:
        assert refused.code == 400  # noqa: PT017


def _decoded(data: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for number, value in protobuf._fields(data):
        found.setdefault(number, []).append(value)
    return found


def test_the_openapi_document_says_the_same_as_protobuf() -> None:
    """kubectl itself is the judge of the whole (tests/cluster); this is that nothing is lost."""
    document = openapi.version_2([kind for kind in kinds.builtin() if kind.columns])
    found = _decoded(protobuf.gnostic(document))
    assert found[1] == [b"2.0"]
    names = [_decoded(one)[1][0].decode() for one in _decoded(found[9][0])[1]]
    assert names == list(document["definitions"])
    paths = [_decoded(one)[1][0].decode() for one in _decoded(found[8][0])[2]]
    assert paths == list(document["paths"])
    secret = next(
        _decoded(one)[2][0] for one in _decoded(found[9][0])[1] if _decoded(one)[1] == [b"io.k8s.api.core.v1.Secret"]
    )
    fields = [_decoded(one)[1][0].decode() for one in _decoded(_decoded(secret)[25][0])[1]]
    assert fields == list(document["definitions"]["io.k8s.api.core.v1.Secret"]["properties"])


@pytest.mark.parametrize("version", [2, 3])
def test_documents_refer_to_what_they_hold(version: int) -> None:
    known = [kind for kind in kinds.builtin() if kind.columns]
    document = openapi.version_2(known) if version == 2 else openapi.version_3(known)
    prefix = "#/definitions/" if version == 2 else "#/components/schemas/"
    names = document["definitions"] if version == 2 else document["components"]["schemas"]
    seen = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                seen.add(node["$ref"])
                assert version == 2 or len(node) == 1
            for below in node.values():
                walk(below)
        elif isinstance(node, list):
            for below in node:
                walk(below)

    walk(document)
    assert seen
    assert {name.removeprefix(prefix) for name in seen} <= names.keys()
