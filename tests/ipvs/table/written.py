"""A table as ipvsadm's own file format, written here independently of the netlink encoder."""

from ipaddress import ip_network

from mooring_node.ipvs.table import (
    SCTP,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    Table,
    TunnelFlag,
    TunnelKind,
)

_PROTOCOLS = {TCP: "-t", UDP: "-u", SCTP: "--sctp-service"}
_METHODS = {Method.MASQUERADE: "-m", Method.DIRECT_ROUTE: "-g", Method.TUNNEL: "-i"}
_KINDS = {TunnelKind.IPIP: "ipip", TunnelKind.GUE: "gue", TunnelKind.GRE: "gre"}
_FLAGS = {ServiceFlag.SCHEDULER_1: "flag-1", ServiceFlag.SCHEDULER_2: "flag-2", ServiceFlag.SCHEDULER_3: "flag-3"}
#: ipvsadm shows no third flag of these.
_HASHING_FLAGS = {ServiceFlag.SCHEDULER_1: "{}-fallback", ServiceFlag.SCHEDULER_2: "{}-port"}
#: A remote checksum is GUE's alone.
_SUMS = {
    TunnelKind.GUE: {TunnelFlag.CHECKSUM: "--tun-csum", TunnelFlag.REMOTE_CHECKSUM: "--tun-remcsum"},
    TunnelKind.GRE: {TunnelFlag.CHECKSUM: "--tun-csum"},
}
_SCHEDULER_FLAGS = ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2 | ServiceFlag.SCHEDULER_3


def lines(table: Table, *, limits: bool = False) -> list[str]:
    """As `ipvsadm --save --numeric` writes it (without `limits`), and as `ipvsadm --restore` reads it."""
    found = []
    for key, balanced in table.items():
        found.append(" ".join(["-A", *_key(key), *_service(key, balanced.service)]))
        for name, values in balanced.destinations.items():
            found.append(" ".join(["-a", *_key(key), "-r", _place(name), *_destination(values, limits)]))
    return sorted(found)


def _key(key: ServiceKey) -> list[str]:
    if key.mark:
        return ["-f", str(key.mark), *(["-6"] if key.family == 6 else [])]
    return [_PROTOCOLS[key.protocol], f"[{key.address}]:{key.port}" if key.family == 6 else f"{key.address}:{key.port}"]


def _service(key: ServiceKey, service: Service) -> list[str]:
    words = ["-s", service.scheduler]
    if ServiceFlag.PERSISTENT in service.flags:
        words += ["-p", str(service.timeout_s)]
        if key.family == 4 and service.netmask_bits != 32:
            words += ["-M", str(ip_network(f"0.0.0.0/{service.netmask_bits}").netmask)]
        if key.family == 6 and service.netmask_bits != 128:
            words += ["-M", str(service.netmask_bits)]
    names = _HASHING_FLAGS if service.scheduler in ("sh", "mh") else _FLAGS
    flags = [name.format(service.scheduler) for flag, name in names.items() if flag in service.flags]
    if service.flags & _SCHEDULER_FLAGS:
        words += ["-b", *([",".join(flags)] if flags else [])]
    words += ["--pe", service.persistence_engine] if service.persistence_engine else []
    words += ["-o"] if ServiceFlag.ONE_PACKET in service.flags else []
    return words


def _place(name: DestinationKey) -> str:
    return f"[{name.address}]:{name.port}" if ":" in name.address else f"{name.address}:{name.port}"


def _destination(each: Destination, limits: bool) -> list[str]:
    words = [_METHODS[each.method], "-w", str(each.weight)]
    if each.method is Method.TUNNEL:
        words += ["--tun-type", _KINDS[each.tunnel]]
        words += ["--tun-port", str(each.tunnel_port)] if each.tunnel is TunnelKind.GUE else []
    if each.method is Method.TUNNEL and each.tunnel is not TunnelKind.IPIP:
        sums = [word for flag, word in _SUMS[each.tunnel].items() if flag in each.tunnel_flags]
        words += sums or ["--tun-nocsum"]
    if limits:
        words += ["-x", str(each.upper), "-y", str(each.lower)]
    return words
