"""The last good configuration on disk."""

from pathlib import Path

from mooring_node.balance.config import BalanceConfig, from_json, to_json
from mooring_node.files import write_atomically


def keep(path: Path, config: BalanceConfig) -> None:
    """Put the last good configuration on disk; where there is nothing to run, there is no file.

    The supervisor runs the checks process while the file is there.
    """
    if config.empty:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, to_json(config))


def kept(path: Path) -> BalanceConfig | None:
    """What `keep` wrote; None where there is nothing to run. OSError, ValueError: it cannot be read."""
    try:
        return from_json(path.read_text())
    except FileNotFoundError:
        return None
