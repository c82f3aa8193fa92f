"""What the operator says of a VirtualServer: its conditions, and its backends as the address's holder sees them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mooring_api.balancing import Protocol
from mooring_api.virtualip_status import Condition
from mooring_api.wire import Wire, keyed_by

#: Of one port; the counts tell of all.
MAX_LISTED_BACKENDS = 64


class BackendState(StrEnum):
    """What a backend is to the balancer."""

    UP = "Up"
    DOWN = "Down"
    DRAINING = "Draining"


class BackendStatus(Wire):
    """One backend."""

    address: str
    """Its address."""
    port: int
    """Its port; 0: whichever the client names (firewall marks)."""
    host: str | None = None
    """What it is: a pod, a node."""
    state: BackendState
    """Up, Down or Draining."""
    reason: str | None = None
    """Why it is not up, in words."""
    since_time: str | None = None
    """Since when, RFC 3339 by that node's clock."""


class ServerPortStatus(Wire):
    """One port, as the node that holds the address has it."""

    name: str
    """The port's name."""
    port: int
    """Its number; 0: a firewall mark."""
    protocol: Protocol
    """What is balanced."""
    addresses: tuple[str, ...] = ()
    """The virtual addresses."""
    node: str | None = None
    """Whose words these are."""
    quorum: bool | None = None
    """Whether there is one."""
    sorry: bool | None = None
    """Whether the sorry server answers."""
    up: int = 0
    """How many backends are up."""
    down: int = 0
    """How many are down."""
    draining: int = 0
    """How many keep their connections alone."""
    backends: Annotated[tuple[BackendStatus, ...], Field(max_length=MAX_LISTED_BACKENDS)] = ()
    """Those that are not up first."""


class VirtualServerStatus(Wire):
    observed_generation: int | None = None
    """The generation of the spec that was planned."""
    conditions: Annotated[tuple[Condition, ...], keyed_by("type")] = ()
    """Accepted, Programmed and Ready."""
    address_summary: str | None = None
    """The addresses, shortened."""
    port_summary: str | None = None
    """The ports, as `443/TCP`."""
    backend_summary: str | None = None
    """How many backends are up, as `2/3`."""
    holder_summary: str | None = None
    """Which nodes balance now."""
    ports: Annotated[tuple[ServerPortStatus, ...], keyed_by("name")] = ()
    """Each port."""
