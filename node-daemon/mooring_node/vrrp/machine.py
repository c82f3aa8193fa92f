"""The VRRP state machine of one group: an event in, the next state and effects out.

RFC 9568 section 6.4 for versions 2 and 3, with what Mooring adds: a listener that never takes the role
(Observing), doubt after a late wake-up (Doubting), and a hand-over in which the leaver answers for the
addresses until its successor speaks (Leaving).
"""

from dataclasses import replace
from typing import TypeAlias, assert_never

from mooring_node.units import SECOND_NS
from mooring_node.vrrp.states import (
    HOLDING,
    LEARNED_INTERVAL_FACTOR,
    OWNER_PRIORITY,
    Active,
    Backup,
    Doubting,
    Drained,
    Effect,
    Event,
    Fault,
    FaultsChanged,
    Heard,
    Initialize,
    Late,
    LeaseEnded,
    Leaving,
    NotTaken,
    Observing,
    Pace,
    Reconfigured,
    Router,
    Settings,
    Start,
    Stop,
    Stopped,
    Tick,
)
from mooring_node.vrrp.timing import (
    active_down_ns,
    advert_after_ns,
    deadline,
    release_spacing_ns,
    skew_ns,
    unheard_pace,
)

Step: TypeAlias = tuple[Router, tuple[Effect, ...]]

#: A losing advert is answered at once, but not more often than the shortest interval of the protocol.
ANSWER_SPACING_NS = 10_000_000
REANNOUNCE_SPACING_NS = SECOND_NS
#: Priority 0 is said this often while leaving, in case one is lost.
RELEASE_REPEATS = 3


def step(router: Router, event: Event, now: int) -> Step:
    """The whole machine. Every pair of state and event is answered; what changes nothing returns no effects."""
    match event:
        case Start(adopt=adopt):
            return _start(router, now, adopt)
        case Heard():
            return _heard(router, event, now)
        case Tick():
            return _tick(router, now)
        case Late():
            return _late(router, now)
        case Drained():
            return _drained(router, now)
        case LeaseEnded():
            return _lease_ended(router, now)
        case FaultsChanged() | NotTaken():
            return _faults(router, event, now)
        case Reconfigured(settings=settings):
            return _reconfigured(router, settings, now)
        case Stop(keep=keep):
            return _leave(router, now, stopping=True, keep=keep)
    assert_never(event)


def _to_backup(router: Router, now: int, *effects: Effect, learned: Pace | None = None) -> Step:
    """Backup with a whole Active_Down ahead, or Observing where this node may not take the role."""
    if not router.settings.eligible:
        return replace(router, state=Observing()), effects
    pace = learned or unheard_pace(router.settings)
    state = Backup(now + active_down_ns(router.settings, pace), pace)
    return replace(router, state=state), effects


def _to_active(router: Router, now: int) -> Step:
    """Addresses before the advert: an overlap of the two holders instead of a gap without one."""
    settings = router.settings
    takings = (*(at for at in router.takings if now - at < settings.damping_window_ns), now)
    hold_down_until = router.hold_down_until
    if settings.damping_hold_down_ns and len(takings) >= settings.damping_transitions:
        hold_down_until = now + settings.damping_hold_down_ns
    taken = replace(
        router,
        state=_active_since(now, settings),
        takings=takings[-settings.damping_transitions :],
        hold_down_until=hold_down_until,
    )
    return taken, (Effect.TAKE_ADDRESSES, Effect.ANNOUNCE, Effect.SEND_ADVERT)


def _active_since(now: int, settings: Settings) -> Active:
    """Active, and about to advertise and to announce."""
    return Active(
        advert_at=now + settings.advert_every_ns, since=now, reannounce_allowed_at=now + REANNOUNCE_SPACING_NS
    )


def _begin(router: Router, now: int) -> Step:
    """The first state: the owner of the addresses is Active at once (RFC 9568 6.4.1)."""
    if router.settings.priority == OWNER_PRIORITY and router.settings.eligible:
        return _to_active(router, now)
    return _to_backup(router, now)


def _start(router: Router, now: int, adopt: bool) -> Step:
    if not isinstance(router.state, Initialize):
        return router, ()
    if not adopt:
        return _begin(router, now)
    adopted = replace(router, state=_active_since(now, router.settings))
    if not router.settings.eligible:
        return _leave(adopted, now, stopping=False)
    return adopted, (Effect.SEND_ADVERT, Effect.REANNOUNCE)


def _heard(router: Router, heard: Heard, now: int) -> Step:
    match router.state:
        case Backup():
            return _heard_as_backup(router, router.state, heard, now)
        case Active():
            return _heard_as_active(router, router.state, heard, now)
        case Doubting():
            if heard.priority == 0:
                return router, ()
            return _to_backup(
                router,
                now,
                Effect.STOP_ANNOUNCING,
                Effect.RELEASE_ADDRESSES,
                learned=_learned(router, heard),
            )
        case Leaving(stopping=stopping):
            if heard.priority == 0:
                return router, ()
            return _left(router, stopping)
        case Initialize() | Observing() | Fault() | Stopped():
            return router, ()
    assert_never(router.state)


