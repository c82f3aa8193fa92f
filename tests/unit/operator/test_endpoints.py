"""EndpointSlices as Kubernetes means them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator import serving

from mooring_api.balancing import Protocol
from mooring_api.vrrp import Family
from mooring_operator.plan.endpoints import EndpointSlice, EndpointState, SlicePort, endpoint_slice, service_of

READY, DRAINING, NOT_READY = EndpointState.READY, EndpointState.DRAINING, EndpointState.NOT_READY


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ({}, READY),
        ({"ready": None}, READY),
        ({"ready": True}, READY),
        ({"ready": True, "serving": True, "terminating": False}, READY),
        # publishNotReadyAddresses: ready whatever happens.
        ({"ready": True, "serving": False, "terminating": True}, READY),
        ({"ready": False}, NOT_READY),
        ({"ready": False, "serving": True}, NOT_READY),
        ({"ready": False, "terminating": True}, NOT_READY),
        ({"ready": False, "serving": None, "terminating": True}, NOT_READY),
        ({"ready": False, "serving": False, "terminating": True}, NOT_READY),
        ({"ready": False, "serving": True, "terminating": True}, DRAINING),
        ({"ready": False, "serving": True, "terminating": None}, NOT_READY),
    ],
)
def test_conditions_and_what_is_left_out_of_them(conditions, state):
    document = serving.endpoint_slice("shop/shop", [{"addresses": ["10.244.0.1"], "conditions": conditions}])
    (endpoint,) = endpoint_slice(document).endpoints
    assert endpoint.state is state


def test_what_a_slice_says_of_its_endpoints():
    endpoint = serving.endpoint("10.244.0.1", node="n-1", zone="a", pod="shop-1")
    endpoint["addresses"].append("10.244.0.9")
    ports = [{"port": 53, "protocol": "UDP"}, {"name": "any", "port": None}, {"name": "x", "port": 1, "protocol": "X"}]
    found = endpoint_slice(serving.endpoint_slice("shop/shop", [endpoint], ports))
    assert found.family is Family.IPV4
    assert found.ports == (SlicePort("", Protocol.UDP, 53), SlicePort("any", Protocol.TCP, None))
    assert found.endpoints == (("10.244.0.1", READY, "n-1", "a", "shop-1"),)


def test_names_of_hosts_are_no_endpoints():
    assert endpoint_slice(serving.endpoint_slice("shop/shop", ["10.244.0.1"], addressType="FQDN")) is None


def test_a_slice_belongs_to_the_service_of_its_label():
    document = serving.endpoint_slice("shop/shop", [])
    assert service_of(document) == "shop/shop"
    document["metadata"]["labels"] = None
    assert service_of(document) is None


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("ports", "endpoints", "metadata"), NONSENSE)))
def test_whatever_stands_there_it_is_read(document):
    assert isinstance(endpoint_slice({"addressType": "IPv6", **document}), EndpointSlice)


@given(NONSENSE, NONSENSE)
def test_whatever_an_endpoint_or_a_port_is(endpoint, port):
    document = {"addressType": "IPv4", "ports": [port], "endpoints": [endpoint, {"addresses": [endpoint]}]}
    assert endpoint_slice(document) is not None
