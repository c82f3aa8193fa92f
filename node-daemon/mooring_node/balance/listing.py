"""Which backends a server has for which family, and what of them is checked (pure)."""

from collections.abc import Iterable

from mooring_node.balance.config import BackendConfig, ServerConfig, SorryConfig
from mooring_node.checks.config import Target
from mooring_node.ipvs.table import DestinationKey, Method


def serves(one: BackendConfig | SorryConfig, family: int) -> bool:
    """Whether packets of a family can be handed to it: of its own, and of any through a tunnel."""
    return (6 if ":" in one.address else 4) == family or one.way.method is Method.TUNNEL


def families(config: ServerConfig) -> tuple[int, ...]:
    """For which it has services: 4, 6 or both."""
    if config.mark:
        return config.families
    return tuple(sorted({6 if ":" in address else 4 for address in config.addresses}))


def listed(config: ServerConfig, family: int) -> dict[DestinationKey, BackendConfig]:
    """The backends of a family. One of the other family is reached through its tunnel only where nothing is nearer."""
    mine = families(config)
    return {
        DestinationKey(each.address, each.port): each
        for each in config.backends
        if (own := 6 if ":" in each.address else 4) == family or (own not in mine and serves(each, family))
    }


def targets(config: ServerConfig) -> Iterable[Target]:
    """Everything that is checked for a server; what is in no pool of it is not."""
    for key in {key: None for family in families(config) for key in listed(config, family)}:
        for _, check in config.checks:
            yield Target(check, key.address, key.port)
