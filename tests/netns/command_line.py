"""`mooring lab` as a person types it."""

import subprocess
import sys

from mooring_lab.lab import Lab

_PROGRAM = [sys.executable, "-c", "import sys; from mooring_cli.main import main; sys.exit(main())", "lab"]


def mooring(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, with --name behind the lab's command."""
    whole = [*_PROGRAM, words[0], "--name", lab.name, *words[1:]]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)
