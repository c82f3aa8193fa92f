"""A port of a VirtualServer as nodes get it: one entry, of which nodes differ in addresses, zone and neighbours."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pydantic import ValidationError

from mooring_api.balancing import Forwarding, SorryServer
from mooring_api.node_server import NodeBackend, NodeVirtualServer
from mooring_api.virtualserver import ConnectionSyncMode, VirtualServer, Zones
from mooring_api.vrrp import Family
from mooring_api.wire import problems_of
from mooring_operator.plan.servers.backends import Candidate, family_of, of_zone
from mooring_operator.plan.servers.plans import PortPlan
from mooring_operator.plan.snapshot import server_age

#: Addresses, zone, MACs of other directors.
_Key = tuple[tuple[str, ...], str | None, tuple[str, ...]]


class Made(NamedTuple):
    """What a node gets of an entry, how many bytes that takes in its NodeConfig, or why it can't be made."""

    server: NodeVirtualServer | None
    size: int
    refused: str = ""


@dataclass(frozen=True)
class Entry:
    """What all nodes have in common, and what was made of it for some of them."""

    plan: PortPlan
    server: VirtualServer
    candidates: tuple[Candidate, ...] = ()
    sorry: SorryServer | None = None
    sorry_homes: tuple[str, ...] = ()
    """Without NAT: the node whose own address it is, or two that both claim it."""
    not_ready: tuple[Candidate, ...] = ()
    """Without NAT: endpoints that nodes are not given, and that have connections."""
    _made: dict[_Key, Made] = field(default_factory=dict, compare=False, repr=False, hash=False)

    @property
    def virtual_ip(self) -> str:
        return self.server.spec.virtual_ip_ref.name

    @cached_property
    def age(self) -> tuple[tuple[bool, str, str], str]:
        """A sorting key, the oldest VirtualServer first."""
        return server_age(self.server), self.plan.entry

    @cached_property
    def homes(self) -> frozenset[str]:
        """Nodes whose own servers answer for the virtual addresses."""
        return frozenset(self.sorry_homes).union(*(c.homes for c in (*self.candidates, *self.not_ready)))

    @property
    def synced(self) -> bool:
        return self.server.spec.connection_sync is ConnectionSyncMode.ENABLED

    def among(self, held: Collection[str]) -> tuple[str, ...]:
        """Which of its addresses are held."""
        return tuple(address for address in self.plan.addresses if address in held)

    def on(self, addresses: tuple[str, ...], zone: str | None, directors: tuple[str, ...]) -> Made:
        """What a node gets; equal arguments give one object."""
        service = self.server.spec.backends.service
        near = zone if service is not None and service.zones is Zones.PREFER_SAME else None
        key = (addresses, near, directors)
        if key not in self._made:
            try:
                made = self._make(*key)
                self._made[key] = Made(made, len(made.model_dump_json(by_alias=True, exclude_none=True)))
            except ValidationError as error:
                first = problems_of(error, "")[0]
                self._made[key] = Made(None, 0, f"{first.path}: {first.message}" if first.path else first.message)
        return self._made[key]

    def _fits(self, backend: NodeBackend | SorryServer, families: Collection[Family]) -> bool:
        """A tunnel may lead through the other family."""
        forwarding = backend.forwarding or self.server.spec.forwarding
        return forwarding is Forwarding.TUNNEL or family_of(backend.address) in families

    def _make(self, addresses: tuple[str, ...], zone: str | None, directors: tuple[str, ...]) -> NodeVirtualServer:
        spec, plan = self.server.spec, self.plan
        marked = plan.mark is not None
        families = {family_of(address) for address in addresses}
        return NodeVirtualServer(
            name=plan.entry,
            virtual_server=self.server.key,
            addresses=() if marked else addresses,
            port=None if marked else plan.port,
            protocol=plan.protocol,
            firewall_mark=plan.mark,
            family=next(iter(families), Family.IPV4) if marked else None,
            scheduler=spec.scheduler,
            scheduler_flags=spec.scheduler_flags,
            one_packet=spec.one_packet,
            forwarding=spec.forwarding,
            tunnel=spec.tunnel,
            masquerade=spec.masquerade,
            persistence=spec.persistence,
            backends=of_zone([c for c in self.candidates if self._fits(c.backend, families)], zone),
            sorry_server=self.sorry if self.sorry and self._fits(self.sorry, families) else None,
            quorum=spec.quorum,
            health_checks=spec.health_checks,
            checks_on=spec.checks_on,
            initial_state=spec.initial_state,
            on_end=spec.on_end,
            drain_timeout=spec.drain_timeout,
            notifications=spec.notifications,
            other_directors=directors,
        )
