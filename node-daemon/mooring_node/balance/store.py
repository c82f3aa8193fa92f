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


class Kept:
    """The file as a process sees it that runs what stands in it: read only where it is another one than before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._read = False
        self.gone = False
        """There was none when it was last looked for."""

    def changed(self) -> BalanceConfig | None:
        """What is to run from now on; None: as before.

        ValueError: nothing can be made of it, said once for each. OSError: it cannot be read now; it is tried again.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            seen = None
        else:
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        self.gone = seen is None
        if self._read and seen == self._seen:
            return None
        self._seen, self._read = seen, True
        try:
            return kept(self._path) or BalanceConfig(generation=0)
        except OSError:
            self._read = False
            raise

    def forget(self) -> None:
        """Read it again, whatever it looks like."""
        self._read = False
