"""The closed list of reasons in a VirtualServer's conditions and events: what each means, and what to do about it."""

from collections.abc import Iterator, Mapping

from mooring_api.virtualip import ConditionStatus
from mooring_operator.words.kinds import ConditionReason, ConditionType, EventType, NewsReason

_ACCEPTED, _PROGRAMMED, _READY = ConditionType.ACCEPTED, ConditionType.PROGRAMMED, ConditionType.READY
_TRUE, _FALSE, _UNKNOWN = ConditionStatus


class ServerReason(ConditionReason):
    """Why a condition of a VirtualServer is as it is."""

    ACCEPTED = "Accepted", _ACCEPTED, _TRUE, "nothing is wrong with the object", "nothing"
    BACKENDS_LEFT_OUT = (
        "BackendsLeftOut",
        _ACCEPTED,
        _TRUE,
        "it is planned, without some of its backends or addresses; the message names them and says why",
        "do what the message says, or remove what is named",
    )
    SERVICE_NOT_FOUND = (
        "ServiceNotFound",
        _ACCEPTED,
        _TRUE,
        "the Service that it names has no EndpointSlices, so it brings no backends; they are balanced over as soon as"
        " they are there",
        "correct `spec.backends.service.name`, or create the Service, in the VirtualServer's own namespace",
    )
    QUORUM_OUT_OF_REACH = (
        "QuorumOutOfReach",
        _ACCEPTED,
        _TRUE,
        "all backends of a family together have less weight than a quorum takes, so there is none even if all are up",
        "lower `spec.quorum.up`, or add backends or weight",
    )
    INVALID = (
        "Invalid",
        _ACCEPTED,
        _FALSE,
        "a field can't be used; the message names it. An object that can't be read at all keeps on the nodes what it"
        " was when it could",
        "correct the field. What the API server itself refuses never gets here: this is for what only the operator"
        " can see, and for objects that another version wrote",
    )
    KEPT_AS_IT_STANDS = (
        "KeptAsItStands",
        _ACCEPTED,
        _FALSE,
        "it forwards in another way than by NAT, and what a node's daemon reports of its interfaces (the message names"
        " the node) is lost or can't be read. Nodes go on with what they run of it, and no change of it reaches them;"
        " one that runs nowhere yet is planned in part at most",
        "start the daemon on the node that is named, look for what it reports that can't be read (the event"
        " `Unreadable` on its NodeConfig), or delete its Node if it is off for good",
    )
    VIRTUAL_IP_NOT_FOUND = (
        "VirtualIPNotFound",
        _ACCEPTED,
        _FALSE,
        "there is no VirtualIP of the name in `spec.virtualIPRef`, or it can't be read; of one that can't be read"
        " the nodes keep what they run",
        "create the VirtualIP, correct its fields, or correct the name",
    )
    NAMESPACE_NOT_ALLOWED = (
        "NamespaceNotAllowed",
        _ACCEPTED,
        _FALSE,
        "the VirtualIP does not allow VirtualServers of this namespace; nothing of it is programmed",
        "whoever owns the VirtualIP names the namespace in its `spec.allowedNamespaces`",
    )
    FEATURE_NOT_ALLOWED = (
        "FeatureNotAllowed",
        _ACCEPTED,
        _FALSE,
        "it uses what reaches beyond its own Services, and the VirtualIP does not allow that; nothing of it is"
        " programmed. Of endpoints that are a node's own address without naming it, those alone are left out",
        "remove the field that is named, or whoever owns the VirtualIP adds the feature to its `spec.tenantFeatures`",
    )
    ADDRESS_NOT_FOUND = (
        "AddressNotFound",
        _ACCEPTED,
        _FALSE,
        "an address in `spec.addresses` is none of the VirtualIP's; the others are planned",
        "correct the address, or leave `addresses` out, which means all of the VirtualIP's",
    )
    PORT_CONFLICT = (
        "PortConflict",
        _ACCEPTED,
        _FALSE,
        "another VirtualServer has a port of an address, or the firewall mark; the rest is planned",
        "take another port or address, or remove one of the two VirtualServers",
    )
    PORT_NOT_FOUND = (
        "PortNotFound",
        _ACCEPTED,
        _FALSE,
        "the Service has no port of the name that is asked for, and so brings no backends to it; the message lists"
        " those that it has",
        "write the name of one of them in `spec.backends.service.port`",
    )
    FORWARDING_CONFLICT = (
        "ForwardingConflict",
        _ACCEPTED,
        _FALSE,
        "DirectRoute or Tunnel can't reach a part of it, so that is left out: a server on another port or on the pod"
        " network. The message names each",
        "use `hostNetwork: true` pods that listen on the virtual port, or `forwarding: NAT`",
    )
    TOO_MANY_BACKENDS = (
        "TooManyBackends",
        _ACCEPTED,
        _FALSE,
        "it has more backends than one service takes; the message says how many are left out",
        "split the Service",
    )
    NODE_FULL = (
        "NodeFull",
        _ACCEPTED,
        _FALSE,
        "a node that it would need is given as much as a NodeConfig can hold, all of older VirtualServers; there the"
        " ports that are named are not planned",
        "put VirtualServers on VirtualIPs of other nodes",
    )
    SYNC_ELSEWHERE = (
        "SyncElsewhere",
        _ACCEPTED,
        _FALSE,
        "it asks for `connectionSync`, and a node tells of connections on another interface already: the kernel has"
        " one sync daemon. It is balanced all the same; its connections do not outlive that node",
        "remove `connectionSync`, or use one segment for all VirtualServers that have it",
    )

    PROGRAMMED = (
        "Programmed",
        _PROGRAMMED,
        _TRUE,
        "every node of its VirtualIP has confirmed it and reports on its backends, or has been told of new ones a"
        " moment ago",
        "nothing",
    )
    PLANNED = (
        "Planned",
        _PROGRAMMED,
        _UNKNOWN,
        "it is worked out which node runs what of it, and no node was told yet: its VirtualIP comes first",
        "wait; if it stays, see the condition Programmed of the VirtualIP",
    )
    WAITING_FOR_NODES = (
        "WaitingForNodes",
        _PROGRAMMED,
        _UNKNOWN,
        "the nodes that are named have their configuration and have not confirmed it yet, or not reported on it",
        "wait: this takes less than a second where the nodes' daemons run",
    )
    ENDPOINTS_UNKNOWN = (
        "EndpointsUnknown",
        _PROGRAMMED,
        _UNKNOWN,
        "the EndpointSlices of its Service cannot be listed, so nobody knows its backends; nodes keep what they run",
        "see the message: a right that is missing (`kubectl apply -f deploy/`), or an API server that does not answer",
    )
    NODES_SILENT = (
        "NodesSilent",
        _PROGRAMMED,
        _FALSE,
        "a node that must confirm has said nothing for longer than any daemon that runs would need; there it is"
        " balanced as before",
        "see that the daemon runs on the nodes that are named (`kubectl get pods -n mooring-system -o wide`, its log,"
        " and OBSERVED beside GENERATION in `kubectl get nc`)",
    )
    REFUSED_BY_NODE = (
        "RefusedByNode",
        _PROGRAMMED,
        _FALSE,
        "a node's daemon can't run its part; the message has the node, the field and the daemon's words",
        "do what the words say: on that node, or in the VirtualServer",
    )
    MODULE_MISSING = (
        "ModuleMissing",
        _PROGRAMMED,
        _FALSE,
        "the kernel of a node lacks a module that it needs, and could not load it; the message names both",
        "load the module on that node (`modprobe`, and /etc/modules-load.d for the next boot), install the package of"
        " the distribution that has it, or choose another scheduler or protocol",
    )
    KUBE_PROXY_CONFLICT = (
        "KubeProxyConflict",
        _PROGRAMMED,
        _FALSE,
        "kube-proxy in its IPVS mode deletes it on a node again and again, as it does with all IPVS services that it"
        " does not know; the daemon puts it back, and connections break each time",
        "give kube-proxy `ipvs.excludeCIDRs` with the addresses that the message names, and restart it; or run it in"
        " its nftables or iptables mode",
    )
    NO_NODE = (
        "NoNode",
        _PROGRAMMED,
        _FALSE,
        "no node holds or may take over any of its addresses, so none balances it",
        "see the conditions of the VirtualIP",
    )
    NOT_ACCEPTED = (
        "NotAccepted",
        _PROGRAMMED,
        _FALSE,
        "nothing of it can be planned because of what the condition Accepted says",
        "see the condition Accepted",
    )

    READY = "Ready", _READY, _TRUE, "each port has a quorum, and all backends are up", "nothing"
    DEGRADED = (
        "Degraded",
        _READY,
        _TRUE,
        "each port has a quorum, and some backends are down: they get no connections",
        "see each backend's reason in `status.ports[].backends`",
    )
    HOLDER_UNCLEAR = (
        "HolderUnclear",
        _READY,
        _UNKNOWN,
        "the reports of the nodes do not name one holder of an address: there is an election, or several say that"
        " they hold it",
        "wait; if it stays, see the condition Held of the VirtualIP",
    )
    HOLDER_UNREACHABLE = (
        "HolderUnreachable",
        _READY,
        _UNKNOWN,
        "the node that last said it holds the addresses is not Ready, so its words on backends are old",
        "see the condition Held of the VirtualIP",
    )
    NOT_REPORTED = (
        "NotReported",
        _READY,
        _UNKNOWN,
        "the node that holds the addresses has said nothing of it yet",
        "wait: a node that runs it reports within a second; if it stays, see the condition Programmed",
    )
    NOT_PROGRAMMED = (
        "NotProgrammed",
        _READY,
        _FALSE,
        "no node runs it, or the node that holds its addresses can't: it lacks a kernel module, or refuses it",
        "see the conditions Accepted and Programmed",
    )
    NO_HOLDER = (
        "NoHolder",
        _READY,
        _FALSE,
        "no node holds an address of it, so nobody answers there",
        "see the condition Held of the VirtualIP",
    )
    NO_BACKENDS = (
        "NoBackends",
        _READY,
        _FALSE,
        "a port has no backends but such as drain, and no sorry server that answers: connections are refused",
        "look whether the Service has endpoints that are ready (`kubectl get endpointslices`)",
    )
    NO_QUORUM = (
        "NoQuorum",
        _READY,
        _FALSE,
        "too few backends of a port are up, and no sorry server answers; those that are up still get connections,"
        " and a VirtualIP that tracks it lets go or loses priority",
        "see each backend's reason in `status.ports[].backends`",
    )
    SORRY_SERVER = (
        "SorryServer",
        _READY,
        _FALSE,
        "too few backends of a port are up, and the sorry server answers in their place",
        "see each backend's reason in `status.ports[].backends`",
    )


