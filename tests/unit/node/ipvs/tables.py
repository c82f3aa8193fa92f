"""Tables for tests, by hand and by chance."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from mooring_node.ipvs.table import (
    SCTP,
    TCP,
    UDP,
    Balanced,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    TunnelFlag,
    TunnelKind,
)

WEB = ServiceKey(4, TCP, "192.0.2.1", 80)
DNS = ServiceKey(4, UDP, "192.0.2.1", 53)
WEB6 = ServiceKey(6, TCP, "2001:db8::1", 80)
MAIL = ServiceKey(4, TCP, "192.0.2.2", 25)
MARK = ServiceKey(4, mark=7)
ONE, TWO, THREE = (DestinationKey(f"10.0.0.{last}", 8080) for last in (1, 2, 3))


def balanced(*destinations: DestinationKey, weight: int = 1, scheduler: str = "rr") -> Balanced:
    """A service with destinations that are alike."""
    return Balanced(Service(scheduler), {each: Destination(weight) for each in destinations})


# Few of each kind, so that two tables by chance have much in common.
_PORTS = st.sampled_from((80, 443, 65535))
_KEYS = st.one_of(
    st.builds(
        ServiceKey, st.just(4), st.sampled_from((TCP, UDP, SCTP)), st.sampled_from(("192.0.2.1", "192.0.2.2")), _PORTS
    ),
    st.builds(ServiceKey, st.just(6), st.sampled_from((TCP, UDP, SCTP)), st.sampled_from(("2001:db8::1",)), _PORTS),
    st.builds(
        lambda family, mark: ServiceKey(family, mark=mark), st.sampled_from((4, 6)), st.sampled_from((1, 1 << 30))
    ),
)
_FLAGS = st.sampled_from(
    (
        ServiceFlag.NONE,
        ServiceFlag.PERSISTENT,
        ServiceFlag.SCHEDULER_1,
        ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2,
        ServiceFlag.PERSISTENT | ServiceFlag.SCHEDULER_3,
        ServiceFlag.ONE_PACKET,
    )
)
_LIMITS = st.sampled_from(((0, 0), (100, 0), (100, 50), (0x7FFFFFFF, 0x7FFFFFFF)))
_WAYS = st.one_of(
    st.tuples(st.sampled_from((Method.MASQUERADE, Method.DIRECT_ROUTE)), st.just(TunnelKind.IPIP), st.just(0)),
    st.tuples(st.just(Method.TUNNEL), st.sampled_from((TunnelKind.IPIP, TunnelKind.GRE)), st.just(0)),
    st.tuples(st.just(Method.TUNNEL), st.just(TunnelKind.GUE), st.sampled_from((6080, 65535))),
)
WEIGHTS = st.sampled_from((0, 1, 2, 65535))


@st.composite
def services(draw: st.DrawFn, key: ServiceKey, schedulers: tuple[str, ...] = ("rr", "wlc", "sh", "mh")) -> Service:
    """A service that this key may have."""
    return Service(
        draw(st.sampled_from(schedulers)),
        draw(_FLAGS),
        draw(st.sampled_from((1, 300))),
        draw(st.sampled_from((1, 24, 32) if key.family == 4 else (1, 64, 128))),
    )


@st.composite
def destinations(draw: st.DrawFn) -> Destination:
    """What a destination gets, and how."""
    upper, lower = draw(_LIMITS)
    method, tunnel, port = draw(_WAYS)
    flags = draw(st.sampled_from(tuple(TunnelFlag))) if tunnel is not TunnelKind.IPIP else TunnelFlag.NONE
    return Destination(draw(WEIGHTS), method, upper, lower, tunnel, port, flags)


@st.composite
def tables(
    draw: st.DrawFn, schedulers: tuple[str, ...] = ("rr", "wlc", "sh", "mh"), most: int = 5
) -> dict[ServiceKey, Balanced]:
    """A table, whose destinations are of their service's family."""
    made = {}
    for key in draw(st.sets(_KEYS, max_size=most)):
        start = int(IPv4Address("10.0.0.1")) if key.family == 4 else int(IPv6Address("fd00::1"))
        kind = IPv4Address if key.family == 4 else IPv6Address
        names = draw(st.sets(st.tuples(st.integers(0, 4), st.sampled_from((80, 8080))), max_size=4))
        made[key] = Balanced(
            draw(services(key, schedulers)),
            {DestinationKey(str(kind(start + offset)), port): draw(destinations()) for offset, port in sorted(names)},
        )
    return made
