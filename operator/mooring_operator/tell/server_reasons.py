"""The closed list of reasons in a VirtualServer's conditions: what each means, and what to do about it."""

from enum import StrEnum
from typing import Self

from mooring_api.virtualip import ConditionStatus
from mooring_operator.tell.reasons import ConditionType

_ACCEPTED = ConditionType.ACCEPTED
_TRUE, _FALSE, _UNKNOWN = ConditionStatus


class ServerReason(StrEnum):
    """Why a condition is as it is; each reason belongs to one status of one condition."""

    condition: ConditionType
    status: ConditionStatus
    meaning: str
    remedy: str

    def __new__(cls, value: str, condition: ConditionType, status: ConditionStatus, meaning: str, remedy: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.condition, member.status, member.meaning, member.remedy = condition, status, meaning, remedy
        return member

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
    INVALID = (
        "Invalid",
        _ACCEPTED,
        _FALSE,
        "a field can't be used; the message names it. An object that can't be read at all keeps on the nodes what it"
        " was when it could",
        "correct the field. What the API server itself refuses never gets here: this is for what only the operator"
        " can see, and for objects that another version wrote",
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
        " programmed",
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
        "an older VirtualServer has a port of an address, or the firewall mark; the rest is planned",
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
