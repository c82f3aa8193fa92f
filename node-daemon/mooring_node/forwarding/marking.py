"""Rules of services that leave out what another director has balanced (pure; marks.py allots the marks).

IPVS compares the whole mark, so ours replaces what stands there; it is set in `input` after everybody's filters and
right before IPVS looks (at priorities 98 and 99), and cleared before anybody else does: at the first step of `output`
where IPVS sent the packet on, right after IPVS where the packet stays here.

What another director has balanced gets no mark. That alone would not do: IPVS might know the connection, from that
director's sync or from a time when this node was the holder, and would send the packet back without asking for any
service (measured: a client that reuses a port is lost). So such a packet is hidden from IPVS: it is shown a protocol
that it does not know, in the header itself, which is mended right after it. No checksum changes with it: IP's was
looked at before, those of TCP and UDP are looked at after.
"""

from collections.abc import Iterator

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.forwarding.marks import HIDDEN, families, is_marked, marks
from mooring_node.forwarding.text import (
    ADDRESSED,
    SERVICE,
    anonymous,
    chain,
    family_of,
    hooked,
    named_map,
    named_set,
    number,
)

#: IPVS hooks into `input` at 98 and 99 (NF_IP_PRI_NAT_SRC - 2 and - 1).
BEFORE_IPVS = 90
AFTER_IPVS = 110
#: Before connection tracking and before everybody else's `output`.
FIRST = -500
#: IPVS passes over protocols that it does not know: this one is for experiments (RFC 3692), and on no wire.
UNKNOWN_PROTOCOL = 253
#: Where the protocol stands in the header, raw: nft corrects no checksum for it.
_PROTOCOL_FIELD = {4: "@nh,72,8", 6: "@nh,48,8"}


def marking(config: BalanceConfig, unwrapping: list[str]) -> Iterator[str]:
    """Maps and chains; nothing where no server needs a mark. Packets on `unwrapping` were balanced already."""
    servers = [server for server in config.servers if is_marked(server)]
    if not servers:
        return
    allotted = marks(config)
    yield named_set("ours", "mark", map(number, allotted.values()))
    clear = "meta mark @ours meta mark set 0"
    rules, shown = ['iifname "lo" return'], []
    for family in sorted({family for server in servers for family in families(server)}):
        mine = [server for server in servers if family in families(server)]
        yield from _family(mine, family, {server.name: allotted[server.name, family] for server in mine}, unwrapping)
        rules.append(f"{ADDRESSED[family]} vmap @ways{family}")
        shown += [_shown(family, protocol) for protocol in _protocols(mine)]
    yield hooked("input", "input", BEFORE_IPVS, rules)
    yield hooked("input_after", "input", AFTER_IPVS, [*shown, clear])
    yield hooked("output", "output", FIRST, [clear])


def _family(servers: list[ServerConfig], family: int, allotted: dict[str, int], unwrapping: list[str]) -> Iterator[str]:
    """A packet's service leads to the chain of its directors, which hides it or gives it the service's mark."""
    groups = {macs: place for place, macs in enumerate(sorted({server.other_directors for server in servers}))}
    numbers, ways = {}, {}
    for server in servers:
        for address in server.addresses:
            if family_of(address) == family:
                service = f"{address} . {server.protocol} . {server.port}"
                numbers[service] = number(allotted[server.name])
                ways[service] = f"goto directors{groups[server.other_directors]}_{family}"
    yield named_map(f"marks{family}", f"{SERVICE[family]} : mark", numbers)
    yield chain(f"hide{family}", [_hidden(family, protocol) for protocol in _protocols(servers)])
    for macs, place in groups.items():
        rules = [f"ether saddr {anonymous(macs)} goto hide{family}"]
        if unwrapping:
            rules.append(f"iifname {anonymous(unwrapping)} goto hide{family}")
        rules.append(f"meta mark set {ADDRESSED[family]} map @marks{family}")
        yield chain(f"directors{place}_{family}", rules)
    yield named_map(f"ways{family}", f"{SERVICE[family]} : verdict", ways)


def _protocols(servers: list[ServerConfig]) -> list[int]:
    return sorted({server.protocol for server in servers})


def _hidden(family: int, protocol: int) -> str:
    """Where another header stands before the protocol's own nothing is done: it could not be told what to mend."""
    field = _PROTOCOL_FIELD[family]
    return f"{field} {protocol} meta mark set {number(HIDDEN[protocol])} {field} set {UNKNOWN_PROTOCOL} return"


def _shown(family: int, protocol: int) -> str:
    mark = f"meta nfproto ipv{family} meta mark {number(HIDDEN[protocol])}"
    return f"{mark} {_PROTOCOL_FIELD[family]} set {protocol} meta mark set 0 return"
