"""What others tell: the status has it as the contract's models would, and leaves out what they refuse."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from mooring_api.nodeconfig_status import ForeignRouter, KubeProxyReport, VirtualServerReport
from mooring_api.virtualserver_status import MAX_LISTED_BACKENDS, BackendStatus
from mooring_api.wire import Wire, wire_name
from mooring_node.agent import hearsay
from mooring_node.agent.server_report import MOST_LISTED

Document = dict[str, Any]
Reader = Callable[[object], Document | None]

ROUTER: Document = {"interface": "eth0", "virtualRouterID": 51, "source": "10.0.0.9", "priority": 100, "version": 3}
BACKEND: Document = {"address": "10.9.0.1", "port": 0, "state": "Up"}
SERVER: Document = {"name": "web", "family": "IPv6", "quorum": False}
KUBE_PROXY: Document = {"mode": "IPVS"}

NUMBERS = (-1, 0, 1, 255, 256, 10**20, 1.5, True, False)
WORDS = ("IPv4", "IPv6", "ipv4", "Up", "Down", "Draining", "up", "IPTables", "IPVS", "NFTables", "Userspace")
NAMES = ("", "1", "eth0", "bond0.7", "x" * 15, "x" * 16, "a b", "a/b", "a:b", "bücke", "eth0\n")
ADDRESSES = ("10.0.0.9", "10.0.0.09", "10.0.0.9/24", "FE80:0::9%eth0", "::ffff:1.2.3.4", "ff02::12", "::")
ZONES = tuple("fe80::1%" + "z" * length for length in (0, 54, 55))
#: The last is half of a pair of surrogates, as JSON can write it.
TEXTS = (*WORDS, *NAMES, *ADDRESSES, *ZONES, "\ud800")
VALUES = (None, *NUMBERS, *TEXTS, [], {}, [None], ["x"], [{}], [BACKEND])


def varied(model: type[Wire], good: Document) -> Iterator[Document]:
    """The good one, without each of its fields, and with each of the values in each field."""
    yield good
    yield from ({name: value for name, value in good.items() if name != left_out} for left_out in good)
    for field in (*map(wire_name, model.model_fields), "more"):
        yield from (good | {field: value} for value in VALUES)


def as_the_model_has_it(model: type[Wire], told: Document) -> str | None:
    """Its JSON; None: the model refuses it, also where text only looks like a number."""
    try:
        read = model.model_validate_json(json.dumps(told), strict=True, by_alias=True, by_name=False)
    except ValidationError:
        return None
    return json.dumps(read.to_wire())


@pytest.mark.parametrize(
    ("reader", "model", "good"),
    [
        (hearsay.foreign_router, ForeignRouter, ROUTER),
        (hearsay.server, VirtualServerReport, SERVER),
        (hearsay.kube_proxy, KubeProxyReport, KUBE_PROXY),
    ],
)
def test_it_is_told_as_the_model_would_tell_it_or_not_at_all(reader: Reader, model: type[Wire], good: Document) -> None:
    for told in varied(model, good):
        found = reader(told)
        assert (None if found is None else json.dumps(found)) == as_the_model_has_it(model, told), told


def test_so_is_each_backend_of_a_server() -> None:
    for backend in varied(BackendStatus, BACKEND):
        told = SERVER | {"backends": [BACKEND, backend]}
        found = hearsay.server(told)
        assert (None if found is None else json.dumps(found)) == as_the_model_has_it(VirtualServerReport, told), told


def test_what_fits_is_told_with_what_was_left_out() -> None:
    assert hearsay.foreign_router(ROUTER | {"source": "FE80:0::9%eth0"}) == ROUTER | {"source": "fe80::9%eth0"}
    assert hearsay.server(SERVER | {"backends": [BACKEND | {"host": None}]}) == {
        **SERVER,
        "sorry": False,
        "up": 0,
        "down": 0,
        "draining": 0,
        "backends": [BACKEND],
    }
    assert hearsay.kube_proxy(KUBE_PROXY) == {"mode": "IPVS", "removesServices": False, "answersArp": False}


@pytest.mark.parametrize("reader", [hearsay.foreign_router, hearsay.server, hearsay.kube_proxy])
@pytest.mark.parametrize("told", [None, [], "x", 7, {}])
def test_what_is_no_object_is_not_told(reader: Reader, told: object) -> None:
    assert reader(told) is None


def test_of_more_backends_than_a_status_lists_nothing_is_told() -> None:
    assert MOST_LISTED == MAX_LISTED_BACKENDS
    assert hearsay.server(SERVER | {"backends": [BACKEND] * MOST_LISTED}) is not None
    assert hearsay.server(SERVER | {"backends": [BACKEND] * (MOST_LISTED + 1)}) is None
