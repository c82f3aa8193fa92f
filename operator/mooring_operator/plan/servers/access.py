"""Who may use a VirtualIP's addresses, and for what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mooring_api.access import NamespacesFrom, PortGuardMode, TenantFeature
from mooring_api.problems import Problem
from mooring_api.virtualip import VirtualIP
from mooring_api.virtualserver import VirtualServer
from mooring_api.wire import wire_name
from mooring_operator.plan.labels import selects
from mooring_operator.plan.servers.plans import ServerFinding, ServerReason
from mooring_operator.plan.snapshot import virtual_server_name

#: Kubernetes gives it to each namespace.
NAMESPACE_LABEL = "kubernetes.io/metadata.name"

_FEATURES = {
    TenantFeature.STATIC_SERVERS: "an address of its own choice as a backend",
    TenantFeature.CONNECT_ADDRESS: "a check that connects to another address or port, or by a way of its own choice",
    TenantFeature.SCRIPT: "a program on the node",
    TenantFeature.FIREWALL_MARK: "a firewall mark",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """The addresses that a VirtualServer may use, without prefix, and what is to be said about it.

    No address: it is refused as a whole.
    """

    addresses: tuple[str, ...] = ()
    findings: tuple[ServerFinding, ...] = ()


def without_virtual_ip(server: VirtualServer, unreadable: bool) -> Grant:
    """Nothing, because the VirtualIP is not there, or can't be read at present."""
    name = server.spec.virtual_ip_ref.name
    if unreadable:
        message = f"VirtualIP {name} can't be read, so its nodes keep what they run of this; see its condition Accepted"
    else:
        message = f"there is no VirtualIP {name}; create it, or correct the name"
    return Grant((), (_finding(server, ServerReason.VIRTUAL_IP_NOT_FOUND, "spec.virtualIPRef.name", message),))


def grant(server: VirtualServer, virtual_ip: VirtualIP, own: Sequence[str], labels: Mapping[str, str] | None) -> Grant:
    """What the VirtualServer may use. `own` are the addresses that the VirtualIP has; `labels` its namespace's.

    `labels` None: nobody has said which labels the namespace has.
    """
    if refusal := _not_allowed(server, virtual_ip, labels):
        path = "metadata.namespace"
        return Grant((), (_finding(server, ServerReason.NAMESPACE_NOT_ALLOWED, path, refusal),))
    if refused := (*_features(server, virtual_ip), *_unguardable(server, virtual_ip)):
        return Grant((), refused)
    return _addresses(server, virtual_ip, own)


def _finding(server: VirtualServer, reason: ServerReason, path: str, message: str) -> ServerFinding:
    return ServerFinding(reason, Problem(virtual_server_name(server.key), path, message))


def _not_allowed(server: VirtualServer, virtual_ip: VirtualIP, labels: Mapping[str, str] | None) -> str | None:
    """Why VirtualServers of its namespace are refused; None: they are allowed."""
    allowed, namespace = virtual_ip.spec.allowed_namespaces, server.metadata.namespace or ""
    name = f"VirtualIP {virtual_ip.metadata.name}"
    match allowed.from_:
        case NamespacesFrom.ALL:
            return None
        case NamespacesFrom.NONE:
            return f"{name} allows VirtualServers of no namespace; its owner sets spec.allowedNamespaces"
        case NamespacesFrom.NAMES:
            if namespace in allowed.names:
                return None
            return f"{name} does not allow namespace {namespace}; its owner adds it to spec.allowedNamespaces.names"
        case NamespacesFrom.SELECTOR:
            known = {NAMESPACE_LABEL: namespace, **(labels or {})}
            if allowed.selector is not None and selects(allowed.selector, known):
                return None
            why = f"the labels of namespace {namespace} do not match spec.allowedNamespaces.selector of {name}"
            if labels is None:
                return f"{why}, as far as is known: there is no Namespace object of that name"
            return f"{why}; its owner changes the selector, or an administrator labels the namespace"


def _features(server: VirtualServer, virtual_ip: VirtualIP) -> Iterator[ServerFinding]:
    """What it uses of features that the VirtualIP does not allow."""
    allowed = virtual_ip.spec.tenant_features
    for feature, path in _used(server):
        if feature not in allowed:
            message = (
                f"VirtualIP {virtual_ip.metadata.name} does not allow {_FEATURES[feature]}; remove it, or the owner of"
                f" the VirtualIP adds {feature} to spec.tenantFeatures"
            )
            yield _finding(server, ServerReason.FEATURE_NOT_ALLOWED, path, message)


def _unguardable(server: VirtualServer, virtual_ip: VirtualIP) -> Iterator[ServerFinding]:
    """A firewall mark says nothing of ports, so a guard of ports would drop all that bears it."""
    if server.spec.firewall_mark is not None and virtual_ip.spec.port_guard is PortGuardMode.ENFORCE:
        message = (
            f"VirtualIP {virtual_ip.metadata.name} lets only listed ports answer (portGuard: Enforce), and a mark has"
            " none; write ports, or its owner sets portGuard: Monitor"
        )
        yield _finding(server, ServerReason.FEATURE_NOT_ALLOWED, "spec.firewallMark", message)


def _used(server: VirtualServer) -> Iterator[tuple[TenantFeature, str]]:
    """The features that it uses, with the fields."""
    spec = server.spec
    if spec.backends.servers:
        yield TenantFeature.STATIC_SERVERS, "spec.backends.servers"
    if spec.sorry_server is not None:
        yield TenantFeature.STATIC_SERVERS, "spec.sorryServer"
    if spec.firewall_mark is not None:
        yield TenantFeature.FIREWALL_MARK, "spec.firewallMark"
    for index, check in enumerate(spec.health_checks):
        place = f"spec.healthChecks[{index}]"
        # The same address may be another machine's behind another interface, or by routing rules on the source. Another
        # port of a node's own address (pods with hostNetwork) is another program's.
        # Behind a mark a backend has no port, so there a check must name one.
        ports = ("bind_port",) if spec.firewall_mark is not None else ("connect_port", "bind_port")
        for field in ("connect_address", "bind_address", "bind_interface", *ports):
            if getattr(check, field) is not None:
                yield TenantFeature.CONNECT_ADDRESS, f"{place}.{wire_name(field)}"
        if check.script is not None:
            yield TenantFeature.SCRIPT, f"{place}.script"
        if check.firewall_mark is not None:
            yield TenantFeature.FIREWALL_MARK, f"{place}.firewallMark"
    for index, _ in enumerate(spec.notifications):
        yield TenantFeature.SCRIPT, f"spec.notifications[{index}].script"


def _addresses(server: VirtualServer, virtual_ip: VirtualIP, own: Sequence[str]) -> Grant:
    """Those that it names, else all, in the VirtualIP's order; what is not the VirtualIP's is told."""
    written = server.spec.addresses
    name = virtual_ip.metadata.name
    if not written and not own:
        message = f"VirtualIP {name} has no address that is its own; see its condition Accepted"
        return Grant((), (_finding(server, ServerReason.ADDRESS_NOT_FOUND, "spec.virtualIPRef.name", message),))
    findings = tuple(
        _finding(
            server,
            ServerReason.ADDRESS_NOT_FOUND,
            f"spec.addresses[{index}]",
            f"{address} is no address of VirtualIP {name}; correct it, or remove it",
        )
        for index, address in enumerate(written)
        if address not in own
    )
    return Grant(tuple(address for address in own if not written or address in written), findings)
