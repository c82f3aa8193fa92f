"""A measurement that runs in a machine of the lab."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from mooring_lab.probe import Recording, Result, analyse
from mooring_lab.rights import LabError

_END_SECONDS = 30.0


class Measurement:
    """A running measurement; `with lab.client.measure(addresses) as m:` ends it, and then `m.result()` is there."""

    def __init__(self, command: Sequence[str], output: Path) -> None:
        self._output = output
        self._recording: Recording | None = None
        self._process = subprocess.Popen(
            [*command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            _, error = self._process.communicate()
            raise LabError(f"the measurement did not start: {error.decode(errors='replace').strip()}")

    def wait(self) -> Recording:
        """Wait for the end of one that has a number of requests; what it recorded."""
        self._process.wait(_END_SECONDS)
        return self.stop()

    @staticmethod
    def now() -> int:
        """The time as the measurement counts it, for `result(start, end)`."""
        return time.monotonic_ns()

    def stop(self) -> Recording:
        """End it; what it recorded."""
        if self._recording is None:
            _, error = self._process.communicate(timeout=_END_SECONDS)
            if self._process.returncode:
                raise LabError(f"the measurement failed: {error.decode(errors='replace').strip()}")
            self._recording = Recording.of_json(json.loads(self._output.read_text(encoding="utf-8")))
            self._output.unlink()
        return self._recording

    def result(self, start: int = 0, end: int | None = None) -> Result:
        """End it where it still runs, and say what the client saw from `start` to before `end`."""
        return analyse(self.stop(), start, end)

    def __enter__(self) -> "Measurement":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self._process.kill()
            self._process.communicate()
            self._output.unlink(missing_ok=True)
