"""Rules that make this node the client of backends by NAT, so that they answer through it (pure).

nftables cannot ask whether IPVS sent a packet. But IPVS keeps the connection that conntrack began when the packet came
in (net.ipv4.vs.conntrack = 1), so the original destination of the connection is still the virtual address and port,
and a packet that leaves for an address that is not this node's was sent to a backend by NAT: what leaves by direct
routing still bears the virtual address, and what leaves in a tunnel is a connection of its own.
"""

from collections.abc import Iterable, Iterator

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.forwarding.text import ADDRESS, PROTOCOLS, WORDS, family_of, hooked, named_set, number
from mooring_node.ipvs.table import Method

#: NF_IP_PRI_NAT_SRC, where everybody's rules of this kind are.
PRIORITY = 100

_ACTION = "fib daddr type != local masquerade fully-random"


def masquerades(server: ServerConfig) -> bool:
    """Whether backends of this server are to see this node as the client."""
    ways = [each.way for each in server.backends] + ([server.sorry.way] if server.sorry else [])
    return server.masquerade and any(way.method is Method.MASQUERADE for way in ways)


def masquerade(config: BalanceConfig) -> Iterator[str]:
    """Sets and the chain; nothing where no server needs it."""
    servers = [server for server in config.servers if masquerades(server)]
    rules = []
    for family, word in WORDS.items():
        for protocol, name in PROTOCOLS.items():
            if ports := _ports(servers, family, protocol):
                ports_name = f"masquerade_{name}{family}"
                yield named_set(ports_name, f"{ADDRESS[family]} . inet_service", ports)
                # nft knows what a port of conntrack's is only where the rule names the protocol before.
                original = f"ct original {word} daddr . ct original proto-dst @{ports_name}"
                rules.append(f"meta l4proto {name} {original} {_ACTION}")
        if marked := [number(each.mark) for each in servers if each.mark and family in each.families]:
            yield named_set(f"masquerade_marks{family}", "mark", marked)
            rules.append(f"meta nfproto ipv{family} meta mark @masquerade_marks{family} {_ACTION}")
    if rules:
        yield hooked("postrouting", "postrouting", PRIORITY, rules, "nat")


def _ports(servers: Iterable[ServerConfig], family: int, protocol: int) -> list[str]:
    return [
        f"{address} . {server.port}"
        for server in servers
        if not server.mark and server.protocol == protocol
        for address in server.addresses
        if family_of(address) == family
    ]
