"""The keys in the state folder: a restart without the API has them."""

from pathlib import Path

from mooring_node.agent.keys import KeyBook, References
from mooring_node.files import write_atomically
from mooring_node.log import Log


class Keyring:
    """A KeyBook and its file, which its owner alone can read."""

    def __init__(self, namespace: str, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._failed = False
        try:
            self._saved = path.read_text()
        except (OSError, UnicodeDecodeError):
            self._saved = ""
        self.book = KeyBook(namespace, self._saved)

    def refer(self, references: References) -> None:
        """The configuration names these; see KeyBook.refer."""
        self.book.refer(references)
        self.save()

    def save(self) -> None:
        """On disk when this returns, or said in the log, once; what is not saved is tried again at the next call."""
        text = self.book.to_json()
        if text == self._saved:
            return
        try:
            write_atomically(self._path, text)
        except OSError as error:
            if not self._failed:
                self._log.write("error", f"{self._path}: {error}; after a restart without the API keys may be missing")
            self._failed = True
        else:
            self._saved, self._failed = text, False
