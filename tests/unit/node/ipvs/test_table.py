"""What of a service and a destination means anything."""

import pytest
from tests.unit.node.ipvs.tables import WEB, WEB6

from mooring_node.ipvs.table import (
    Destination,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
    effective_destination,
    effective_service,
)

BOTH_SUMS = TunnelFlag.CHECKSUM | TunnelFlag.REMOTE_CHECKSUM


@pytest.mark.parametrize(("key", "bits"), [(WEB, 32), (WEB6, 128), (ServiceKey(6, mark=1), 128)])
def test_without_persistence_neither_prefix_nor_time_means_anything(key: ServiceKey, bits: int) -> None:
    assert effective_service(key, Service("rr", ServiceFlag.HASHED, 300, 24)) == Service("rr", netmask_bits=bits)


def test_with_persistence_both_do() -> None:
    service = Service("rr", ServiceFlag.PERSISTENT, 300, 24)
    assert effective_service(WEB, service) is service
    hashed = Service("rr", ServiceFlag.PERSISTENT | ServiceFlag.HASHED, 300, 24)
    assert effective_service(WEB, hashed) == service


@pytest.mark.parametrize(
    ("method", "kind", "expected"),
    [
        (Method.MASQUERADE, TunnelKind.GUE, Destination(1)),
        (Method.DIRECT_ROUTE, TunnelKind.GRE, Destination(1, Method.DIRECT_ROUTE)),
        (Method.TUNNEL, TunnelKind.IPIP, Destination(1, Method.TUNNEL)),
        (
            Method.TUNNEL,
            TunnelKind.GRE,
            Destination(1, Method.TUNNEL, tunnel=TunnelKind.GRE, tunnel_flags=TunnelFlag.CHECKSUM),
        ),
        (
            Method.TUNNEL,
            TunnelKind.GUE,
            Destination(1, Method.TUNNEL, tunnel=TunnelKind.GUE, tunnel_port=6080, tunnel_flags=BOTH_SUMS),
        ),
    ],
)
def test_of_a_tunnel_what_its_kind_has(method: Method, kind: TunnelKind, expected: Destination) -> None:
    said = Destination(1, method, tunnel=kind, tunnel_port=6080, tunnel_flags=BOTH_SUMS)
    assert effective_destination(said) == expected
    assert effective_destination(expected) is expected
