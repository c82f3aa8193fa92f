"""What of IPVS is ours, on disk before it is set, so that any later start can adopt it or take it away.

It holds for one boot and one network namespace: with either, the kernel's table has gone too.

Where the file is lost and the kernel's table is not (a state folder that does not outlive its container, or was
emptied), nothing tells our services from another program's. Those by a mark of ours are adopted when they are wanted
(is_surely_ours); the others are left alone and told of as foreign, with the command that removes them.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

from mooring_node.files import boot_id, of_others, read_json, write_atomically
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import ServiceKey

_KNOWN = ("boot", "network", "services", "daemons")


class Owned:
    """The file and what stands in it; a write that would change nothing is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._where = {"boot": boot_id(), "network": _network()}
        raw = read_json(path) or {}
        if {name: raw.get(name) for name in self._where} != self._where:
            raw = {}
        self._others = of_others(raw, _KNOWN)
        self.services = frozenset(_services(raw))
        self.daemons = frozenset(_daemons(raw))

    def write(self, services: Iterable[ServiceKey] | None = None, daemons: Iterable[SyncDaemon] | None = None) -> None:
        """On disk when this returns; None leaves a part as it is. OSError: nothing has changed, on disk or here."""
        new_services = self.services if services is None else frozenset(services)
        new_daemons = self.daemons if daemons is None else frozenset(daemons)
        if (new_services, new_daemons) == (self.services, self.daemons):
            return
        content = {
            **self._others,
            **self._where,
            "services": [list(astuple(each)) for each in sorted(new_services)],
            "daemons": [asdict(each) for each in sorted(new_daemons)],
        }
        write_atomically(self._path, json.dumps(content))
        self.services, self.daemons = new_services, new_daemons


def _network() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def _services(raw: Mapping[str, Any]) -> Iterable[ServiceKey]:
    """Each as five values; what a newer release adds behind them does not make it another service."""
    for each in _list(raw.get("services")):
        with suppress(TypeError, ValueError):
            family, protocol, address, port, mark = each[:5]
            yield ServiceKey(int(family), int(protocol), str(address), int(port), int(mark))


def _daemons(raw: Mapping[str, Any]) -> Iterable[SyncDaemon]:
    known = {each.name for each in fields(SyncDaemon)}
    for each in _list(raw.get("daemons")):
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            kept = {name: value for name, value in each.items() if name in known}
            yield SyncDaemon(**{**kept, "role": Role(each["role"])})


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
