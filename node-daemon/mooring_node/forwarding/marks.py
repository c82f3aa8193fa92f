"""Firewall marks of the services that several directors share, each of which may be a backend too (pure).

What another director has balanced already is to be left out where this node is a backend. A service of an address can't
do that, one of a mark can. Whether a node is a backend changes with each of them that comes and goes, and another
service would know none of the connections; so all directors have the mark, always, and other rules come and go alone.

The kernel compares the whole mark of a packet with a service's, so a mark of ours stands alone on a packet. Ours have
the highest bit, which no mark of a user has (his end at 0x7fffffff), and neither bit of kube-proxy's (0x4000 asks
for masquerade, 0x8000 for a drop). The rules set them right before IPVS looks and clear them right after it (see
rules.py), so no other program's rule ever sees one.
"""

import hashlib
from collections.abc import Iterator, Mapping

from mooring_node.balance.config import BalanceConfig, ServerConfig
from mooring_node.ipvs.table import OUR_MARKS, SCTP, TCP, UDP

OURS = OUR_MARKS
KUBE_PROXY = 0x0000_C000
#: What was hidden from IPVS bears one of these until it is shown again, by its protocol.
HIDDEN = {TCP: OURS | TCP, UDP: OURS | UDP, SCTP: OURS | SCTP}


def marks(config: BalanceConfig) -> Mapping[tuple[str, int], int]:
    """The mark of each server that directors share, by its name and family (4 or 6).

    It follows from the name alone, so it stays while the server stays, and is the same on every node: connections
    that nodes tell each other of carry it.
    """
    found: dict[tuple[str, int], int] = {}
    taken = set(HIDDEN.values())
    for key in sorted(_marked(config)):
        mark = next(each for each in _candidates(*key) if each not in taken)
        taken.add(mark)
        found[key] = mark
    return found


def is_marked(server: ServerConfig) -> bool:
    """Whether the services of a server are of a mark of ours."""
    return server.other_directors is not None and not server.mark


def families(server: ServerConfig) -> frozenset[int]:
    """The families of a server's addresses, 4 and 6."""
    return frozenset(6 if ":" in each else 4 for each in server.addresses)


def _marked(config: BalanceConfig) -> set[tuple[str, int]]:
    return {(server.name, family) for server in config.servers if is_marked(server) for family in families(server)}


def _candidates(name: str, family: int) -> Iterator[int]:
    attempt = 0
    while True:
        digest = hashlib.sha256(f"{family} {attempt} {name}".encode()).digest()
        yield (int.from_bytes(digest[:4]) | OURS) & ~KUBE_PROXY
        attempt += 1