#: As they are read back from a status, by condition; another version's may be missing.
SERVER_REASONS: Mapping[tuple[str, str], ServerReason] = {(str(r.condition), str(r)): r for r in ServerReason}


class ServerEventReason(NewsReason):
    """Reasons of events that tell of no condition of a VirtualServer."""

    BACKEND_DOWN = "BackendDown", "backends went down; the message counts them, and names some with the reason"
    BACKEND_UP = "BackendUp", "backends came up again; the message counts them and names some"
    QUORUM_LOST = "QuorumLost", "too few backends of a port are up from now on; the message says who answers"
    QUORUM_GAINED = "QuorumGained", "enough backends of each port are up again"


def _types() -> Iterator[tuple[ServerReason | ServerEventReason, EventType]]:
    yield from ((reason, EventType.NORMAL) for reason in (ServerEventReason.BACKEND_UP, ServerReason.PROGRAMMED))
    yield ServerEventReason.QUORUM_GAINED, EventType.NORMAL
    yield from ((r, EventType.WARNING) for r in (ServerEventReason.BACKEND_DOWN, ServerEventReason.QUORUM_LOST))
    quiet = (ServerReason.NOT_ACCEPTED, ServerReason.NO_NODE)
    told = (r for r in ServerReason if r.status is ConditionStatus.FALSE and r.condition is not _READY)
    yield from ((reason, EventType.WARNING) for reason in told if reason not in quiet)
    warnings = (ServerReason.BACKENDS_LEFT_OUT, ServerReason.SERVICE_NOT_FOUND, ServerReason.ENDPOINTS_UNKNOWN)
    yield from ((reason, EventType.WARNING) for reason in warnings)


#: What is told as an event when it begins. Of Ready the quorum is told, and who holds the address the VirtualIP tells.
SERVER_EVENTS: Mapping[ServerReason | ServerEventReason, EventType] = dict(_types())
