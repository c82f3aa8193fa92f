"""Health checks of backends: what is asked, how often, and from where. Words are keepalived's where it has one."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from mooring_api.duration import Duration
from mooring_api.wire import (
    Check,
    Checked,
    Flag,
    Integer,
    InterfaceName,
    Location,
    Rule,
    UnicastAddress,
    Wire,
    duration,
    wire_name,
)
from mooring_pattern.grammar import parse

Port = Annotated[Integer, Field(ge=1, le=65535)]
CheckName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[!-~]+$")]
#: Labels of 1 to 63 printable characters; a dot alone is the root.
DNSName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^(\.|([!-\-/-~]{1,63}\.)*[!-\-/-~]{1,63}\.?)$")]
HexBytes = Annotated[str, Field(min_length=2, max_length=4096, pattern=r"^([0-9a-fA-F]{2})+$")]
MAX_CHECKS = 16

_STATUS_RANGE = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")


def _read_statuses(text: str) -> str:
    """`200` or `200-299`; ValueError for anything else."""
    found = _STATUS_RANGE.fullmatch(text)
    if not found or (found[2] and found[2] < found[1]):
        raise ValueError(f"{text!r} is no status code or range; write 200 or 200-299")
    return text


def _read_pattern(text: str) -> str:
    """The text itself; ValueError (PatternError) with the place where it is no pattern that checks can match."""
    parse(text)
    return text


StatusRange = Annotated[str, Field(min_length=3, max_length=7, pattern=r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$")]
CheckedStatusRange = Annotated[StatusRange, Checked(_read_statuses)]
#: A regular expression in Python's syntax without back references, look-arounds and named groups; words, digits and
#: blanks are ASCII's. It is matched in time linear in the text.
Pattern = Annotated[str, Field(min_length=1, max_length=512), Checked(_read_pattern)]


class Certificate(StrEnum):
    """What is asked of a server's certificate. keepalived never verifies."""

    IGNORE = "Ignore"
    VERIFY = "Verify"


class PatternMode(StrEnum):
    """Whether a body that matches is good or bad. NoMatch is keepalived's regex_no_match."""

    MATCH = "Match"
    NO_MATCH = "NoMatch"


class DNSType(StrEnum):
    """The record that is asked for."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    MX = "MX"
    NS = "NS"
    PTR = "PTR"
    SOA = "SOA"
    SRV = "SRV"
    TXT = "TXT"
    ANY = "ANY"


class Digest(Wire):
    """What the body must hash to; `mooring digest URL` prints it."""

    md5: Annotated[str, Field(min_length=32, max_length=32, pattern=r"^[0-9a-f]{32}$")] | None = None
    """As keepalived's genhash prints it: of the body alone."""
    sha256: Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = None
    """The same, by SHA-256."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.md5) != has(self.sha256)",
            message="write exactly one of md5 and sha256",
            holds=lambda d: (d.md5 is None) != (d.sha256 is None),
        ),
    )


class HTTPRequest(Wire):
    """One URL and what a good reply to it is; all that are given must hold."""

    path: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[!-~]*$")] = "/"
    """Path and query."""
    statuses: Annotated[tuple[CheckedStatusRange, ...], Field(max_length=16)] = ("200-299",)
    """Codes and ranges that are good."""
    virtual_host: HostName | None = None
    """The Host header; left out: that of the check, else the backend's address."""
    digest: Digest | None = None
    """Of the whole body; one of more than 1 MiB is a failure."""
    body_pattern: Pattern | None = None
    """Searched for in the body's first 256 KiB."""
    body_pattern_mode: PatternMode = PatternMode.MATCH
    """NoMatch: the body is good where the pattern is not found in it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.bodyPatternMode == 'Match' || has(self.bodyPattern)",
            message="NoMatch says how bodyPattern is meant; write bodyPattern, or set bodyPatternMode: Match",
            holds=lambda r: r.body_pattern_mode is PatternMode.MATCH or r.body_pattern is not None,
            path="bodyPatternMode",
        ),
    )


class HTTPCheck(Wire):
    """Requests over one connection each, HTTP/1.1; all must be answered well."""

    requests: Annotated[tuple[HTTPRequest, ...], Field(min_length=1, max_length=8)] = (HTTPRequest(),)
    """Asked one after the other."""
    virtual_host: HostName | None = None
    """The Host header where a request names none."""


class HTTPSCheck(HTTPCheck):
    """The same through TLS."""

    server_name: HostName | None = None
    """The name sent in the TLS handshake (SNI); left out: virtualHost, else none."""
    certificate: Certificate = Certificate.IGNORE
    """Verify: the certificate must be valid for serverName and signed by an authority that is trusted."""
    authorities: Annotated[str, Field(min_length=1, max_length=65536)] | None = None
    """Certificates of trusted authorities, PEM; left out: those of the daemon's system."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.certificate == 'Verify' || !has(self.authorities)",
            message="authorities are used with certificate: Verify alone; set it, or remove them",
            holds=lambda c: c.certificate is Certificate.VERIFY or c.authorities is None,
            path="authorities",
        ),
        Rule(
            cel="self.certificate == 'Ignore' || has(self.serverName) || has(self.virtualHost)",
            message="a certificate is verified for a name; write serverName",
            holds=lambda c: c.certificate is Certificate.IGNORE or bool(c.server_name or c.virtual_host),
            path="serverName",
        ),
    )


