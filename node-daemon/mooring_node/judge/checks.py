"""From health checks as they are written to what the checks process does of them. Pure."""

from mooring_api.health_check import (
    Certificate,
    DNSCheck,
    HealthCheck,
    HTTPCheck,
    HTTPRequest,
    HTTPSCheck,
    PatternMode,
    PingCheck,
    ScriptCheck,
    SMTPCheck,
    TCPCheck,
    UDPCheck,
)
from mooring_node.checks.config import (
    CheckConfig,
    DNSProbe,
    HTTPProbe,
    PingProbe,
    Probe,
    RequestConfig,
    ScriptProbe,
    SMTPProbe,
    TCPProbe,
    TLSConfig,
    UDPProbe,
)

#: Kinds that connect to no port.
PORTLESS = frozenset({"ping", "script"})


def compile_check(check: HealthCheck) -> CheckConfig:
    interval_ns = int(check.interval)
    return CheckConfig(
        probe=_probe(check),
        interval_ns=interval_ns,
        interval_down_ns=interval_ns if check.interval_down is None else int(check.interval_down),
        timeout_ns=int(check.timeout),
        retries=check.retries,
        delay_before_retry_ns=int(check.delay_before_retry),
        warmup_ns=interval_ns if check.warmup is None else int(check.warmup),
        rise=check.rise,
        fall=check.fall,
        connect_address=check.connect_address,
        connect_port=check.connect_port,
        bind_address=check.bind_address,
        bind_port=check.bind_port,
        firewall_mark=check.firewall_mark,
        bind_interface=check.bind_interface,
    )


def _probe(check: HealthCheck) -> Probe:
    match check.probe:
        case TCPCheck():
            return TCPProbe()
        case HTTPCheck() as http:
            requests = tuple(_request(each, http.virtual_host) for each in http.requests)
            return HTTPProbe(requests, _tls(http) if isinstance(http, HTTPSCheck) else None)
        case SMTPCheck(helo_name=name):
            return SMTPProbe(name)
        case ScriptCheck() as script:
            return ScriptProbe(script.file, script.arguments, script.dynamic_weight)
        case DNSCheck() as dns:
            return DNSProbe(dns.name, dns.type.value)
        case UDPCheck() as udp:
            return _udp(udp)
        case PingCheck(payload_bytes=size):
            return PingProbe(size)
    raise ValueError(f"a check of a kind that is not known: {check.kind}")


def _request(request: HTTPRequest, virtual_host: str | None) -> RequestConfig:
    digest = request.digest
    return RequestConfig(
        path=request.path,
        statuses=tuple(_statuses(each) for each in request.statuses),
        virtual_host=request.virtual_host or virtual_host,
        digest=None if digest is None else ("md5", digest.md5) if digest.md5 else ("sha256", digest.sha256 or ""),
        body_pattern=request.body_pattern,
        pattern_is_bad=request.body_pattern_mode is PatternMode.NO_MATCH,
    )


def _statuses(text: str) -> tuple[int, int]:
    """`200` or `200-299`, both ends included."""
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _tls(check: HTTPSCheck) -> TLSConfig:
    return TLSConfig(
        server_name=check.server_name or check.virtual_host,
        verify=check.certificate is Certificate.VERIFY,
        authorities=check.authorities,
    )


def _udp(check: UDPCheck) -> UDPProbe:
    return UDPProbe(
        payload=check.payload or "00",
        require_reply=check.require_reply,
        reply=check.reply or "",
        reply_mask=check.reply_mask or "",
        minimum_reply_bytes=check.minimum_reply_bytes,
        maximum_reply_bytes=check.maximum_reply_bytes,
    )