def _learned(router: Router, heard: Heard) -> Pace:
    """What to count by: the Active router's pace, in version 3 within bounds; version 2 never learns."""
    settings = router.settings
    if heard.pace in settings.paces:
        return heard.pace
    if heard.pace.version == 2:
        return settings.pace
    shortest = settings.advert_every_ns // LEARNED_INTERVAL_FACTOR
    longest = max(pace.interval_ns for pace in settings.paces) * LEARNED_INTERVAL_FACTOR
    return Pace(heard.pace.version, min(max(heard.pace.interval_ns, shortest), longest))


def _heard_as_backup(router: Router, state: Backup, heard: Heard, now: int) -> Step:
    settings = router.settings
    if heard.priority == 0:
        sooner = min(state.active_down_at, now + skew_ns(settings, state.pace))
        return replace(router, state=replace(state, active_down_at=sooner, preempt_at=None)), ()
    pace = _learned(router, heard)
    restarted = Backup(now + active_down_ns(settings, pace), pace)
    if heard.priority >= settings.priority or not settings.preempt or now < router.hold_down_until:
        return replace(router, state=restarted), ()
    preempt_at = now + settings.preempt_delay_ns if state.preempt_at is None else state.preempt_at
    if now < preempt_at:
        return replace(router, state=replace(restarted, preempt_at=preempt_at)), ()
    return replace(router, state=replace(state, preempt_at=preempt_at)), ()


def _heard_as_active(router: Router, state: Active, heard: Heard, now: int) -> Step:
    settings = router.settings
    if heard.priority == 0:
        return replace(router, state=replace(state, advert_at=now + advert_after_ns(state, settings))), (
            Effect.SEND_ADVERT,
        )
    tie = heard.priority == settings.priority
    if heard.priority > settings.priority or (tie and heard.wins_tie):
        # The last advert comes after the release: the winner answers it by announcing once more, and then
        # no late reply of ours can be in the way.
        return _to_backup(
            router,
            now,
            Effect.STOP_ANNOUNCING,
            Effect.RELEASE_ADDRESSES,
            Effect.SEND_ADVERT,
            learned=_learned(router, heard),
        )
    if tie and heard.wins_tie is None:
        return router, ()
    effects: tuple[Effect, ...] = ()
    if now >= state.answer_allowed_at:
        following = now + advert_after_ns(state, settings)
        state = replace(state, answer_allowed_at=now + ANSWER_SPACING_NS, advert_at=following)
        effects = (Effect.SEND_ADVERT,)
    if now >= state.reannounce_allowed_at:
        state = replace(state, reannounce_allowed_at=now + REANNOUNCE_SPACING_NS, reannounce_at=None)
        effects = (*effects, Effect.REANNOUNCE)
    else:
        # Later rather than not at all: this may be a loser's last word, and the clients still believe it.
        state = replace(state, reannounce_at=state.reannounce_allowed_at)
    return replace(router, state=state), effects


def _tick(router: Router, now: int) -> Step:
    due = deadline(router)
    if due is None or now < due:
        return router, ()
    match router.state:
        case Backup():
            return _to_active(router, now)
        case Active() as state:
            return _tick_as_active(router, state, now)
        case Leaving(until=until, stopping=stopping) as state:
            if now >= until:
                return _left(router, stopping)
            state = replace(state, repeat_at=now + release_spacing_ns(router.settings))
            return replace(router, state=state), (Effect.SEND_RELEASE,)
        case Fault():
            return _begin(router, now)
        case Initialize() | Observing() | Doubting() | Stopped():
            return router, ()
    assert_never(router.state)


def _tick_as_active(router: Router, state: Active, now: int) -> Step:
    effects: tuple[Effect, ...] = ()
    if now >= state.advert_at:
        # From the last deadline, not from now: a little lateness must not add up to a longer interval.
        every = advert_after_ns(state, router.settings)
        following = state.advert_at + every
        if following <= now:
            following = now + every
        state = replace(state, advert_at=following, hurried=max(0, state.hurried - 1))
        effects = (Effect.SEND_ADVERT,)
    if state.reannounce_at is not None and now >= state.reannounce_at:
        state = replace(state, reannounce_allowed_at=now + REANNOUNCE_SPACING_NS, reannounce_at=None)
        effects = (*effects, Effect.REANNOUNCE)
    return replace(router, state=state), effects


def _late(router: Router, now: int) -> Step:
    match router.state:
        case Active() as state:
            return replace(router, state=Doubting(state)), ()
        case Backup(put_off=False) as state:
            # After a suspension no advert waits, though the Active router may never have been silent: it is listened
            # for as long as to anybody, before its role is taken.
            active_down_at = now + active_down_ns(router.settings, state.pace)
            return replace(router, state=replace(state, active_down_at=active_down_at, put_off=True)), ()
        case _:
            return router, ()


