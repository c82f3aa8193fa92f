"""What is checked and how: frozen, complete, standard library only. Times in nanoseconds."""

from dataclasses import dataclass
from typing import TypeAlias

from mooring_node.units import SECOND_NS


@dataclass(frozen=True, slots=True)
class TCPProbe:
    """A connection that is accepted."""


@dataclass(frozen=True, slots=True)
class RequestConfig:
    """One request over HTTP. `statuses` are ranges, both ends included; `digest` is (algorithm, hex).

    With `pattern_is_bad` a body that `body_pattern` is found in is bad, instead of one that it is not found in.
    """

    path: str = "/"
    statuses: tuple[tuple[int, int], ...] = ((200, 299),)
    virtual_host: str | None = None
    digest: tuple[str, str] | None = None
    body_pattern: str | None = None
    pattern_is_bad: bool = False


@dataclass(frozen=True, slots=True)
class HTTPProbe:
    """Requests one after the other. With `tls` None in the clear."""

    requests: tuple[RequestConfig, ...] = (RequestConfig(),)
    tls: "TLSConfig | None" = None


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """`server_name` is sent as SNI; with `verify` the certificate must be valid for it."""

    server_name: str | None = None
    verify: bool = False
    authorities: str | None = None


@dataclass(frozen=True, slots=True)
class SMTPProbe:
    helo_name: str = "mooring"


@dataclass(frozen=True, slots=True)
class ScriptProbe:
    """`file` is a name in the daemon's folder of scripts."""

    file: str
    arguments: tuple[str, ...] = ()
    dynamic_weight: bool = False


@dataclass(frozen=True, slots=True)
class DNSProbe:
    name: str = "."
    type: str = "SOA"


@dataclass(frozen=True, slots=True)
class UDPProbe:
    """Bytes as hexadecimal text, "" for none."""

    payload: str = "00"
    require_reply: bool = False
    reply: str = ""
    reply_mask: str = ""
    minimum_reply_bytes: int = 0
    maximum_reply_bytes: int = 65507


@dataclass(frozen=True, slots=True)
class PingProbe:
    payload_bytes: int = 56


Probe: TypeAlias = TCPProbe | HTTPProbe | SMTPProbe | ScriptProbe | DNSProbe | UDPProbe | PingProbe


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """One health check as it is done of every backend. Meanings: mooring_api.health_check.HealthCheck."""

    probe: Probe
    interval_ns: int = 5 * SECOND_NS
    interval_down_ns: int = 5 * SECOND_NS
    timeout_ns: int = 3 * SECOND_NS
    retries: int = 1
    delay_before_retry_ns: int = SECOND_NS
    warmup_ns: int = 5 * SECOND_NS
    rise: int = 1
    fall: int = 1
    connect_address: str | None = None
    connect_port: int | None = None
    bind_address: str | None = None
    bind_port: int | None = None
    firewall_mark: int | None = None
    bind_interface: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One check of one backend: equal targets are checked once, whoever asks. The name of a check is not part of it.

    `address` and `port` are the backend's own, also where the check connects elsewhere.
    """

    check: CheckConfig
    address: str
    port: int

    def __hash__(self) -> int:
        # Ten thousand of them are looked up at once; the check, which few backends have several of, costs the most.
        return hash((self.address, self.port))
