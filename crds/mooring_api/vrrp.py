"""The VRRP settings that a VirtualIP and an instance share; words are keepalived's and RFC 9568's."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring_api.duration import Duration
from mooring_api.wire import Integer, Rule, Wire, duration

#: Version 3 counts centiseconds in 12 bits, version 2 whole seconds in 8 (RFC 9568 5.2.7, RFC 3768 5.3.7).
AdvertisementInterval = Annotated[Duration, duration("10ms", "255s", step="10ms")]
V3_LONGEST_INTERVAL = Duration.parse("40950ms")
V2_INTERVAL_STEP = Duration.parse("1s")


class Family(StrEnum):
    """IP family of an instance."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class TransportType(StrEnum):
    """Unicast: to each peer. Multicast: to a group."""

    UNICAST = "Unicast"
    MULTICAST = "Multicast"


class PreemptionMode(StrEnum):
    """Whether a higher priority takes the role from a live router."""

    ALWAYS = "Always"
    NEVER = "Never"


class Checksum(StrEnum):
    """The version 3 checksum over IPv4: keepalived and FRR add a pseudo-header, RFC 9568 5.2.8 does not."""

    WITH_PSEUDO_HEADER = "WithPseudoHeader"
    WITHOUT_PSEUDO_HEADER = "WithoutPseudoHeader"


class OnStop(StrEnum):
    """What a stop of the daemon does with its addresses."""

    RELEASE = "Release"
    KEEP = "Keep"


class Preemption(Wire):
    """Whether a node takes the role back from a live Active router of lower priority, and after how long."""

    mode: PreemptionMode = PreemptionMode.ALWAYS
    """Always: the higher priority takes the role back. Never: who has it keeps it."""
    delay: Annotated[Duration, duration("0s", "1000s")] = Duration(0)
    """Counts from the first advert that could have been preempted."""


class Announcements(Wire):
    """Gratuitous ARP (request and reply) and unsolicited neighbour advertisements, for each address."""

    count: Annotated[Integer, Field(ge=1, le=100)] = 5
    """How often each address is announced when it is taken; keepalived's garp_master_repeat."""
    spread: Annotated[Duration, duration("0s", "10s")] = Duration.of(ms=200)
    """They are spread over this time, so that a late ARP reply of the leaver does not win."""
    delay: Annotated[Duration, duration("0s", "1000s")] = Duration.of(s=5)
    """When they are announced once more, again `count` times; 0s: never. keepalived's garp_master_delay."""
    interval: Annotated[Duration, duration("0s", "1s")] = Duration(0)
    """The least time between two announcements; keepalived's garp_interval and gna_interval."""
    refresh: Annotated[Duration, duration("0s", "86400s")] = Duration(0)
    """How often a held address is announced again; 0s: never. keepalived's garp_master_refresh."""
    refresh_count: Annotated[Integer, Field(ge=1, le=100)] = 1
    """How often each address is announced at a refresh."""


class FlapDamping(Wire):
    """A node that took the role too often does not preempt for a while; it still succeeds a silent Active."""

    transitions: Annotated[Integer, Field(ge=2, le=1000)] = 6
    """So many takings of the role within `window` start the hold-down."""
    window: Annotated[Duration, duration("1s", "3600s")] = Duration.of(s=60)
    """The time in which the takings are counted."""
    hold_down: Annotated[Duration, duration("0s", "3600s")] = Duration.of(s=30)
    """So long a damped node does not preempt; 0s turns damping off."""


def intervals_fit(version: int, interval: Duration) -> bool:
    """Version 2 advertises whole seconds, version 3 at most 40.95 s."""
    return interval % V2_INTERVAL_STEP == 0 if version == 2 else interval <= V3_LONGEST_INTERVAL


INTERVAL_RULE = Rule(
    cel="self.version == 2 ? duration(self.advertisementInterval).getMilliseconds() % 1000 == 0"
    " : duration(self.advertisementInterval) <= duration('40950ms')",
    message="version 2 takes whole seconds (1s to 255s), version 3 10ms to 40950ms; change the interval or the version",
    holds=lambda spec: intervals_fit(spec.version, spec.advertisement_interval),
    path="advertisementInterval",
)

PASSWORD_RULE = Rule(
    cel="!has(self.authentication) || self.version == 2",
    message="a password needs version 2 (RFC 9568 has none); set version: 2 or remove it",
    holds=lambda spec: spec.authentication is None or spec.version == 2,
    path="authentication",
)
