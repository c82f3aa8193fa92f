"""What the VRRP process runs: frozen, complete, standard library only.

The judge compiles a NodeConfig into this form, and the agent accepts it, so that the process that must never
stall neither validates nor guesses. The same form is the last good configuration on disk.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

FORMAT = 1
#: Where multicast adverts go unless a group is named, by family (RFC 9568 section 5.1).
DEFAULT_GROUPS = {4: "224.0.0.18", 6: "ff02::12"}


@dataclass(frozen=True, slots=True)
class AddressConfig:
    """One address to hold; `interface` is always named here, `scope` is the kernel's number."""

    address: str
    prefix_length: int
    interface: str
    label: str | None = None
    scope: int = 0
    advertise: bool = True


@dataclass(frozen=True, slots=True)
class AnnouncementConfig:
    """When gratuitous ARP and unsolicited NA go out; nanoseconds."""

    count: int = 5
    spread_ns: int = 200_000_000
    delay_ns: int = 5_000_000_000
    interval_ns: int = 0
    refresh_ns: int = 0
    refresh_count: int = 1


@dataclass(frozen=True, slots=True)
class FormConfig:
    """Another form of a member's adverts that counts like its own; `peers` and `group` as there."""

    virtual_router_id: int
    version: int
    interval_ns: int
    peers: tuple[str, ...] | None = ()
    group: str | None = None
    pseudo_header: bool = True
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """One VRRP instance of a group: one family and VRID on one interface.

    `peers` is None for multicast; empty for unicast is a fault unless `alone` says that it is meant.
    """

    name: str
    interface: str
    family: int
    virtual_router_id: int
    version: int
    addresses: tuple[AddressConfig, ...]
    source: str | None = None
    peers: tuple[str, ...] | None = ()
    alone: bool = False
    group: str | None = None
    minimum_ttl: int = 255
    pseudo_header: bool = True
    password: str | None = field(default=None, repr=False)
    announcements: AnnouncementConfig = AnnouncementConfig()
    accepted: tuple[FormConfig, ...] = ()
    """Not in the file where there are none: a version that knows nothing of them reads it still."""


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """A virtual server's quorum and what it does to the role: `weight` None is a fault while it is lost.

    `server` is a server's name, or a VirtualServer's `namespace/name`.
    """

    name: str
    server: str
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Instances that share one state and one timer; most groups have one member. Times in nanoseconds."""

    name: str
    members: tuple[MemberConfig, ...]
    virtual_ip: str | None = None
    priority: int = 100
    interval_ns: int = 1_000_000_000
    active_down_factor: int = 3
    preempt: bool = True
    preempt_delay_ns: int = 0
    eligible: bool = True
    lease_s: int = 3
    keep_on_stop: bool = False
    damping_transitions: int = 6
    damping_window_ns: int = 60_000_000_000
    damping_hold_down_ns: int = 30_000_000_000
    trackers: tuple[TrackerConfig, ...] = ()
    """Not in the file where there are none, like a member's `accepted`."""

    @property
    def version(self) -> int:
        return self.members[0].version

    def addresses(self) -> tuple[AddressConfig, ...]:
        return tuple(address for member in self.members for address in member.addresses)


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """Everything that one VRRP process runs; `generation` counts accepted configurations."""

    generation: int
    groups: tuple[GroupConfig, ...] = ()


def to_json(runtime: NodeRuntime) -> str:
    return json.dumps({"format": FORMAT, **asdict(runtime, dict_factory=_without_empty_lists)}, indent=1)


# What is later than the first release is left out where it is at its default, so that an older release reads the file
# of who does not use it (docs/upgrades.md).
def _without_empty_lists(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in ("accepted", "trackers") or value}


def from_json(text: str) -> NodeRuntime:
    """Read what `to_json` wrote; ValueError when it is anything else (another format, a torn file).

    A group with a field that this release does not know is left out: a newer one wrote it because the group needs it,
    and two nodes that read it differently could both hold its addresses.
    """
    raw = _document(text)
    try:
        generation = int(raw["generation"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a configuration of this daemon: {error!r}") from error
    groups = tuple(group for each in raw["groups"] if (group := _read_group(each)) is not None)
    return NodeRuntime(generation=generation, groups=groups)


def unread(text: str) -> tuple[str, ...]:
    """The names of the groups that `from_json` leaves out; ValueError as there."""
    return tuple(
        str(each.get("name")) if isinstance(each, dict) else "?"
        for each in _document(text)["groups"]
        if _read_group(each) is None
    )


def _document(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a configuration of this daemon: {error}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT or not isinstance(raw.get("groups"), list):
        raise ValueError("not a configuration of this daemon, or written in another format")
    return raw


def _read_group(raw: Any) -> GroupConfig | None:
    try:
        return _group(dict(raw))
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _group(raw: dict[str, Any]) -> GroupConfig:
    raw["members"] = tuple(_member(member) for member in raw["members"])
    raw["trackers"] = tuple(TrackerConfig(**_known(TrackerConfig, each)) for each in raw.get("trackers", ()))
    return GroupConfig(**_known(GroupConfig, raw))


def _member(raw: dict[str, Any]) -> MemberConfig:
    raw["addresses"] = tuple(AddressConfig(**_known(AddressConfig, a)) for a in raw["addresses"])
    raw["announcements"] = AnnouncementConfig(**_known(AnnouncementConfig, raw["announcements"]))
    raw["accepted"] = tuple(_form(form) for form in raw.get("accepted", ()))
    return MemberConfig(**_known(MemberConfig, _with_peers(raw)))


def _form(raw: dict[str, Any]) -> FormConfig:
    return FormConfig(**_known(FormConfig, _with_peers(raw)))


def _with_peers(raw: dict[str, Any]) -> dict[str, Any]:
    return raw if raw["peers"] is None else raw | {"peers": tuple(raw["peers"])}


def _known(kind: Any, raw: dict[str, Any]) -> dict[str, Any]:
    unknown = raw.keys() - {each.name for each in fields(kind)}
    if unknown:
        raise ValueError(f"unknown {kind.__name__} fields {sorted(unknown)}")
    return raw
