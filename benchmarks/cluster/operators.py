"""An operator of this installation as a process: started, asked, weighed, ended."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from mooring_lab.api.process import free_ports
from mooring_lab.processes import pss_mib
from mooring_lab.wait import wait_until


class Operator:
    """`with Operator(kubeconfig, log) as operator:` runs it until the end of the block."""

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        (port,) = free_ports(1)
        self._address = f"127.0.0.1:{port}"
        self._log = log
        program = Path(sys.executable).with_name("mooring-operator")
        self._command = [
            str(program), "run", "--kubeconfig", str(kubeconfig), "--metrics-address", self._address,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(30)

    def lead(self, timeout_s: float) -> None:
        """Wait until it leads."""
        wait_until(lambda: self.metrics().get("mooring_operator_leader{}") == 1.0, timeout_s, "the operator to lead")

    def metrics(self) -> dict[str, float]:
        """`name{label=value,...}` to value; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=10) as reply:
                text = reply.read().decode()
        except OSError:
            return {}
        return {
            f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": float(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def requests(self) -> dict[str, float]:
        """Its requests that write so far, by kind, verb and result."""
        return {
            name.removeprefix("mooring_operator_writes_total"): value
            for name, value in self.metrics().items()
            if name.startswith("mooring_operator_writes_total")
        }

    def memory_mib(self) -> float:
        """Its proportional set size."""
        assert self._process
        return pss_mib(self._process.pid)

    def cpu_s(self) -> float:
        """What it has used of a processor so far."""
        assert self._process
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
