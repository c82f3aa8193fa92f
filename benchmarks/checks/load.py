"""What is checked how often, and the configuration of keepalived that says the same."""

from dataclasses import dataclass

_BACKENDS_OF_A_SERVICE = 100


@dataclass(frozen=True, slots=True)
class Load:
    """So many TCP checks, each once in an interval, for some seconds."""

    targets: int
    interval_ms: int
    seconds: float


def address(number: int) -> str:
    """Of a backend: each has its own, all of them are this host's."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def keepalived_text(load: Load, port: int) -> str:
    """The same checks in keepalived's words; its delay_loop has a granularity of microseconds."""
    lines = ["global_defs {", "  router_id bench", "}"]
    for first in range(0, load.targets, _BACKENDS_OF_A_SERVICE):
        service = first // _BACKENDS_OF_A_SERVICE
        lines += [f"virtual_server 10.{service // 250}.{service % 250}.1 80 {{"]
        lines += [f"  delay_loop {load.interval_ms / 1000:g}", "  lvs_sched wlc", "  lvs_method NAT", "  protocol TCP"]
        for number in range(first, min(first + _BACKENDS_OF_A_SERVICE, load.targets)):
            lines += [f"  real_server {address(number)} {port} {{", "    weight 1", "    TCP_CHECK {"]
            lines += [f"      connect_timeout {load.interval_ms / 1000:g}", "      retry 0", "    }", "  }"]
        lines.append("}")
    return "\n".join(lines) + "\n"
