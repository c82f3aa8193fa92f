"""Who may use a VirtualIP's addresses for VirtualServers, and what answers on them."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from mooring_api.selectors import LabelSelector
from mooring_api.wire import Rule, Wire


class NamespacesFrom(StrEnum):
    """Which namespaces are meant."""

    NONE = "None"
    ALL = "All"
    NAMES = "Names"
    SELECTOR = "Selector"


class AllowedNamespaces(Wire):
    """Whose VirtualServers may use the addresses."""

    from_: NamespacesFrom = NamespacesFrom.NONE
    """None, All, those of `names`, or those whose labels `selector` matches."""
    names: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=63)], ...], Field(max_length=256)] = ()
    """For Names."""
    selector: LabelSelector | None = None
    """For Selector."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.from == 'Names') == (has(self.names) && self.names.size() > 0)",
            message="names belong to from: Names, which needs one at least; correct one of the two",
            holds=lambda a: (a.from_ is NamespacesFrom.NAMES) == bool(a.names),
            path="names",
        ),
        Rule(
            cel="(self.from == 'Selector') == has(self.selector)",
            message="selector belongs to from: Selector, which needs one; correct one of the two",
            holds=lambda a: (a.from_ is NamespacesFrom.SELECTOR) == (a.selector is not None),
            path="selector",
        ),
    )


class TenantFeature(StrEnum):
    """What reaches beyond the Services of a VirtualServer's own namespace."""

    STATIC_SERVERS = "StaticServers"
    CONNECT_ADDRESS = "ConnectAddress"
    SCRIPT = "Script"
    FIREWALL_MARK = "FirewallMark"


class PortGuardMode(StrEnum):
    """Whether ports of which no VirtualServer speaks answer on the addresses."""

    OFF = "Off"
    MONITOR = "Monitor"
    ENFORCE = "Enforce"
