"""What both systems are told: the same NodeConfig, from which keepalived's text is made too. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from mooring_api.duration import Duration
from mooring_api.nodeconfig import HeldAddress, Instance, Metadata, NodeConfig, NodeConfigSpec, Transport
from mooring_api.vrrp import FlapDamping
from mooring_lab.keepalived import configuration

FIRST_ADDRESS = int(ip_address("10.0.64.1"))
MOST_ADVERTISED = 255
PRIORITIES = (150, 100)
#: Our daemon asks for this real-time priority by itself; a fair comparison gives keepalived the same.
REAL_TIME_PRIORITY = 50
#: And the same bound on time without a blocking call: by default, 500 addresses make the kernel kill keepalived.
REAL_TIME_LIMIT_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """So many instances of so many addresses each, which all nodes share."""

    instances: int = 1
    addresses: int = 1
    interval_ms: int = 1000

    @property
    def first_address(self) -> str:
        return str(ip_address(FIRST_ADDRESS))

    @property
    def all_addresses(self) -> frozenset[str]:
        count = self.instances * self.addresses
        return frozenset(str(ip_address(FIRST_ADDRESS + number)) for number in range(count))


def node_config(load: Load, name: str, sources: Sequence[str], place: int) -> NodeConfig:
    """For the node at `place` of those that have these source addresses."""
    peers = tuple(source for number, source in enumerate(sources) if number != place)
    transport = Transport(source=sources[place], peers=peers)
    instances = tuple(
        Instance(
            name=f"vi-{number + 1}",
            interface="eth0",
            virtual_router_id=number + 1,
            priority=PRIORITIES[place],
            advertisement_interval=Duration.of(ms=load.interval_ms),
            transport=transport,
            # keepalived has none, and the rounds follow each other fast.
            flap_damping=FlapDamping(hold_down=Duration(0)),
            addresses=_addresses(load, number),
        )
        for number in range(load.instances)
    )
    return NodeConfig(metadata=Metadata(name=name), spec=NodeConfigSpec(instances=instances))


def _addresses(load: Load, instance: int) -> tuple[HeldAddress, ...]:
    first = FIRST_ADDRESS + instance * load.addresses
    return tuple(
        HeldAddress(address=f"{ip_address(first + number)}/16", advertise=number < MOST_ADVERTISED)
        for number in range(load.addresses)
    )


def keepalived_text(config: NodeConfig) -> str:
    """keepalived's configuration, with the scheduling that our daemon has."""
    head, brace, rest = configuration(config).partition("global_defs {\n")
    scheduling = f"  vrrp_rt_priority {REAL_TIME_PRIORITY}\n  vrrp_rlimit_rttime {REAL_TIME_LIMIT_US}\n"
    return f"{head}{brace}{scheduling}{rest}"
