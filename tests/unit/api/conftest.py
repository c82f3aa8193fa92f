"""Objects as a user writes them, each valid, for tests that change one thing."""

from collections.abc import Callable
from typing import Any

import pytest

Wire = dict[str, Any]


@pytest.fixture
def instance() -> Callable[..., Wire]:
    """One instance; keyword arguments are fields by wire name."""

    def make(**fields: Any) -> Wire:
        base: Wire = {
            "name": "web-0",
            "interface": "eth0",
            "virtualRouterID": 66,
            "transport": {"source": "10.0.0.18", "peers": ["10.0.0.28"]},
            "addresses": [{"address": "10.0.0.100/24"}],
        }
        return base | fields

    return make


@pytest.fixture
def node_config() -> Callable[..., Wire]:
    """A NodeConfig of these instances."""

    def make(*instances: Any, **fields: Any) -> Wire:
        base: Wire = {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "NodeConfig",
            "metadata": {"name": "lb-1"},
            "spec": {"instances": list(instances)},
        }
        return base | fields

    return make


@pytest.fixture
def virtual_ip() -> Callable[..., Wire]:
    """A VirtualIP; keyword arguments are fields of its spec by wire name."""

    def make(**fields: Any) -> Wire:
        return {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VirtualIP",
            "metadata": {"name": "web"},
            "spec": {"addresses": [{"address": "10.0.0.100/24"}]} | fields,
        }

    return make
