"""Questions to nf_tables: is a table or a chain there (shell); layout as in Linux' uapi/linux/netfilter/nf_tables.h.

One message each, where `nft list` would start a process and fetch everything.
"""

import errno
import struct
from dataclasses import dataclass

from mooring_node.kernel.exchange import Exchange
from mooring_node.kernel.netlink import attribute, attributes, text

#: socket.NETLINK_NETFILTER is not in Python's module.
NETLINK_NETFILTER = 12
INET, IPV4, IPV6 = 1, 2, 10

_SUBSYSTEM = 10 << 8
_NEWTABLE, _GETTABLE = _SUBSYSTEM | 0, _SUBSYSTEM | 1
_NEWCHAIN, _GETCHAIN = _SUBSYSTEM | 3, _SUBSYSTEM | 4
_TABLE_NAME, _TABLE_USE, _TABLE_HANDLE = 1, 3, 4
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_NFGENMSG = struct.Struct("!BBH")


@dataclass(frozen=True, slots=True)
class TableMarker:
    """A table as it was made: another `handle` is another table, another `use` has other chains and sets."""

    handle: bytes
    use: bytes


class NfTables:
    """Asks the kernel; OSError where it does not answer (EPERM, or no nf_tables at all)."""

    def __init__(self) -> None:
        self._exchange = Exchange(NETLINK_NETFILTER)

    def table(self, family: int, name: str) -> TableMarker | None:
        """The table; None where there is none."""
        body = _NFGENMSG.pack(family, 0, 0) + attribute(_TABLE_NAME, text(name))
        found = self._ask(_GETTABLE, _NEWTABLE, body)
        return None if found is None else TableMarker(found.get(_TABLE_HANDLE, b""), found.get(_TABLE_USE, b""))

    def has_chain(self, family: int, table: str, name: str) -> bool:
        """Whether a table has this chain; iptables-nft keeps its own in tables as nftables does."""
        members = attribute(_CHAIN_TABLE, text(table)) + attribute(_CHAIN_NAME, text(name))
        return self._ask(_GETCHAIN, _NEWCHAIN, _NFGENMSG.pack(family, 0, 0) + members) is not None

    def close(self) -> None:
        self._exchange.close()

    def _ask(self, kind: int, wanted: int, body: bytes) -> dict[int, bytes] | None:
        try:
            answers = self._exchange.ask(kind, body)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return next((attributes(each.body, _NFGENMSG.size) for each in answers if each.kind == wanted), None)
