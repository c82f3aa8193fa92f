"""In which form the members of a group speak, and which other forms they accept meanwhile.

Added to what is accepted at any time, spoken when every member is known to hear it, and dropped when nobody can
speak it any more: so a member that has not read its configuration for long still hears, and is heard by, all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mooring_api.duration import Duration
from mooring_api.nodeconfig import AcceptedForm, Instance, InstanceAuthentication, Way, of_family
from mooring_api.vrrp import Checksum, Family, TransportType
from mooring_operator.stage.seats import Seat, any_of

#: As many as an Instance may list in alsoAccept.
MOST_FORMS = 4


@dataclass(frozen=True, slots=True)
class Form:
    """All by which an advert is recognised as one of the group's, but for its source."""

    virtual_router_id: int
    version: int
    advertisement_interval: Duration
    authentication: InstanceAuthentication | None
    checksum: Checksum
    type: TransportType
    group: str | None

    def fits(self, family: Family) -> bool:
        """Whether adverts of that family can have this form."""
        if self.group is not None and not of_family(self.group, family):
            return False
        return self.version == 3 or family is Family.IPV4

    @property
    def secret(self) -> str | None:
        """The Secret that its key is in; None where it needs none."""
        reference = self.authentication.secret_ref if self.authentication else None
        return reference.name if reference else None

    @property
    def key_version(self) -> str | None:
        return self.authentication.key_version if self.authentication else None

    def with_key(self, version: str | None) -> "Form":
        """The same with that state of its Secret."""
        if self.authentication is None or self.key_version == version:
            return self
        return replace(self, authentication=self.authentication.model_copy(update={"key_version": version}))


def spoken_by(instance: Instance) -> Form:
    """The form in which an instance speaks."""
    return _form(instance, instance.transport)


def _form(of: Instance | AcceptedForm, way: Way) -> Form:
    return Form(
        of.virtual_router_id,
        of.version,
        of.advertisement_interval,
        of.authentication,
        of.checksum,
        way.type,
        way.group,
    )


def accepted_by(instance: Instance) -> tuple[tuple[Form, Way], ...]:
    """The forms that an instance accepts, its own first, each with the way by which it comes."""
    others = ((each, each.transport or instance.transport) for each in instance.also_accept)
    return ((spoken_by(instance), instance.transport), *((_form(each, way), way) for each, way in others))


def rendered(form: Form, own: Form, peers: Sequence[str]) -> AcceptedForm:
    """The form as an instance that speaks `own` lists it.

    Without peers there is nobody to hear another way, and the form is listed for its key alone.
    """
    way = None
    unicast = form.type is TransportType.UNICAST
    if (form.type, form.group) != (own.type, own.group) and (peers or not unicast):
        way = Way(type=form.type, peers=tuple(peers) if unicast else (), group=form.group)
    return AcceptedForm(
        virtual_router_id=form.virtual_router_id,
        version=3 if form.version == 3 else 2,
        advertisement_interval=form.advertisement_interval,
        authentication=form.authentication,
        checksum=form.checksum,
        transport=way,
    )


def fields_of(form: Form) -> dict[str, Any]:
    """The fields by which an Instance speaks this form, but for its transport."""
    return {
        "virtual_router_id": form.virtual_router_id,
        "version": form.version,
        "advertisement_interval": form.advertisement_interval,
        "authentication": form.authentication,
        "checksum": form.checksum,
    }


@dataclass(frozen=True, slots=True)
class Keys:
    """Which state of its Secret each form means, where that is not written."""

    resolved: Mapping[str, str]
    """Secret to the one state that a form without one means on every member."""

    def pinned(self, form: Form) -> Form:
        """The form with its key's state written, where all members agree on it."""
        if form.secret is None or form.key_version is not None:
            return form
        return form.with_key(self.resolved.get(form.secret))