def _drained(router: Router, now: int) -> Step:
    """Nobody else spoke while we slept: still Active, and heard at once."""
    if not isinstance(router.state, Doubting):
        return router, ()
    active = router.state.active
    state = replace(active, advert_at=now + advert_after_ns(active, router.settings))
    return replace(router, state=state), (Effect.SEND_ADVERT,)


def _lease_ended(router: Router, now: int) -> Step:
    match router.state:
        case Active() | Doubting():
            return _to_backup(router, now, Effect.STOP_ANNOUNCING, Effect.RELEASE_ADDRESSES)
        case Leaving(stopping=stopping):
            return _left(router, stopping)
        case Initialize() | Backup() | Observing() | Fault() | Stopped():
            return router, ()
    assert_never(router.state)


def _left(router: Router, stopping: bool) -> Step:
    return replace(router, state=Stopped() if stopping else Observing()), (Effect.RELEASE_ADDRESSES,)


def _faults(router: Router, event: FaultsChanged | NotTaken, now: int) -> Step:
    if isinstance(event, FaultsChanged):
        return _faults_changed(router, event.faulty, now)
    if not isinstance(router.state, HOLDING):
        return router, ()
    # Silently: priority 0 would start an election that nothing has made necessary.
    return replace(router, state=Fault()), (Effect.STOP_ANNOUNCING, Effect.RELEASE_ADDRESSES)


def _faults_changed(router: Router, faulty: bool, now: int) -> Step:
    match router.state:
        case Active() | Doubting() if faulty:
            # Where the link still carries, priority 0 spares the others the wait; where it does not, it is lost.
            effects = (Effect.STOP_ANNOUNCING, Effect.SEND_RELEASE, Effect.RELEASE_ADDRESSES)
            return replace(router, state=Fault()), effects
        case Leaving(stopping=stopping) if faulty:
            return replace(router, state=Stopped() if stopping else Fault()), (Effect.RELEASE_ADDRESSES,)
        case Initialize() | Backup() | Observing() | Fault() if faulty:
            return replace(router, state=Fault()), ()
        case Fault(recover_at=None):
            # One interval of quiet: an interface that only flickers must not start an election each time.
            return replace(router, state=Fault(now + router.settings.interval_ns)), ()
        case _:
            return router, ()


def _reconfigured(router: Router, settings: Settings, now: int) -> Step:
    """New settings, same state: no timer restarts. Losing eligibility hands over; gaining it starts as Backup."""
    former, router = router.settings, replace(router, settings=settings)
    match router.state:
        case Active() | Doubting() if not settings.eligible:
            return _leave(router, now, stopping=False)
        case Active() as state:
            # At once, in whatever form it now has: a member may already count by what that form says.
            state = _hurried(state, former, settings)
            state = replace(state, advert_at=min(state.advert_at, now + settings.advert_every_ns))
            return replace(router, state=state), (Effect.SEND_ADVERT,)
        case Doubting(active=active):
            return replace(router, state=Doubting(_hurried(active, former, settings))), ()
        case Backup() if not settings.eligible:
            return replace(router, state=Observing()), ()
        case Backup() as state:
            keeps = settings.version == 3 or state.pace in settings.paces
            # The skew follows the priority at once: where several have new ones, that of before would let them all
            # take the role at the same time, or the wrong one first.
            moved_ns = skew_ns(settings, state.pace) - skew_ns(former, state.pace)
            pace = state.pace if keeps else settings.pace
            return replace(router, state=replace(state, active_down_at=state.active_down_at + moved_ns, pace=pace)), ()
        case Observing() if settings.eligible:
            return _begin(router, now)
        case Leaving() if settings.eligible:
            # Asked back before a successor spoke: the addresses are still here.
            back = replace(router, state=_active_since(now, settings))
            return back, (Effect.SEND_ADVERT, Effect.REANNOUNCE)
        case _:
            return router, ()


def _hurried(state: Active, former: Settings, settings: Settings) -> Active:
    """Where the interval grows, as many adverts follow at the former one as a Backup may miss of it."""
    before = advert_after_ns(state, former)
    if settings.advert_every_ns <= before:
        return state
    return replace(state, hurried=former.active_down_factor, hurry_ns=before)


def _leave(router: Router, now: int, *, stopping: bool, keep: bool = False) -> Step:
    settings = router.settings
    after = Stopped() if stopping else Observing()
    match router.state:
        case Active() | Doubting() | Leaving() if keep:
            return replace(router, state=after), (Effect.STOP_ANNOUNCING,)
        case Active() | Doubting() if settings.alone:
            return replace(router, state=after), (
                Effect.STOP_ANNOUNCING,
                Effect.SEND_RELEASE,
                Effect.RELEASE_ADDRESSES,
            )
        case Active() | Doubting():
            spacing = release_spacing_ns(settings)
            state = Leaving(until=now + RELEASE_REPEATS * spacing, repeat_at=now + spacing, stopping=stopping)
            return replace(router, state=state), (Effect.STOP_ANNOUNCING, Effect.SEND_RELEASE)
        case Leaving() as state:
            return replace(router, state=replace(state, stopping=stopping)), ()
        case Stopped():
            return router, ()
        case _:
            return replace(router, state=after), ()
