"""What the API server must refuse: for each rule of the CRDs, at each place where it stands, an object that breaks it.

The rules are found in the CRDs, so a rule without an example fails here; both the model and a real API server
are held against them.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mooring_api.crd import RESOURCES, Resource, structural_schema
from mooring_api.schema import Schema
from mooring_api.wire import API_VERSION, VALIDATIONS

Document = dict[str, Any]

#: Of both a VirtualServer and a NodeConfig.
HEALTH_CHECK: Document = {"name": "page", "https": {"serverName": "shop.example"}}
NOTIFICATION: Document = {"on": ["QuorumDown"], "script": {"file": "tell"}}
#: Valid objects, with an item in each list whose items hold more than the rule's own example.
VALID: Mapping[str, Document] = {
    "VirtualIP": {
        "apiVersion": API_VERSION,
        "kind": "VirtualIP",
        "metadata": {"name": "refused"},
        "spec": {
            "addresses": [{"address": "10.0.0.100/24"}, {"address": "2001:db8::100/64"}],
            "nodes": {
                "overrides": [{"node": "lb-1"}],
                "pods": {"namespace": "ingress", "selector": {"matchLabels": {"app": "ingress"}}},
            },
            "vrrp": {"transport": {"type": "Multicast"}},
            "tracking": [{"name": "shop", "virtualServer": {"name": "shop/shop"}}],
        },
    },
    "VirtualServer": {
        "apiVersion": API_VERSION,
        "kind": "VirtualServer",
        "metadata": {"name": "refused", "namespace": "default"},
        "spec": {
            "virtualIPRef": {"name": "web"},
            "addresses": ["10.0.0.100"],
            "ports": [{"name": "https", "port": 443}],
            "forwarding": "Tunnel",
            "tunnel": {"type": "IPIP"},
            "backends": {"service": {"name": "shop"}, "servers": [{"address": "10.0.0.28"}]},
            "sorryServer": {"address": "10.0.0.29"},
            "healthChecks": [HEALTH_CHECK],
            "notifications": [NOTIFICATION],
        },
    },
    "NodeConfig": {
        "apiVersion": API_VERSION,
        "kind": "NodeConfig",
        "metadata": {"name": "refused"},
        "spec": {
            "instances": [
                {
                    "name": "web-0",
                    "virtualRouterID": 51,
                    "version": 2,
                    "authentication": {"type": "Password", "secretRef": {"name": "web-vrrp"}, "keyVersion": "7"},
                    "transport": {"source": "10.0.0.18", "peers": ["10.0.0.28"]},
                    "alsoAccept": [
                        {
                            "virtualRouterID": 51,
                            "version": 2,
                            "authentication": {"type": "Password", "secretRef": {"name": "web-vrrp"}},
                            "transport": {"type": "Unicast", "peers": ["10.0.0.28"]},
                        }
                    ],
                    "tracking": [{"name": "shop", "virtualServer": {"name": "shop/shop"}}],
                    "addresses": [{"address": "10.0.0.100/24", "label": "eth0:0"}],
                }
            ],
            "virtualServers": [
                {
                    "name": "shop/shop:https",
                    "addresses": ["10.0.0.100"],
                    "port": 443,
                    "backends": [{"address": "10.0.0.28"}],
                    "healthChecks": [HEALTH_CHECK],
                    "notifications": [NOTIFICATION],
                }
            ],
        },
        "status": {
            "foreignRouters": [
                {"interface": "eth0", "virtualRouterID": 66, "source": "10.0.0.9", "priority": 100, "version": 3}
            ]
        },
    },
}

#: By a rule's message: the field's value, or fields of the object that breaks it. None: they are taken away.
BREAKS: Mapping[str, Any] = {
    "must be an address such as 10.0.0.100/24 or 2001:db8::10": "10.0.0.256/24",
    "no node can hold a multicast, loopback, broadcast or unspecified address; write a host's": "127.0.0.1/8",
    "must be an address such as 10.0.0.28, fe80::28 or fe80::28%eth0": "lb-2",
    "must be an address without a zone, such as 10.0.0.28 or 2001:db8::28": "fe80::28%eth0",
    "must be a multicast address such as 224.0.0.18 or ff02::12": "10.0.0.1",
    "the name is the beginning of its instances' names and has at most 63 characters; shorten it": {
        "metadata": {"name": "a" * 64}
    },
    "Failover has one group and takes one virtual router ID; remove the others, or set distribution: Balanced": {
        "vrrp": {"virtualRouterIDs": [66, 88]}
    },
    "VRRP version 2 carries IPv4 only; set version: 3": {"vrrp": {"version": 2}},
    "the group is of one family and the addresses are not all of it; leave group out for the standard groups of both": {
        "vrrp": {"transport": {"type": "Multicast", "group": "224.0.0.18"}}
    },
    "only IPv4 addresses have labels; remove it": {"address": "2001:db8::10", "label": "eth0:0"},
    "In and NotIn need values, Exists and DoesNotExist take none; correct operator or values": {
        "key": "pool",
        "operator": "In",
    },
    "version 2 takes whole seconds (1s to 255s), version 3 10ms to 40950ms; change the interval or the version": {
        "version": 3,
        "advertisementInterval": "41s",
        "authentication": None,
    },
    "a password needs version 2 (RFC 9568 has none); set version: 2 or remove it": {
        "version": 3,
        "authentication": {"type": "Password", "secretRef": {"name": "web-vrrp"}},
    },
    "each group needs a virtual router ID of its own; remove the one that stands twice": {"virtualRouterIDs": [66, 66]},
    "version 2 is for IPv4 only; set version: 3": {"version": 2, "family": "IPv6"},
    "adverts leave from an address of the instance's family; correct source or family": {
        "transport": {"source": "fe80::1%eth0"}
    },
    "peers have addresses of the instance's family; correct peers or family": {
        "transport": {"peers": ["fe80::2%eth0"]}
    },
    "the group is an address of the instance's family; correct group or family": {
        "transport": {"type": "Multicast", "group": "ff02::12"}
    },
    "peers belong to Unicast; remove them, or set type: Unicast": {"type": "Multicast", "source": None},
    "group belongs to Multicast; remove it, or set type: Multicast": {"type": "Unicast", "group": "224.0.0.18"},
    "alone says that there are no peers; remove the peers, or set alone: false": {"alone": True},
    "give the password by one of the two: secretRef, or in a file password": {"secretRef": None, "keyVersion": None},
    "keyVersion is a state of the Secret; remove it, or write secretRef": {"keyVersion": "7", "secretRef": None},
    "AdjustPriority needs a weight other than 0, and Fault has none; correct type or weight": {"weight": 5},
    "names belong to from: Names, which needs one at least; correct one of the two": {"from": "Names"},
    "selector belongs to from: Selector, which needs one; correct one of the two": {"selector": {}},
    "write ports, or firewallMark alone": {"firewallMark": 7},
    "kube-proxy masquerades and drops by the bits 0x4000 and 0x8000; take a mark without them": {
        "firewallMark": 0x4000,
        "ports": None,
        "addresses": None,
        "port": None,
    },
    "write addresses and port, or firewallMark alone": {"firewallMark": 7},
    "DirectRoute and Tunnel hand packets on as they are, so a backend answers on the same port; remove targetPort, or"
    " set forwarding: NAT": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]},
    "targetPort is for backends.servers; a Service's endpoints have their own port; remove it": {
        "ports": [{"name": "https", "port": 443, "targetPort": 443}],
        "backends": {"service": {"name": "shop"}},
    },
    "behind a firewall mark a backend has no port; write connectPort in each check but ping and script": {
        "firewallMark": 7,
        "ports": None,
    },
    "tunnel belongs to forwarding: Tunnel; set it, or remove tunnel": {"forwarding": "DirectRoute", "tunnel": {}},
    "only UDP is scheduled by the packet; remove onePacket": {"onePacket": True},
    "the kernel knows SIP's calls in UDP alone; remove persistence.engine": {"persistence": {"engine": "SIP"}},
    "connections that are masqueraded do not outlive their node, whoever is told of them; use DirectRoute or Tunnel, or"
    " remove connectionSync": {"connectionSync": "Enabled", "forwarding": "NAT", "tunnel": None},
    "the family follows from the addresses; remove it": {"family": "IPv4"},
    "GUE needs a port, and the others have none; write it, or remove it": {"type": "GUE"},
    "IPIP has no checksum, and GRE none that is remote; set checksum: None": {"checksum": "Checksum"},
    "name a service, or list servers": {"service": None, "servers": None},
    "lower is at most upper; correct one of the two": {"upper": 1, "lower": 2},
    "hysteresis is less than up, or a quorum would never be lost; correct one of the two": {"up": 1, "hysteresis": 1},
    "write exactly one of tcp, http, https, smtp, script, dns, udp, ping": {"tcp": {}},
    "write exactly one of md5 and sha256": {"md5": "0" * 32, "sha256": "0" * 64},
    "NoMatch says how bodyPattern is meant; write bodyPattern, or set bodyPatternMode: Match": {
        "bodyPatternMode": "NoMatch"
    },
    "authorities are used with certificate: Verify alone; set it, or remove them": {"authorities": "PEM"},
    "a certificate is verified for a name; write serverName": {"certificate": "Verify", "serverName": None},
    "the mask is as long as reply; correct one of the two": {"replyMask": "ff"},
    "no reply has at least minimumReplyBytes and at most maximumReplyBytes; correct one of the two": {
        "minimumReplyBytes": 2,
        "maximumReplyBytes": 1,
    },
}
_BOUNDS = re.compile(r"must be \S+ to \S+")
_STEPS = {"must be a multiple of 10ms": "15ms", "must be a multiple of 1s": "1500ms"}


@dataclass(frozen=True, slots=True)
class Refused:
    """An object that breaks one rule at one place."""

    resource: Resource
    place: str
    """Of the rule, as `spec.instances[0].transport`; empty: the object itself."""
    field: str
    """The field that is blamed."""
    message: str
    document: Document

    def __str__(self) -> str:
        return f"{self.resource.kind}: {self.place}: {self.message}"


def refused() -> list[Refused]:
    """One for each rule at each of its places. KeyError names the rule that has no example."""
    found = []
    for resource in RESOURCES:
        for steps, rule in _rules(structural_schema(resource.model), ()):
            document = copy.deepcopy(VALID[resource.kind])
            _break(document, steps, _example(rule["message"]))
            place = _path(steps)
            found.append(
                Refused(resource, place, (place + rule.get("fieldPath", "")).lstrip("."), rule["message"], document)
            )
    return found


def _rules(schema: Schema, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], dict[str, str]]]:
    for rule in schema.get(VALIDATIONS, ()):
        yield steps, rule
    for name, below in schema.get("properties", {}).items():
        yield from _rules(below, (*steps, name))
    if "items" in schema:
        yield from _rules(schema["items"], (*steps, 0))


def _path(steps: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _example(message: str) -> Any:
    if _BOUNDS.fullmatch(message):
        return "9999h"
    return _STEPS.get(message) or BREAKS[message]


def _break(document: Document, steps: tuple[str | int, ...], example: Any) -> None:
    """Put the example to its place; objects and lists on the way there are made where they are missing."""
    way = ("", *steps)
    last = way[-1]
    holder: Any = {"": document}
    for step, following in pairwise(way):
        holder = _below(holder, step, [] if isinstance(following, int) else {})
    if not isinstance(example, dict):
        _below(holder, last, example)
        holder[last] = example
        return
    broken = _below(holder, last, {})
    for field, value in example.items():
        broken.pop(field, None)
        if value is not None:
            broken[field] = value


def _below(holder: Any, step: str | int, fresh: Any) -> Any:
    if isinstance(step, int) and step == len(holder):
        holder.append(fresh)
    return holder[step] if isinstance(step, int) else holder.setdefault(step, fresh)
