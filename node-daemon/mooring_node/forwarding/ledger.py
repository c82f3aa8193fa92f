"""What forwarding has set on this node beside rules, on disk before it is set, so that any later start can undo it.

A file of its own: the checks process writes it, while the ledger of addresses and interface settings is the
agent's (mooring_node.ledger). Everything in it ends with the boot.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mooring_node.files import boot_id, of_others, read_entries, read_json, write_atomically
from mooring_node.forwarding.wanted import GuePort
from mooring_node.ledger import LedgerAddress, LedgerSetting


@dataclass(frozen=True, slots=True, order=True)
class LedgerSysctl:
    """A kernel setting that we change, by its path under /proc/sys: its value before, and ours."""

    path: str
    before: str
    ours: str


@dataclass(frozen=True, slots=True)
class Entries:
    """`made` are interfaces that we made, `raised` those that were down before us."""

    addresses: frozenset[LedgerAddress] = frozenset()
    settings: frozenset[LedgerSetting] = frozenset()
    sysctls: frozenset[LedgerSysctl] = frozenset()
    made: frozenset[str] = frozenset()
    raised: frozenset[str] = frozenset()
    ports: frozenset[GuePort] = frozenset()
    rules: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to undo."""
        return self == Entries()


_KNOWN = ("boot", *(each.name for each in fields(Entries)))


class ForwardingLedger:
    """The file; every write replaces it whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Entries:
        """What stands there; what an earlier boot had set is gone with it."""
        raw = self._raw()
        return Entries(
            addresses=frozenset(read_entries(LedgerAddress, raw.get("addresses"))),
            settings=frozenset(read_entries(LedgerSetting, raw.get("settings"))),
            sysctls=frozenset(read_entries(LedgerSysctl, raw.get("sysctls"))),
            made=frozenset(_names(raw.get("made"))),
            raised=frozenset(_names(raw.get("raised"))),
            ports=frozenset(read_entries(GuePort, raw.get("ports"))),
            rules=bool(raw.get("rules")),
        )

    def _raw(self) -> Mapping[str, Any]:
        raw = read_json(self._path)
        return raw if raw is not None and raw.get("boot") == boot_id() else {}

    def write(self, entries: Entries) -> None:
        """On disk when this returns (OSError: it is not); nothing is written where it would change nothing."""
        if entries == self.read():
            return
        content = {
            **of_others(self._raw(), _KNOWN),
            "boot": boot_id(),
            "addresses": _plain(entries.addresses),
            "settings": _plain(entries.settings),
            "sysctls": _plain(entries.sysctls),
            "made": sorted(entries.made),
            "raised": sorted(entries.raised),
            "ports": _plain(entries.ports),
            "rules": entries.rules,
        }
        write_atomically(self._path, json.dumps(content, indent=1))


def _names(raw: object) -> list[str]:
    return [each for each in raw if isinstance(each, str)] if isinstance(raw, list) else []


def _plain(values: Iterable[LedgerAddress | LedgerSetting | LedgerSysctl | GuePort]) -> list[dict[str, object]]:
    return sorted((asdict(each) for each in values), key=str)
