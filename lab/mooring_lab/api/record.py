"""What a started API server is found by: a file in its folder, there from before its first process to its end."""

import json
import os
from pathlib import Path
from typing import Any

from mooring_lab.rights import LabError
from mooring_lab.store import write_atomically


class Record:
    """The file, and what stands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, content: dict[str, Any]) -> None:
        """Write it, whole and before any process; LabError when another start was here before."""
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        write_atomically(beside, json.dumps(content, indent=2) + "\n", 0o600)
        try:
            os.link(beside, self.path)
        except FileExistsError as error:
            folder = self.path.parent
            raise LabError(f"an API server of {folder} is up, or something is left of one; stop it") from error
        finally:
            beside.unlink()

    def read(self) -> dict[str, Any]:
        """LabError where none was started."""
        try:
            content: dict[str, Any] = json.loads(self.path.read_text())
        except FileNotFoundError as error:
            raise LabError(f"no API server was started in {self.path.parent}") from error
        return content
