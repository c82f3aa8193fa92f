"""Interfaces and ports at which the kernel unwraps what directors sent through tunnels (shell over netlink).

What IPVS wraps, the kernel's fallback interfaces unwrap (tunl0, gre0, ip6tnl0, ip6gre0): they take what no other
tunnel claims, once they are up. A CNI that has them up already keeps them as they are. An interface of our own
would be no better: the kernel allows no second one that takes everything, and one with metadata would take the
CNI's packets too.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping

from mooring_node.forwarding import sysctls
from mooring_node.forwarding.fou import Fou
from mooring_node.forwarding.wanted import LOOSE, GuePort, Unwrapping
from mooring_node.kernel.links import Link
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.kernel.tunnels import create_batch, up_batch
from mooring_node.ledger import LedgerSetting

ALL_RP_FILTER = "net/ipv4/conf/all/rp_filter"
RP_FILTER = "rp_filter"
STRICT = 1


class Decapsulation:
    """Sets up what is asked for; refusals by the name of the interface, or by "family port"."""

    def __init__(self, rtnetlink: Rtnetlink) -> None:
        self._rtnetlink = rtnetlink

    def loose(self, unwrapping: Iterable[Unwrapping], links: Mapping[str, Link]) -> Iterator[LedgerSetting]:
        """The reverse path must not be checked strictly: a client's packets come by the tunnel and go by another way.

        The kernel takes the larger value of this interface's and `all`, so loose (2) wins over both others.
        """
        overall = int(sysctls.read(ALL_RP_FILTER) or 0)
        for each in unwrapping:
            there = links[each.name].settings.get(RP_FILTER, 0) if each.name in links else 0
            if max(overall, there) == STRICT or there == LOOSE:
                yield LedgerSetting(each.name, RP_FILTER, there, LOOSE)

    def needed_ports(self, ports: frozenset[GuePort], ours: frozenset[GuePort]) -> frozenset[GuePort]:
        """Those that are ours to add, or were added by us; one that somebody else opened for GUE stays his."""
        if not ports:
            return frozenset()
        try:
            with Fou() as fou:
                return ports & ours | (ports - fou.ports())
        except OSError:
            return ports

    def ensure(
        self, unwrapping: Iterable[Unwrapping], ports: frozenset[GuePort], links: Mapping[str, Link]
    ) -> tuple[frozenset[str], Mapping[str, str]]:
        """The interfaces that we made, and what was refused."""
        made: set[str] = set()
        refused: dict[str, str] = {}
        missing = [each for each in unwrapping if each.name not in links]
        for each in missing:
            failures = self._rtnetlink.apply(create_batch(each.name, each.kind))
            if not failures:
                made.add(each.name)
            elif failures[0].errno != errno.EEXIST:
                reason = failures[0].reason or os.strerror(failures[0].errno)
                refused[each.name] = f"the kernel cannot make {each.name}: {reason}; load its module {each.kind}"
        there = {link.name: link for link in self._rtnetlink.links()} if missing else links
        for each in unwrapping:
            if each.name in there and not there[each.name].up:
                for failure in self._rtnetlink.apply(up_batch(there[each.name].index, up=True)):
                    reason = failure.reason or os.strerror(failure.errno)
                    refused[each.name] = f"{each.name} could not be set up: {reason}"
        return frozenset(made), {**refused, **_open(ports)}


def _open(ports: frozenset[GuePort]) -> Mapping[str, str]:
    if not ports:
        return {}
    try:
        with Fou() as fou:
            refused = fou.add(ports - fou.ports())
    except OSError as error:
        words = f"the kernel has no GUE ({error.strerror}); load its module fou"
        return {f"{each.family} {each.port}": words for each in ports}
    return {f"{each.family} {each.port}": f"UDP port {each.port}: {words}" for each, words in refused.items()}
