"""Today's daemon as if it were the release after this one: `python next_daemon.py run ...`.

Of another version and level; what it writes into its state folder has fields that today's does not know: one in
every file, one in each entry of the ledger, and one in the group `api-0`, as if that group could not be run without.
"""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from mooring_node import files, keeping, ledger
from mooring_node.agent import configuration, keyring, observer, report, transitions
from mooring_node.balance import store
from mooring_node.commands import run_command
from mooring_node.forwarding import ledger as forwarding
from mooring_node.ipvs import owned
from mooring_node.vrrp import config, process

VERSION, LEVEL = "0.2.0", 2
LATER = {"later": {"of": VERSION}}
GROUP = "api-0"
_write, _read = files.write_atomically, config.from_json
_WRITERS: tuple[ModuleType, ...] = (keeping, ledger, configuration, keyring, transitions, store, forwarding, owned)
_READERS: tuple[ModuleType, ...] = (keeping, configuration, process)


def write_later(path: Path, text: str) -> None:
    """As the next release would."""
    raw = json.loads(text) | LATER
    entries: list[dict[str, Any]] = []
    if path.name in ("ledger.json", "forwarding.json"):
        entries = [each for field in ("addresses", "settings") for each in raw[field]]
    if path.name == "accepted.json":
        entries = [group for group in raw["groups"] if group["name"] == GROUP]
    for entry in entries:
        entry |= LATER
    _write(path, json.dumps(raw))


def read_later(text: str) -> config.NodeRuntime:
    raw = json.loads(text)
    for group in raw.get("groups", ()):
        group.pop("later", None)
    return _read(json.dumps(raw))


def main() -> int:
    for module in _WRITERS:
        module.write_atomically = write_later  # type: ignore[attr-defined]
    for module in _READERS:
        module.from_json = read_later  # type: ignore[attr-defined]
    keeping.unread = lambda _: ()
    report.LEVEL = LEVEL
    observer.VERSION = VERSION
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
