"""Between the machine's words and those of configuration and users. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.config import FormConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.states import (
    Active,
    Backup,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Pace,
    Router,
    Settings,
    Stopped,
)
from mooring_node.vrrp.timing import active_down_ns, unheard_pace


def visible_state(router: Router) -> str:
    """The state as users know it (RFC 9568's words, and Fault)."""
    match router.state:
        case Active() | Doubting() | Leaving():
            return "Active"
        case Fault():
            return "Fault"
        case Initialize() | Stopped():
            return "Initialize"
        case _:
            return "Backup"


def settings_of(config: GroupConfig, maintenance: bool) -> Settings:
    """The machine's part of a configuration."""
    return Settings(
        version=config.version,
        priority=config.priority,
        interval_ns=config.interval_ns,
        active_down_factor=config.active_down_factor,
        preempt=config.preempt,
        preempt_delay_ns=config.preempt_delay_ns,
        eligible=config.eligible and not maintenance,
        alone=all(member.alone for member in config.members),
        damping_transitions=config.damping_transitions,
        damping_window_ns=config.damping_window_ns,
        damping_hold_down_ns=config.damping_hold_down_ns,
        accepted=_accepted(config),
    )


def _accepted(config: GroupConfig) -> tuple[Pace, ...]:
    """The paces of all forms that count, but for that of the first member's own."""
    own = [Pace(member.version, config.interval_ns) for member in config.members]
    others = [Pace(form.version, form.interval_ns) for member in config.members for form in member.accepted]
    return tuple(dict.fromkeys(pace for pace in (*own, *others) if pace != own[0]))


def under_way(config: GroupConfig) -> str:
    """What a group accepts beside its own form of adverts, in words; empty: nothing."""
    said = [
        text
        for member in config.members
        for form in member.accepted
        for text in _differences(form, member, config.interval_ns)
    ]
    return f"also accepts {', '.join(dict.fromkeys(said))} (a change is under way)" if said else ""


def _differences(form: FormConfig, member: MemberConfig, interval_ns: int) -> Iterator[str]:
    if form.virtual_router_id != member.virtual_router_id:
        yield f"VRID {form.virtual_router_id}"
    if form.version != member.version:
        yield f"version {form.version}"
    if form.interval_ns != interval_ns:
        yield f"interval {_duration(form.interval_ns)}"
    if form.password != member.password:
        yield "another password" if form.password else "no password"
    if form.pseudo_header != member.pseudo_header:
        yield f"checksums {'with' if form.pseudo_header else 'without'} pseudo-header"
    if (form.peers, form.group) != (member.peers, member.group):
        yield "multicast" if form.peers is None else "unicast"


def _duration(ns: int) -> str:
    """As in the configuration."""
    return f"{ns // 1_000_000}ms" if ns % SECOND_NS else f"{ns // SECOND_NS}s"


@dataclass(frozen=True, slots=True)
class LastHeard:
    """The last advert of another member."""

    source: str
    priority: int
    at_ns: int


def active_heard(router: Router, last: LastHeard | None, now_ns: int) -> bool:
    """Whether the group's Active router is known: this node, or one that was heard within the longest Active_Down.

    `last` is of one that may hold the group's addresses: whoever lists none of them is no holder of theirs.
    """
    if visible_state(router) == "Active":
        return True
    if last is None or last.priority == 0:
        return False
    return now_ns - last.at_ns <= active_down_ns(router.settings, unheard_pace(router.settings))


def why_now(router: Router, last: LastHeard | None, now_ns: int) -> str:
    """Why time alone changes the state, for the log: a silence, a release, a preemption, or nothing heard at all."""
    state = router.state
    if isinstance(state, Leaving):
        return "let go: nobody took over in time"
    if isinstance(state, Fault):
        return "no fault any more"
    if not isinstance(state, Backup) or last is None:
        return "nobody else was heard"
    if last.priority == 0:
        return f"{last.source} left (priority 0)"
    if last.priority < router.settings.priority and now_ns - last.at_ns < active_down_ns(router.settings, state.pace):
        return f"preempted {last.source} (priority {last.priority})"
    silent_ms = (now_ns - last.at_ns) // 1_000_000
    return f"{last.source} (priority {last.priority}) was silent for {silent_ms} ms"


def why_heard(router: Router, last: LastHeard) -> str:
    """Why an advert changes the state, for the log."""
    if isinstance(router.state, Leaving):
        return f"handed over to {last.source} (priority {last.priority})"
    return f"heard {last.source} (priority {last.priority})"
