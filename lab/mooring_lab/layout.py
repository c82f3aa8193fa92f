"""Names and addresses of a lab: which namespaces it has, and the `ip` commands that build each. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

SERVICE_BRIDGE = "service"
MANAGEMENT_BRIDGE = "mgmt"
SERVICE_LINK = "eth0"
MANAGEMENT_LINK = "mgmt0"
#: On each node that has pods; it is their gateway.
POD_BRIDGE = "cni0"
_SWITCH = "switch"
#: Under this name the record keeps what belongs to no machine: the operator, the way to the API server.
CLUSTER = "cluster"
_LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
#: A bridge port is called like its node, with .mgmt for the second one, in at most 15 bytes.
_MEMBER_NAME = re.compile(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?")
_MOST_MEMBERS = 48
#: Whatever the host has set, a member starts from these (a new namespace inherits some of the host's values).
SETTINGS = {
    "net/ipv4/ip_forward": "0",
    **{
        f"net/ipv4/conf/{scope}/{name}": "0"
        for scope in ("all", "default")
        for name in ("rp_filter", "arp_ignore", "arp_announce", "promote_secondaries")
    },
    **{
        f"net/ipv6/conf/{scope}/{name}": "0"
        for scope in ("all", "default")
        for name in ("disable_ipv6", "accept_dad", "accept_ra")
    },
}


# While a client resolves a neighbour, the kernel would keep its packets and deliver them late: they are lost for the
# client of a service, so they must be lost for the measurement.
CLIENT_SETTINGS = {f"net/{family}/neigh/{SERVICE_LINK}/unres_qlen_bytes": "0" for family in ("ipv4", "ipv6")}


#: A node routes for its pods.
ROUTER_SETTINGS = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}


class Role(StrEnum):
    """What a machine of the lab is."""

    NODE = "node"
    CLIENT = "client"
    SERVER = "server"
    """On the segment, and no node: what stands beside a cluster."""
    POD = "pod"
    """Behind a node, in its network of pods."""


#: The byte of a MAC address before the last.
_MAC_BYTES = {Role.NODE: 0, Role.CLIENT: 2, Role.SERVER: 4, Role.POD: 5}


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the lab: a node has two links, any other one."""

    name: str
    index: int
    role: Role = Role.NODE
    host: int = 0
    """A pod's: the index of its node."""

    @property
    def ipv4(self) -> str:
        """On the service bridge: nodes 10.0.0.18, .28, .38, ... (eight in each /24), clients from 10.0.0.200,
        servers from 10.0.16.11. Pods are behind their nodes: from 10.244.0.11 behind the first.
        """
        match self.role:
            case Role.NODE:
                return f"10.0.{self.index // 8}.{18 + 10 * (self.index % 8)}"
            case Role.CLIENT:
                return f"10.0.0.{200 + self.index}"
            case Role.SERVER:
                return f"10.0.16.{11 + self.index}"
            case Role.POD:
                return f"10.244.{self.host}.{11 + self.index}"

    @property
    def ipv6(self) -> str:
        """Reads like the IPv4 address: fd00:10::18 for 10.0.0.18, fd00:10::1:18 for 10.0.1.18."""
        third, fourth = self.ipv4.split(".")[2:]
        if self.role is Role.POD:
            return str(ip_address(f"fd00:244:0:{third}::{fourth}"))
        return f"fd00:10::{fourth}" if third == "0" else f"fd00:10::{third}:{fourth}"

    @property
    def link_local(self) -> str:
        """What the kernel makes of the service link's MAC (RFC 4291, appendix A)."""
        return f"fe80::ff:fe00:{_MAC_BYTES[self.role] << 8 | self.index + 1:x}"

    @property
    def management(self) -> str:
        return f"192.168.77.{self.index + 1}"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:{_MAC_BYTES[self.role]:02x}:{self.index + 1:02x}"

    @property
    def pod_gateways(self) -> tuple[str, str]:
        """A node's addresses in the network of its pods."""
        return f"10.244.{self.index}.1", str(ip_address(f"fd00:244:0:{self.index}::1"))

    @property
    def pod_networks(self) -> tuple[str, str]:
        """A node's networks of pods."""
        return f"10.244.{self.index}.0/24", f"fd00:244:0:{self.index}::/64"

    @property
    def management_mac(self) -> str:
        return f"02:00:00:00:01:{self.index + 1:02x}"

    @property
    def port(self) -> str:
        """Its port on the service bridge."""
        return self.name

    @property
    def management_port(self) -> str:
        return f"{self.name}.mgmt"

    @property
    def ports(self) -> tuple[str, ...]:
        return (self.port, self.management_port) if self.role is Role.NODE else (self.port,)

    @property
    def labels(self) -> dict[str, str]:
        """A node's, in Kubernetes: the lab's nodes are there to carry addresses."""
        return {"kubernetes.io/hostname": self.name, "node-role.kubernetes.io/ingress": ""}

    @property
    def base_addresses(self) -> frozenset[str]:
        """The machine's own addresses, without prefix; whatever else it has, it holds for somebody."""
        own = {self.ipv4, self.ipv6}
        return frozenset(own | {self.management, *self.pod_gateways} if self.role is Role.NODE else own)


