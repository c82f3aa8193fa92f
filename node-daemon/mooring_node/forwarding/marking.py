"""Rules of services that leave out what another director has balanced (pure; marks.py allots the marks).

IPVS compares the whole mark, so ours replaces what stands there; it is set in `input` after everybody's filters and
right before IPVS looks (at priorities 98 and 99), and cleared before anybody else does: at the first step of `output`
where IPVS sent the packet on, right after IPVS where the packet stays here. A user's mark that is balanced counts more
than an address and a port, as it does in the kernel, so it is left alone.

What another director has balanced gets no mark. That alone would not do: IPVS might know the connection, from that
director's sync or from a time when this node was the holder, and would send the packet back without asking for any
service (measured: a client that reuses a port is lost). So such a packet is hidden from IPVS: it is shown a protocol
that it does not know, in the header itself, which is mended right after it. No checksum changes with it: IP's was
looked at before, those of TCP and UDP are looked at after. Whose mark it bore, a user's too, is not known after that.
"""

from collections.abc import Iterator

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.forwarding.marks import HIDDEN, families, is_marked, marks
from mooring_node.forwarding.text import (
    ADDRESSED,
    PROTOCOLS,
    SERVICE,
    WORDS,
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
    theirs = [server for server in config.servers if server.mark]
    if not servers and not any(server.other_directors for server in theirs):
        return
    allotted = marks(config)
    clear = []
    if servers:
        yield named_set("ours", "mark", map(number, allotted.values()))
        clear = ["meta mark @ours meta mark set 0"]
    rules, shown = ['iifname "lo" return'], []
    for family in WORDS:
        mine = [server for server in servers if family in families(server)]
        marked = [server for server in theirs if family in server.families]
        hidden = _protocols(mine, marked)
        if hidden:
            yield chain(f"hide{family}", [_hidden(family, protocol) for protocol in hidden])
            shown += [_shown(family, protocol) for protocol in hidden]
        if marked:
            yield from _users(marked, family, unwrapping)
            rules.append(f"meta nfproto ipv{family} meta mark vmap @users{family}")
        if mine:
            own = {server.name: allotted[server.name, family] for server in mine}
            yield from _family(mine, family, own, unwrapping)
            rules.append(f"{ADDRESSED[family]} vmap @ways{family}")
    yield hooked("input", "input", BEFORE_IPVS, rules)
    yield hooked("input_after", "input", AFTER_IPVS, [*shown, *clear])
    if clear:
        yield hooked("output", "output", FIRST, clear)


def _family(servers: list[ServerConfig], family: int, allotted: dict[str, int], unwrapping: list[str]) -> Iterator[str]:
    """A packet's service leads to the chain of its directors, which hides it or gives it the service's mark."""
    groups = _groups(servers)
    numbers, ways = {}, {}
    for server in servers:
        for address in server.addresses:
            if family_of(address) == family:
                service = f"{address} . {server.protocol} . {server.port}"
                numbers[service] = number(allotted[server.name])
                ways[service] = f"goto directors{groups[server.other_directors or ()]}_{family}"
    yield named_map(f"marks{family}", f"{SERVICE[family]} : mark", numbers)
    for macs, place in groups.items():
        rules = [*_left_out(macs, family, unwrapping), f"meta mark set {ADDRESSED[family]} map @marks{family}"]
        yield chain(f"directors{place}_{family}", rules)
    yield named_map(f"ways{family}", f"{SERVICE[family]} : verdict", ways)


def _users(servers: list[ServerConfig], family: int, unwrapping: list[str]) -> Iterator[str]:
    """A user's mark leads to the chain of its directors, which hides the packet or leaves it as it is."""
    groups = _groups(servers)
    for macs, place in groups.items():
        if macs:
            yield chain(f"users{place}_{family}", [*_left_out(macs, family, unwrapping), "accept"])
    ways = {
        number(each.mark): f"goto users{groups[each.other_directors]}_{family}" if each.other_directors else "accept"
        for each in servers
    }
    yield named_map(f"users{family}", "mark : verdict", ways)


def _groups(servers: list[ServerConfig]) -> dict[tuple[str, ...], int]:
    """Equal directors are one chain, of this number."""
    return {macs: place for place, macs in enumerate(sorted({each.other_directors or () for each in servers}))}


def _left_out(macs: tuple[str, ...], family: int, unwrapping: list[str]) -> Iterator[str]:
    """What hides a packet of these directors; without any this node is no backend."""
    if macs:
        yield f"ether saddr {anonymous(macs)} goto hide{family}"
        if unwrapping:
            yield f"iifname {anonymous(unwrapping)} goto hide{family}"


def _protocols(servers: list[ServerConfig], marked: list[ServerConfig]) -> list[int]:
    """The protocols of packets that may have to be hidden; a mark may be on any."""
    if any(server.other_directors for server in marked):
        return sorted(PROTOCOLS)
    return sorted({server.protocol for server in servers if server.other_directors})


def _hidden(family: int, protocol: int) -> str:
    """Where another header stands before the protocol's own nothing is done: it could not be told what to mend."""
    field = _PROTOCOL_FIELD[family]
    return f"{field} {protocol} meta mark set {number(HIDDEN[protocol])} {field} set {UNKNOWN_PROTOCOL} return"


def _shown(family: int, protocol: int) -> str:
    mark = f"meta nfproto ipv{family} meta mark {number(HIDDEN[protocol])}"
    return f"{mark} {_PROTOCOL_FIELD[family]} set {protocol} meta mark set 0 return"
