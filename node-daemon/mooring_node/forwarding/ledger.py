"""What forwarding has set on this node beside rules, on disk before it is set, so that any later start can undo it.

A file of its own: the checks process writes it, while the ledger of addresses and interface settings is the
agent's (mooring_node.ledger). Everything in it ends with the boot.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mooring_node.files import boot_id, read_json, write_atomically
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


class ForwardingLedger:
    """The file; every write replaces it whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Entries:
        """What stands there; what an earlier boot had set is gone with it."""
        raw = read_json(self._path)
        if raw is None or raw.get("boot") != boot_id():
            return Entries()
        try:
            return Entries(
                addresses=frozenset(LedgerAddress(**each) for each in raw["addresses"]),
                settings=frozenset(LedgerSetting(**each) for each in raw["settings"]),
                sysctls=frozenset(LedgerSysctl(**each) for each in raw["sysctls"]),
                made=frozenset(map(str, raw["made"])),
                raised=frozenset(map(str, raw["raised"])),
                ports=frozenset(GuePort(**each) for each in raw["ports"]),
                rules=bool(raw["rules"]),
            )
        except (KeyError, TypeError):
            return Entries()

    def write(self, entries: Entries) -> None:
        """On disk when this returns (OSError: it is not); nothing is written where it would change nothing."""
        if entries == self.read():
            return
        content = {
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


def _plain(values: Iterable[LedgerAddress | LedgerSetting | LedgerSysctl | GuePort]) -> list[dict[str, object]]:
    return sorted((asdict(each) for each in values), key=str)
