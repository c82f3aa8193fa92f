"""What a VirtualServer and what a node runs of it have in common; words are the kernel's and keepalived's."""

from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field

from mooring_api.duration import Duration
from mooring_api.health_check import Port, ScriptFile
from mooring_api.wire import Integer, PlainAddress, Rule, Wire, duration

Weight = Annotated[Integer, Field(ge=0, le=65535)]
FirewallMark = Annotated[Integer, Field(ge=1, le=0x7FFFFFFF)]
#: CEL has no bit operations. The bits are those of kube-proxy's --iptables-masquerade-bit and of kubelet's drop mark.
MARK_IS_FREE = "!has(self.firewallMark) || self.firewallMark / 16384 % 4 == 0"
MARK_IS_NOT_FREE = "kube-proxy masquerades and drops by the bits 0x4000 and 0x8000; take a mark without them"


def is_free(mark: int | None) -> bool:
    """Whether a firewall mark has neither of the bits that kube-proxy uses."""
    return mark is None or not mark & 0xC000


Connections = Annotated[Integer, Field(ge=0, le=0x7FFFFFFF)]


class Protocol(StrEnum):
    """What is balanced."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Scheduler(StrEnum):
    """Which backend gets a new connection: the kernel's ip_vs_* modules by name."""

    RR = "rr"
    WRR = "wrr"
    LC = "lc"
    WLC = "wlc"
    LBLC = "lblc"
    LBLCR = "lblcr"
    SH = "sh"
    MH = "mh"
    DH = "dh"
    SED = "sed"
    NQ = "nq"
    FO = "fo"
    OVF = "ovf"
    TWOS = "twos"


class SchedulerFlag(StrEnum):
    """What sh and mh know: to fall back to another backend, and to hash the client's port too."""

    FALLBACK = "Fallback"
    PORT = "Port"


class Forwarding(StrEnum):
    """How packets reach a backend."""

    NAT = "NAT"
    DIRECT_ROUTE = "DirectRoute"
    TUNNEL = "Tunnel"


class TunnelType(StrEnum):
    """What packets are wrapped in."""

    IPIP = "IPIP"
    GUE = "GUE"
    GRE = "GRE"


class TunnelChecksum(StrEnum):
    """Of the outer header; GUE and GRE alone have one."""

    NONE = "None"
    CHECKSUM = "Checksum"
    REMOTE = "Remote"


class Masquerade(StrEnum):
    """Whether backends see a node's address as the client's."""

    ALWAYS = "Always"
    NEVER = "Never"


class OnFailure(StrEnum):
    """Remove: it leaves the table, and connections to it break. Inhibit: weight 0, so only new ones go elsewhere."""

    REMOVE = "Remove"
    INHIBIT = "Inhibit"


class OnQuorum(StrEnum):
    """What becomes of a sorry server once there is a quorum: the same as OnFailure of a backend that failed."""

    REMOVE = "Remove"
    INHIBIT = "Inhibit"


class InitialState(StrEnum):
    """What a backend is taken for until its first check is done. Down is keepalived's alpha mode."""

    UP = "Up"
    DOWN = "Down"


class OnEnd(StrEnum):
    """Whether the end of the daemon is told as the end of each backend and quorum; keepalived's omega mode."""

    QUIET = "Quiet"
    NOTIFY = "Notify"


class ChecksOn(StrEnum):
    """Which of the nodes check. Holder is keepalived's ha_suspend."""

    ALL_CANDIDATES = "AllCandidates"
    HOLDER = "Holder"


class ServerEvent(StrEnum):
    """What a VirtualServer tells."""

    BACKEND_UP = "BackendUp"
    BACKEND_DOWN = "BackendDown"
    QUORUM_UP = "QuorumUp"
    QUORUM_DOWN = "QuorumDown"


