"""What the command line tells the agent."""

from dataclasses import dataclass
from pathlib import Path

from mooring_node.agent.interfaces import Choice


@dataclass(frozen=True, slots=True)
class ApiSource:
    """A NodeConfig of the API; no kubeconfig: the service account of this pod."""

    node: str
    namespace: str
    kubeconfig: Path | None
    choice: Choice
    """Which interfaces are told of."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the command line says."""

    source: Path | ApiSource
    """Where the NodeConfig is: a file, or the API."""
    metrics_address: str
    metrics_port: int
    """0: no metrics."""
    json_logs: bool
    judge: tuple[str, ...]
    """How the process is started that judges NodeConfigs."""
    checks_only: bool = False
    """There is no VRRP process: nothing is held here."""
    preflight: tuple[str, ...] = ()
    """How the node is looked at now and then; empty: it is not."""

    @property
    def node(self) -> str:
        """The Node's name; empty: a file does not say it before it is read."""
        return self.source.node if isinstance(self.source, ApiSource) else ""
