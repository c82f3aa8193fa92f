"""A NodeConfig in which every field stands that may ever be written: whoever takes it knows all of them.

The API server is asked what it thinks of it and stores nothing, so nothing here need make sense on a node. A test holds
it against the definitions.
"""

from typing import Any

from mooring_api.levels import LEVEL

Document = dict[str, Any]

_AUTHENTICATION: Document = {"type": "Password", "secretRef": {"name": "vrrp"}, "keyVersion": "1"}
_UNICAST: Document = {"type": "Unicast", "peers": ["192.0.2.12"]}
_MULTICAST: Document = {"type": "Multicast", "group": "224.0.0.18"}
_REQUESTS: list[Document] = [
    {"virtualHost": "b.example", "bodyPattern": "well"},
    {"digest": {"md5": "0" * 32}},
    {"digest": {"sha256": "0" * 64}},
]
_CHECKS: tuple[Document, ...] = (
    {
        "name": "tcp",
        "tcp": {},
        "intervalDown": "1s",
        "warmup": "1s",
        "connectAddress": "192.0.2.2",
        "connectPort": 80,
        "bindAddress": "192.0.2.11",
        "bindPort": 1024,
        "firewallMark": 1,
    },
    {"name": "http", "bindInterface": "eth0", "http": {"virtualHost": "a.example", "requests": _REQUESTS}},
    {
        "name": "https",
        "https": {
            "virtualHost": "a.example",
            "serverName": "a.example",
            "certificate": "Verify",
            "authorities": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "requests": _REQUESTS,
        },
    },
    {"name": "smtp", "smtp": {}},
    {"name": "script", "script": {"file": "look", "arguments": ["now"]}},
    {"name": "dns", "dns": {}},
    {"name": "udp", "udp": {"payload": "00", "requireReply": True, "reply": "00", "replyMask": "ff"}},
    {"name": "ping", "ping": {}},
)

SPEC: Document = {
    "instances": [
        {
            "name": "web-0",
            "virtualIP": "web",
            "syncGroup": "web-0",
            "interface": "eth0",
            "virtualRouterID": 1,
            "version": 2,
            "advertisementInterval": "1s",
            "transport": {**_UNICAST, "source": "192.0.2.11"},
            "authentication": _AUTHENTICATION,
            "alsoAccept": [
                {"virtualRouterID": 2, "version": 2, "authentication": _AUTHENTICATION, "transport": _UNICAST}
            ],
            "lease": "3s",
            "addresses": [{"address": "192.0.2.1/24", "interface": "eth0", "label": "eth0:0"}],
            "tracking": [
                {
                    "name": "shop",
                    "virtualServer": {"name": "shop/shop"},
                    "effect": {"type": "AdjustPriority", "weight": -20},
                }
            ],
            "requiredLevel": LEVEL,
        },
        {
            "name": "cast-0",
            "virtualRouterID": 3,
            "transport": _MULTICAST,
            "alsoAccept": [{"virtualRouterID": 4, "transport": _MULTICAST}],
            "addresses": [{"address": "192.0.2.3/24"}],
        },
    ],
    "virtualServers": [
        {
            "name": "shop/shop:https",
            "virtualServer": "shop/shop",
            "addresses": ["192.0.2.1"],
            "port": 443,
            "protocol": "UDP",
            "schedulerFlags": ["Fallback"],
            "tunnel": {"type": "GUE", "port": 6080},
            "persistence": {"engine": "SIP"},
            "backends": [
                {
                    "address": "192.0.2.2",
                    "port": 8443,
                    "connectionLimits": {"upper": 2, "lower": 1},
                    "forwarding": "NAT",
                    "host": "shop-1",
                }
            ],
            "sorryServer": {"address": "192.0.2.4", "port": 80, "forwarding": "NAT"},
            "healthChecks": list(_CHECKS),
            "notifications": [{"on": ["QuorumUp"], "script": {"file": "tell", "arguments": ["now"]}}],
            "otherDirectors": ["02:00:00:00:00:01"],
            "requiredLevel": LEVEL,
        },
        {"name": "shop/mark", "firewallMark": 1, "family": "IPv4"},
    ],
    "backendAddresses": [{"address": "192.0.2.1", "interfaces": ["eth0"], "tunnel": "GUE", "tunnelPort": 6080}],
    "portGuards": [{"addresses": ["192.0.2.1"], "mode": "Monitor", "ports": [{"protocol": "TCP", "port": 443}]}],
    "connectionSync": {"interface": "eth0"},
}
SAMPLE: Document = {
    "apiVersion": "mooring.dev/v1alpha1",
    "kind": "NodeConfig",
    "metadata": {"name": "mooring-operator-asks"},
    "spec": SPEC,
}