class ConnectionLimits(Wire):
    """A backend gets no new connections from `upper` on, until it has fewer than `lower`."""

    upper: Connections = 0
    """0: no limit; keepalived's uthreshold."""
    lower: Connections = 0
    """0: three quarters of upper; keepalived's lthreshold."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.upper == 0 || self.lower <= self.upper",
            message="lower is at most upper; correct one of the two",
            holds=lambda c: c.upper == 0 or c.lower <= c.upper,
            path="lower",
        ),
    )


class PersistenceEngine(StrEnum):
    """What tells that connections belong together: the kernel's ip_vs_pe_* modules."""

    SIP = "SIP"


class Persistence(Wire):
    """A client goes to the same backend again for a while."""

    timeout: Annotated[Duration, duration("1s", "720h", step="1s")] = Duration.of(s=300)
    """So long after its last connection."""
    prefix_length_ipv4: Annotated[Integer, Field(ge=1, le=32)] = Field(default=32, alias="prefixLengthIPv4")
    """Clients of one prefix count as one."""
    prefix_length_ipv6: Annotated[Integer, Field(ge=1, le=128)] = Field(default=128, alias="prefixLengthIPv6")
    """The same for IPv6."""
    engine: PersistenceEngine | None = None
    """SIP: datagrams of one Call-ID go to one backend, whoever sends them; UDP alone. Left out: a client's address."""


class Tunnel(Wire):
    """What packets to the backends are wrapped in."""

    type: TunnelType = TunnelType.IPIP
    """IPIP: IP in IP. GUE: in UDP. GRE: with a header of its own."""
    port: Port | None = None
    """GUE's UDP port at the backends."""
    checksum: TunnelChecksum = TunnelChecksum.NONE
    """Of the outer header."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.type == 'GUE') == has(self.port)",
            message="GUE needs a port, and the others have none; write it, or remove it",
            holds=lambda t: (t.type is TunnelType.GUE) == (t.port is not None),
            path="port",
        ),
        Rule(
            cel="self.checksum == 'None' || self.type == 'GUE' || (self.type == 'GRE' && self.checksum == 'Checksum')",
            message="IPIP has no checksum, and GRE none that is remote; set checksum: None",
            holds=lambda t: (
                t.checksum is TunnelChecksum.NONE
                or t.type is TunnelType.GUE
                or (t.type is TunnelType.GRE and t.checksum is TunnelChecksum.CHECKSUM)
            ),
            path="checksum",
        ),
    )


class Quorum(Wire):
    """How much weight of healthy backends it takes; below it the sorry server answers."""

    up: Annotated[Integer, Field(ge=1, le=1_000_000)] = 1
    """So much weight in all makes a quorum; with weight 1 each: so many backends."""
    hysteresis: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """It is gained at up + hysteresis and lost below up - hysteresis."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.hysteresis < self.up",
            message="hysteresis is less than up, or a quorum would never be lost; correct one of the two",
            holds=lambda q: q.hysteresis < q.up,
            path="hysteresis",
        ),
    )


class SorryServer(Wire):
    """Who answers while there is no quorum."""

    address: PlainAddress
    """Its address."""
    port: Port | None = None
    """Left out: the VirtualServer's own port."""
    forwarding: Forwarding | None = None
    """Left out: the VirtualServer's."""
    on_quorum: OnQuorum = OnQuorum.REMOVE
    """Inhibit: with a quorum it stays with weight 0, so that its connections do not break; sorry_server_inhibit."""


class ServerNotification(Wire):
    """A program that is run on the node when something happens to a backend or the quorum.

    Its arguments are followed by the event, the VirtualServer, and for a backend its address and port.
    """

    on: Annotated[tuple[ServerEvent, ...], Field(min_length=1, max_length=4)]
    """The events that it is run for."""
    script: ScriptFile
    """What is run."""
    timeout: Annotated[Duration, duration("100ms", "10m")] = Duration.of(s=30)
    """It is ended after so long."""


Text: TypeAlias = Annotated[str, Field(max_length=512)]
