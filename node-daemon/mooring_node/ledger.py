"""What the daemon may have set on this node, on disk before it is set, so that any later start can undo it.

Addresses: those that the accepted configuration may hold. They are undone only where they end by
themselves (ours have a lease), so an address that a person set for good is never touched. Settings of
interfaces: the value before ours, put back only where the value is still ours.
"""

import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mooring_node.files import boot_id, of_others, read_entries, read_json, write_atomically
from mooring_node.kernel.addresses import delete_batch
from mooring_node.kernel.links import settings_batch
from mooring_node.kernel.rtnetlink import Rtnetlink, is_ours
from mooring_node.vrrp.config import GroupConfig

_KNOWN = ("boot", "addresses", "settings")


@dataclass(frozen=True, slots=True, order=True)
class LedgerAddress:
    interface: str
    address: str
    prefix_length: int


@dataclass(frozen=True, slots=True, order=True)
class LedgerSetting:
    """An interface's setting that we change: its value before, and ours."""

    interface: str
    name: str
    before: int
    ours: int


@dataclass(frozen=True, slots=True)
class Entries:
    addresses: frozenset[LedgerAddress] = frozenset()
    settings: frozenset[LedgerSetting] = frozenset()


def addresses_of(groups: Iterable[GroupConfig]) -> frozenset[LedgerAddress]:
    """Everything that these groups may set."""
    return frozenset(
        LedgerAddress(each.interface, each.address, each.prefix_length)
        for group in groups
        for each in group.addresses()
    )


class Ledger:
    """The file; every write replaces it whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Entries:
        """What stands there; settings of an earlier boot are gone with it."""
        raw = read_json(self._path)
        if raw is None:
            return Entries()
        addresses = frozenset(read_entries(LedgerAddress, raw.get("addresses")))
        settings = frozenset(read_entries(LedgerSetting, raw.get("settings")))
        return Entries(addresses, settings if raw.get("boot") == boot_id() else frozenset())

    def unknown(self) -> dict[str, Any]:
        """What a newer release has set in this boot, and this one cannot undo."""
        raw = read_json(self._path)
        return of_others(raw, _KNOWN) if raw and raw.get("boot") == boot_id() else {}

    def write(self, entries: Entries) -> None:
        """On disk when this returns; nothing is written where it would change nothing."""
        if entries == self.read():
            return
        content = {
            **self.unknown(),
            "boot": boot_id(),
            "addresses": [asdict(each) for each in sorted(entries.addresses)],
            "settings": [asdict(each) for each in sorted(entries.settings)],
        }
        write_atomically(self._path, json.dumps(content, indent=1))


def undo_addresses(rtnetlink: Rtnetlink, addresses: frozenset[LedgerAddress]) -> int:
    """Delete those of `addresses` that are there with a lease; how many."""
    if not addresses:
        return 0
    names = {link.index: link.name for link in rtnetlink.links()}
    found = [
        each
        for each in rtnetlink.addresses()
        if is_ours(each)
        and LedgerAddress(
            names.get(each.interface_index, ""), socket.inet_ntop(each.family, each.address), each.prefix_length
        )
        in addresses
    ]
    if found:
        rtnetlink.apply(delete_batch(found))
    return len(found)


def undo_settings(rtnetlink: Rtnetlink, settings: frozenset[LedgerSetting]) -> int:
    """Put settings back that still have our value; how many."""
    links = {link.name: link for link in rtnetlink.links()}
    done = 0
    for each in settings:
        link = links.get(each.interface)
        if link is not None and link.settings.get(each.name) == each.ours and each.before != each.ours:
            rtnetlink.apply(settings_batch(link.index, {each.name: each.before}))
            done += 1
    return done
