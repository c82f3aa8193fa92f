"""What of IPVS is ours, on disk before it is set, so that any later start can adopt it or take it away.

It holds for one boot and one network namespace: with either, the kernel's table has gone too.

Where the file is lost and the kernel's table is not (a state folder that does not outlive its container, or was
emptied), nothing tells our services from another program's. Those by a mark of ours are adopted when they are wanted
(is_surely_ours); the others are left alone and told of as foreign, with the command that removes them.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from mooring_node.files import boot_id, read_json, write_atomically
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import ServiceKey


class Owned:
    """The file and what stands in it; a write that would change nothing is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._where = {"boot": boot_id(), "network": _network()}
        raw = read_json(path) or {}
        if {name: raw.get(name) for name in self._where} != self._where:
            raw = {}
        self.services = frozenset(_services(raw))
        self.daemons = frozenset(_daemons(raw))

    def write(self, services: Iterable[ServiceKey] | None = None, daemons: Iterable[SyncDaemon] | None = None) -> None:
        """On disk when this returns; None leaves a part as it is. OSError: nothing has changed, on disk or here."""
        new_services = self.services if services is None else frozenset(services)
        new_daemons = self.daemons if daemons is None else frozenset(daemons)
        if (new_services, new_daemons) == (self.services, self.daemons):
            return
        content = {
            **self._where,
            "services": [list(astuple(each)) for each in sorted(new_services)],
            "daemons": [asdict(each) for each in sorted(new_daemons)],
        }
        write_atomically(self._path, json.dumps(content))
        self.services, self.daemons = new_services, new_daemons


def _network() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def _services(raw: Mapping[str, Any]) -> Iterable[ServiceKey]:
    try:
        for family, protocol, address, port, mark in raw.get("services", ()):
            yield ServiceKey(int(family), int(protocol), str(address), int(port), int(mark))
    except (TypeError, ValueError):
        return


def _daemons(raw: Mapping[str, Any]) -> Iterable[SyncDaemon]:
    try:
        for each in raw.get("daemons", ()):
            yield SyncDaemon(**{**each, "role": Role(each["role"])})
    except (KeyError, TypeError, ValueError):
        return