def keys_of(seats: Iterable[Seat]) -> Keys:
    """What the members that stand say of their Secrets."""
    reports = [seat.keys for seat in seats if seat.stands]
    resolved = {}
    for secret in set().union(*reports) if reports else ():
        currents = {report[secret].current if secret in report else None for report in reports}
        if len(currents) == 1 and (current := currents.pop()) is not None:
            resolved[secret] = current
    return Keys(resolved)


def target_key(secret: str, seats: Iterable[Seat], spoken: str | None) -> str | None:
    """Which state of the Secret the members are to speak with; None: no state is known to serve all.

    The one that all report as `current`, which is the newest where no form leaves its state out, else the one in use;
    while they differ one that all have, first the one that is spoken.
    """
    reports = [report for seat in seats if (report := seat.keys.get(secret))]
    currents = {report.current for report in reports if report.current is not None}
    if not reports:
        return spoken
    if len(currents) == 1 and all(report.current for report in reports):
        return currents.pop()
    common = [v for v in reports[0].versions if all(v in report.versions for report in reports)]
    if not common or spoken in common:
        return spoken
    return common[-1]


def has_key(seat: Seat, form: Form) -> bool:
    """Whether the node says that it has the key of this form."""
    if form.secret is None:
        return True
    report = seat.keys.get(form.secret)
    if report is None:
        return False
    return report.current is not None if form.key_version is None else form.key_version in report.versions


def seen_from(source: str, interface: str | None) -> str:
    """A member's source as a node with that interface writes it: a link-local address has its reader's zone."""
    address, zone, _ = source.partition("%")
    return f"{address}%{interface}" if zone else address


def hears(instance: Instance, form: Form, source: str | None, keys: Keys) -> bool:
    """Whether an instance accepts adverts of that form from there."""
    if source is None:
        return False
    written = seen_from(source, instance.interface)
    return any(
        keys.pinned(accepted) == form and (way.type is TransportType.MULTICAST or written in way.peers)
        for accepted, way in accepted_by(instance)
    )


def others_confirmed(seat: Seat, seats: Iterable[Seat]) -> bool:
    """Whether it is known of all others what they run; what this one runs may not be."""
    return all(other.confirmed for other in seats if other.stands and other is not seat)


@dataclass(frozen=True, slots=True)
class Speech:
    """What each node says in this round, and which other forms it accepts."""

    spoken: Mapping[str, Form]
    accepted: Mapping[str, tuple[Form, ...]]
    refused: bool = False
    """The goal found no room among the forms that somebody accepts."""


def speak_now(seats: Sequence[Seat], goal: Form | None, keys: Keys, *, switch: bool) -> Speech:
    """One round; `goal` is None where no new form is to be brought in, `switch` says that all can hear it."""
    now = {seat.node: keys.pinned(spoken_by(one)) for seat in seats if (one := any_of(seat.stands))}
    spoken_now = list(dict.fromkeys(now[node] for node in sorted(now)))
    common = _common(spoken_now, goal, switch=switch)
    spoken: dict[str, Form] = {}
    accepted: dict[str, tuple[Form, ...]] = {}
    refused = False
    for seat in seats:
        own = now.get(seat.node, common)
        if switch and goal is not None:
            own = goal
        if own is None:
            continue
        listed = [keys.pinned(form) for before in seat.stands.values() for form, _ in accepted_by(before)]
        # Another that has not confirmed may still speak what it was given before.
        kept = [] if others_confirmed(seat, seats) else listed
        wanted = dict.fromkeys([*kept, *spoken_now, *([goal] if goal else [])])
        others = [form for form in wanted if form != own]
        refused = refused or (goal in others[MOST_FORMS:])
        spoken[seat.node], accepted[seat.node] = own, tuple(others[:MOST_FORMS])
    return Speech(spoken, accepted, refused)


def _common(spoken_now: Sequence[Form], goal: Form | None, *, switch: bool) -> Form | None:
    """What one that joins is to speak."""
    if switch or not spoken_now or goal in spoken_now:
        return goal or (spoken_now[0] if spoken_now else None)
    return spoken_now[0]