@dataclass(frozen=True, slots=True)
class Layout:
    """All machines of one lab. ValueError when a name or number does not fit."""

    lab: str
    nodes: tuple[Member, ...]
    clients: tuple[Member, ...]
    servers: tuple[Member, ...] = ()
    pods: tuple[Member, ...] = ()

    @classmethod
    def named(
        cls,
        lab: str,
        nodes: Sequence[str],
        clients: Sequence[str],
        servers: Sequence[str] = (),
        pods: Sequence[str] = (),
    ) -> "Layout":
        """The pods go round the nodes."""
        if not _LAB_NAME.fullmatch(lab):
            raise ValueError(f"{lab!r} is no name for a lab; use a to z and 0 to 9, at most 16, a letter first")
        names = [*nodes, *clients, *servers, *pods]
        for name in names:
            if not _MEMBER_NAME.fullmatch(name) or name in (_SWITCH, CLUSTER):
                raise ValueError(
                    f"{name!r} is no name for a node; use a to z, 0 to 9 and -, at most 10,"
                    f" not {_SWITCH!r} nor {CLUSTER!r}"
                )
        if len(set(names)) != len(names):
            raise ValueError("two members have one name")
        if not nodes or max(map(len, (nodes, clients, servers, pods))) > _MOST_MEMBERS:
            raise ValueError(f"a lab has 1 to {_MOST_MEMBERS} nodes and up to {_MOST_MEMBERS} of any other kind")

        def made(role: Role, given: Sequence[str]) -> tuple[Member, ...]:
            return tuple(Member(name, index, role, index % len(nodes)) for index, name in enumerate(given))

        return cls(
            lab,
            tuple(Member(name, index) for index, name in enumerate(nodes)),
            made(Role.CLIENT, clients),
            made(Role.SERVER, servers),
            made(Role.POD, pods),
        )

    @property
    def members(self) -> tuple[Member, ...]:
        return self.nodes + self.clients + self.servers + self.pods

    def namespace(self, member: str) -> str:
        return f"mooring-{self.lab}-{member}"

    @property
    def switch(self) -> str:
        """The namespace of the bridges."""
        return self.namespace(_SWITCH)

    @property
    def namespaces(self) -> tuple[str, ...]:
        return (*(self.namespace(member.name) for member in self.members), self.switch)


def switch_commands() -> list[str]:
    """The bridges. No spanning tree and no snooping: a port forwards as soon as it is up."""
    commands = ["link set lo up"]
    for bridge in (SERVICE_BRIDGE, MANAGEMENT_BRIDGE):
        commands += [
            f"link add name {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set dev {bridge} up",
        ]
    return commands


def plug_commands(member: Member, namespace: str) -> list[str]:
    """In the switch's namespace, a pod's in its node's: the member's cables, plugged in."""
    bridge = POD_BRIDGE if member.role is Role.POD else SERVICE_BRIDGE
    commands = [
        f"link add name {member.port} type veth peer name {SERVICE_LINK} address {member.mac} netns {namespace}",
        f"link set dev {member.port} master {bridge} up",
    ]
    if member.role is Role.NODE:
        commands += [
            f"link add name {member.management_port} type veth"
            f" peer name {MANAGEMENT_LINK} address {member.management_mac} netns {namespace}",
            f"link set dev {member.management_port} master {MANAGEMENT_BRIDGE} up",
        ]
    return commands


def member_commands(member: Member) -> list[str]:
    """In the member's namespace: its links and its own addresses."""
    commands = [
        "link set lo up",
        f"addr add {member.ipv4}/{24 if member.role is Role.POD else 16} brd + dev {SERVICE_LINK}",
        f"addr add {member.ipv6}/64 dev {SERVICE_LINK} nodad",
        f"link set dev {SERVICE_LINK} up",
    ]
    if member.role is Role.NODE:
        commands += [
            f"addr add {member.management}/24 brd + dev {MANAGEMENT_LINK}",
            f"link set dev {MANAGEMENT_LINK} up",
        ]
    return commands


def pod_member_commands(node: Member) -> list[str]:
    """In a pod's namespace: its way out is its node."""
    return [f"route add default via {gateway}" for gateway in node.pod_gateways]


def router_commands(node: Member, others: Sequence[Member]) -> list[str]:
    """In a node's namespace: the bridge of its pods, and the ways to those of the other nodes."""
    ipv4, ipv6 = node.pod_gateways
    commands = [
        f"link add name {POD_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"addr add {ipv4}/24 brd + dev {POD_BRIDGE}",
        f"addr add {ipv6}/64 dev {POD_BRIDGE} nodad",
        f"link set dev {POD_BRIDGE} up",
    ]
    for other in others:
        for network, way in zip(other.pod_networks, (other.ipv4, other.ipv6), strict=True):
            commands.append(f"route add {network} via {way} dev {SERVICE_LINK}")
    return commands