class TCPCheck(Wire):
    """A connection that is accepted."""


class SMTPCheck(Wire):
    """A mail server's greeting, HELO and QUIT."""

    helo_name: HostName = "mooring"
    """What we call ourselves."""


class ScriptFile(Wire):
    """A program in the daemon's folder of scripts; run without a shell, not as root, with a bounded output."""

    file: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$")]
    """Its name in that folder."""
    arguments: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=32)] = ()
    """Handed over as they are."""


class ScriptCheck(ScriptFile):
    """Exit code 0 is good; the environment has MOORING_ADDRESS and MOORING_PORT of the backend."""

    dynamic_weight: Flag = False
    """True: exit codes 2 to 255 are good and set the weight to code - 2; keepalived's misc_dynamic."""


class DNSCheck(Wire):
    """A question over UDP that is answered without error."""

    name: DNSName = "."
    """What is asked for."""
    type: DNSType = DNSType.SOA
    """The record that is asked for."""


class UDPCheck(Wire):
    """A datagram; an ICMP error is a failure, silence only where a reply is asked for."""

    payload: HexBytes | None = None
    """What is sent, in hexadecimal; left out: one zero byte."""
    require_reply: Flag = False
    """True: silence is a failure."""
    reply: HexBytes | None = None
    """What a reply must begin with, in hexadecimal."""
    reply_mask: HexBytes | None = None
    """Which bits of `reply` are compared, as long as it."""
    minimum_reply_bytes: Annotated[Integer, Field(ge=0, le=65507)] = 0
    """A shorter reply is a failure."""
    maximum_reply_bytes: Annotated[Integer, Field(ge=0, le=65507)] = 65507
    """A longer reply is a failure."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.replyMask) || (has(self.reply) && self.reply.size() == self.replyMask.size())",
            message="the mask is as long as reply; correct one of the two",
            holds=lambda c: c.reply_mask is None or (c.reply is not None and len(c.reply) == len(c.reply_mask)),
            path="replyMask",
        ),
        Rule(
            cel="self.minimumReplyBytes <= self.maximumReplyBytes",
            message="no reply has at least minimumReplyBytes and at most maximumReplyBytes; correct one of the two",
            holds=lambda c: c.minimum_reply_bytes <= c.maximum_reply_bytes,
            path="minimumReplyBytes",
        ),
    )


class PingCheck(Wire):
    """An ICMP echo request that is answered."""

    payload_bytes: Annotated[Integer, Field(ge=0, le=1400)] = 56
    """How much data it carries."""


KINDS = ("tcp", "http", "https", "smtp", "script", "dns", "udp", "ping")
_ONE_KIND = "write exactly one of " + ", ".join(KINDS)


def _needless(check: "HealthCheck") -> Iterator[tuple[Location, str]]:
    for field in ("connect_port", "bind_port"):
        if getattr(check, field) is not None and check.kind in ("ping", "script"):
            yield (wire_name(field),), f"a {check.kind} has no port; remove it"
    if check.kind == "script":
        for field in ("connect_address", "bind_address", "bind_interface", "firewall_mark"):
            if getattr(check, field) is not None:
                yield (wire_name(field),), "a script opens its own connections; remove it"


def _two_interfaces(check: "HealthCheck") -> Iterator[tuple[Location, str]]:
    """A socket is bound to one interface; the kernel refuses addresses whose zone is another."""
    for field in ("connect_address", "bind_address"):
        zone = (getattr(check, field) or "").partition("%")[2]
        if zone and check.bind_interface not in (None, zone):
            yield (wire_name(field),), f"its zone is not {check.bind_interface}; remove it, or correct bindInterface"


class HealthCheck(Wire):
    """One check of each backend; a backend is up while all of its checks succeed."""

    name: CheckName
    """Unique in its VirtualServer."""
    interval: Annotated[Duration, duration("10ms", "24h")] = Duration.of(s=5)
    """From the beginning of one check to that of the next; keepalived's delay_loop."""
    interval_down: Annotated[Duration, duration("10ms", "24h")] | None = None
    """The same while it is down; left out: interval."""
    timeout: Annotated[Duration, duration("10ms", "1h")] = Duration.of(s=3)
    """So long may one try take, from the connection to the last byte."""
    retries: Annotated[Integer, Field(ge=0, le=100)] = 1
    """So many more tries before it has failed."""
    delay_before_retry: Annotated[Duration, duration("0s", "1h")] = Duration.of(s=1)
    """From the end of a try that failed to the next."""
    warmup: Annotated[Duration, duration("0s", "1h")] | None = None
    """The first check comes after a random part of it, so that not all come at once; left out: interval."""
    rise: Annotated[Integer, Field(ge=1, le=100)] = 1
    """So many checks in a row must succeed before it is up again."""
    fall: Annotated[Integer, Field(ge=1, le=100)] = 1
    """So many checks in a row must fail, each with its retries."""
    connect_address: UnicastAddress | None = None
    """Left out: the backend's."""
    connect_port: Port | None = None
    """Left out: the backend's."""
    bind_address: UnicastAddress | None = None
    """Where connections to backends of the same family come from."""
    bind_port: Port | None = None
    """The port that connections come from."""
    bind_interface: InterfaceName | None = None
    """The node's interface that packets of the check leave and come by, whatever its routes say (SO_BINDTODEVICE)."""
    firewall_mark: Annotated[Integer, Field(ge=1, le=0x7FFFFFFF)] | None = None
    """Set on the packets of the check, for routing rules (SO_MARK)."""
    tcp: TCPCheck | None = None
    http: HTTPCheck | None = None
    https: HTTPSCheck | None = None
    smtp: SMTPCheck | None = None
    script: ScriptCheck | None = None
    dns: DNSCheck | None = None
    udp: UDPCheck | None = None
    ping: PingCheck | None = None

    @property
    def kind(self) -> str:
        """Which one of KINDS it is."""
        return next((kind for kind in KINDS if getattr(self, kind) is not None), "")

    @property
    def probe(self) -> Any:
        """What belongs to its kind alone."""
        return getattr(self, self.kind)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[" + ", ".join(f"has(self.{kind})" for kind in KINDS) + "].filter(given, given).size() == 1",
            message=_ONE_KIND,
            holds=lambda c: sum(getattr(c, kind) is not None for kind in KINDS) == 1,
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (_needless, _two_interfaces)
