"""One group at work: feeds the machine, does what it says, and watches over the addresses."""

from mooring_node.board import Slot
from mooring_node.kernel.addresses import LeasedAddress
from mooring_node.units import SECOND_NS
from mooring_node.vrrp import machine, timing
from mooring_node.vrrp.config import GroupConfig
from mooring_node.vrrp.faults import FaultReason, Faults
from mooring_node.vrrp.holdings import AddressInUse, Holdings, KernelRefused
from mooring_node.vrrp.losses import Losses
from mooring_node.vrrp.matching import addresses_kept, members_continued
from mooring_node.vrrp.member import Member
from mooring_node.vrrp.receive import Datagram
from mooring_node.vrrp.record import Record
from mooring_node.vrrp.services import Services
from mooring_node.vrrp.settled import unsettled
from mooring_node.vrrp.states import (
    HOLDING,
    Active,
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
    Pace,
    Reconfigured,
    Router,
    Start,
    Stop,
    Stopped,
    Tick,
)
from mooring_node.vrrp.text import address_text
from mooring_node.vrrp.tracking import Bad, lost, weighed, weights_text
from mooring_node.vrrp.translation import LastHeard, settings_of, visible_state, why_heard, why_now

#: An unmet condition that no event announces is looked at again this often.
RECHECK_NS = SECOND_NS


class Group:
    """The shell around one Router; every public call may change `deadline_ns`."""

    def __init__(self, config: GroupConfig, services: Services, slot: Slot, *, maintenance: bool) -> None:
        self.config = config
        self.bad: Bad = {}
        """Tracked servers that are bad."""
        self._effective = weighed(config, self.bad)
        self.router = Router(settings_of(self._effective, maintenance))
        self.members = tuple(Member(self._effective, member, services.network) for member in config.members)
        self.holdings = Holdings(services.rtnetlink, config.lease_s)
        self.since_ns = 0
        self._shown = visible_state(self.router)
        self.transitions = 0
        self.last_heard: LastHeard | None = None
        self.member_heard: LastHeard | None = None  # The same, but for senders that list no address of ours.
        self._services = services
        self._record = Record(slot)
        self._maintenance = maintenance
        self._losses = Losses()
        self._faults = Faults()
        self._known_faults: frozenset[FaultReason] = frozenset()
        """Those that the machine was told of last."""
        self._recheck_at_ns: int | None = None
        self.former = ""  # What it was known by, where another group of its name replaces it.
        self._forsaken = False
        """Its process ends while it is handed over: nothing of it is left to the next start."""

    @property
    def faults(self) -> frozenset[FaultReason]:
        """Why the group cannot hold its addresses; empty: it can."""
        return self._faults.present

    @property
    def remedies(self) -> list[str]:
        """What to do about each of the faults, in their order."""
        return [self._faults.remedy(reason) for reason in sorted(self.faults)]

    @property
    def fault_detail(self) -> str:
        """What the faults are about, where that is known."""
        return self._faults.detail

    @property
    def priority(self) -> int:
        """The priority that it speaks and judges by, with what trackers add to it and take from it."""
        return self._effective.priority

    # What happens to the group.

    def start(self, now_ns: int) -> None:
        """Begin: adopt a predecessor's addresses if it spoke lately (timing.adoptable_ns), else clear them away."""
        self.since_ns = now_ns
        faulty = self._look()
        left = self._services.network.left(self._addresses())
        complete = {each.key for each in self._addresses()} <= {each.key for each in left}
        lease_end_ns = self._record.lease_to_adopt(now_ns, timing.adoptable_ns(self.router.settings))
        self.holdings.prepare(self._addresses(), self.config.lease_s)
        if adopt := lease_end_ns if complete and not faulty else None:
            self.holdings.adopt(adopt)
        if self._record.inherited():
            self.holdings.clear_away(left)
        if faulty:
            self._recheck_at_ns = now_ns + RECHECK_NS
            self._feed(FaultsChanged(faulty=True), now_ns, self._faults.text())
        self._feed(Start(adopt=bool(adopt)), now_ns, "adopted from its predecessor" if adopt else "started")

    def heard(self, member: Member, datagram: Datagram, now_ns: int) -> None:
        """An advert for one of the members; raises Refused when it is not to be accepted."""
        found = member.judge(datagram, now_ns)
        if found is None or member.prepared is None:
            return
        judged, lines = found
        for line in lines:
            self._services.report.log("info", line, self.config.name)
        self.last_heard = LastHeard(address_text(datagram.source), judged.advert.priority, now_ns)
        self.member_heard = self.member_heard if judged.foreign else self.last_heard
        # Only the first member's addresses break a tie: the others cannot be compared across families.
        wins = datagram.source > member.prepared.source if member is self.members[0] else None
        event = Heard(judged.advert.priority, Pace(judged.advert.version, judged.advert.interval_ns), wins)
        self._feed(event, now_ns, why_heard(self.router, self.last_heard))

    def is_late(self, now_ns: int) -> bool:
        return timing.is_late(self.router, now_ns)

    def late(self, now_ns: int) -> None:
        """Something was due long ago; what the others said since comes before what it does."""
        self._feed(Late(), now_ns, "woke late")

    def drained(self, now_ns: int) -> None:
        self._feed(Drained(), now_ns, "nobody else spoke meanwhile")

    def on_time(self, now_ns: int) -> None:
        """Do what is due: lease first, because a renewal would bring back what the kernel took away."""
        # One that leaves may have given its addresses up before it has said goodbye.
        if self.holdings.held:
            # Read again: between the turn's clock and here the process may have been stopped for long.
            if self._services.clock() >= self.holdings.lease_end_ns:
                self._feed(LeaseEnded(), now_ns, "its lease had ended when the process came to run again")
            elif now_ns >= self.holdings.renew_at_ns:
                self.holdings.renew(now_ns)
                self._write_slot()
        if self._recheck_at_ns is not None and now_ns >= self._recheck_at_ns:
            self._services.network.read_again(now_ns)
            self.refresh(now_ns)
        self._doubt_if_late()
        self._feed(Tick(), now_ns, why_now(self.router, self.last_heard, now_ns))
        for member in () if isinstance(self.router.state, Doubting) else self.members:
            member.announce_due(now_ns)

    def _doubt_if_late(self) -> None:
        """Before it speaks: the turn may have been held up since its beginning, when it last listened."""
        clock_ns = self._services.clock()
        if self.is_late(clock_ns):
            self.late(clock_ns)

    def refresh(self, now_ns: int) -> None:
        """The interfaces have changed, or a fault may have passed."""
        self._faults.cool(now_ns)
        prepared = [(member, member.prepared) for member in self.members]
        faulty = self._look()
        holding = self.holding
        if self._addresses() != self.holdings.addresses:
            # The interface was made anew under the same name: what we held went with the old one.
            if holding and not faulty:
                self._change_addresses(now_ns)
            else:
                self.holdings.prepare(self._addresses(), self.config.lease_s)
        elif holding and not faulty and any(member.prepared is not before for member, before in prepared):
            # Also where they are equal: the announcements may come from another MAC.
            for member in self.members:
                member.announce_once(now_ns)
        self._recheck_at_ns = now_ns + RECHECK_NS if faulty else None
        # By what the machine knows, not by the last look: a fault that comes while it recovers must stop that.
        if self.faults != self._known_faults or faulty != isinstance(self.router.state, Fault):
            self._feed(FaultsChanged(faulty=faulty), now_ns, self._faults.text())

    def address_gone(self, now_ns: int) -> None:
        """Somebody deleted one of our addresses: put it back, unless that has become a fight."""
        if not self.holding or now_ns >= self.holdings.lease_end_ns:
            return
        self._services.network.read()
        if in_use := self._in_use():
            self.holdings.forget(self._services.network.foreign_addresses().keys())
            self._fault(FaultReason.ADDRESS_IN_USE, in_use, now_ns)
            return
        if not self.holdings.restore(now_ns):
            return
        self._services.report.log("warning", "an address was deleted by somebody else; it is back", self.config.name)
        if self._losses.record(now_ns):
            self._fault(FaultReason.ADDRESS_LOST, "", now_ns)
            return
        for member in self.members:
            member.announce_once(now_ns)

    def reconfigure(self, config: GroupConfig, now_ns: int, *, maintenance: bool) -> None:
        """Another configuration of the same group; what it does not change is not touched."""
        unchanged = config == self.config and maintenance == self._maintenance
        if unchanged and not isinstance(self.router.state, Leaving):
            return
        self._maintenance = maintenance
        self.config, told = config, self.priority
        self._effective = weighed(config, self.bad)
        places = members_continued([member.config for member in self.members], config.members)
        members = []
        refreshing_from_ns = now_ns if isinstance(self.router.state, Active | Doubting) else None
        for each in config.members:
            place = places.get(each.name)
            member = Member(self._effective, each, self._services.network) if place is None else self.members[place]
            member.reconfigure(self._effective, each, refreshing_from_ns)
            members.append(member)
        self.members = tuple(members)
        self._look()
        if self.holding and not self.faults:
            self._change_addresses(now_ns)
        else:
            self.holdings.prepare(self._addresses(), config.lease_s)
        self._go_by_settings(told, now_ns, "maintenance" if maintenance else "configured")
        self.refresh(now_ns)

    def tracked(self, bad: Bad, now_ns: int) -> None:
        """These tracked servers are bad now, of all that anybody tracks."""
        if bad == self.bad:
            return
        told, self.bad, self._effective = self.priority, bad, weighed(self.config, bad)
        for member in self.members:
            member.reconfigure(self._effective, member.config)
        if self.priority != told:
            self._look()
            why = f"priority {told} -> {self.priority}: {weights_text(self.config.trackers, bad)}"
            self._services.report.log("info", why, self.config.name)
            self._go_by_settings(told, now_ns, why)
        if self.started:
            self.refresh(now_ns)

    def go_on(self, config: GroupConfig, slot: Slot) -> None:
        """This group goes on as `config`: let go of addresses that it lacks, so that another group may take them."""
        self._record.move(slot)
        if not self.holding:
            return
        kept = addresses_kept(self.config.addresses(), config.addresses())
        self.holdings.drop_all_but([each for each, stays in zip(self.holdings.addresses, kept, strict=False) if stays])

    def stop(self, now_ns: int, *, keep: bool | None = None) -> None:
        """A planned end: hand over, or leave the addresses to the next start where the configuration says Keep.

        One that is handed over already has said goodbye, and is not kept.
        """
        keeping = self.config.keep_on_stop if keep is None else keep
        if isinstance(self.router.state, Leaving):
            keeping, self._forsaken = False, keep is None
        if keeping and self.holding:
            self.holdings.renew(now_ns)
            self._write_slot()
            self.holdings.keep()
        self._feed(Stop(keep=keeping), now_ns, "stopped")

    @property
    def holding(self) -> bool:
        """Whether its addresses are in the kernel."""
        return isinstance(self.router.state, HOLDING)

    def unsettled(self, now_ns: int) -> str:
        """What it waits for after a start, in words; empty: nothing."""
        return unsettled(self.router, self.faults, self.last_heard, now_ns)

    @property
    def started(self) -> bool:
        return not isinstance(self.router.state, Initialize)

    @property
    def stopped(self) -> bool:
        return isinstance(self.router.state, Stopped)

    @property
    def deadline_ns(self) -> int | None:
        """When `on_time` wants to be called."""
        due = [timing.deadline(self.router), self._recheck_at_ns]
        if isinstance(self.router.state, Doubting):
            # A doubt that began within a turn ends in the next one, which listens first.
            due.append(self.router.state.active.advert_at)
        if self.holdings.held:
            due.append(self.holdings.renew_at_ns)
        due.extend(member.announce_at_ns for member in self.members)
        return min((at for at in due if at is not None), default=None)

    # How it is done.

    def _go_by_settings(self, told: int, now_ns: int, why: str) -> None:
        """They are new; `told`: the priority of before."""
        self._doubt_if_late()
        self._feed(Reconfigured(settings_of(self._effective, self._maintenance)), now_ns, why)
        if self.priority != told:
            by_tracking = None if self.priority == self.config.priority else self.priority
            self._services.report.priority(self.config.name, by_tracking)

    def _addresses(self) -> tuple[LeasedAddress, ...]:
        return tuple(address for member in self.members for address in member.addresses)

    def _look(self) -> bool:
        seen = frozenset[FaultReason]().union(*(member.refresh() for member in self.members))
        # The kernel refuses a second add only for the same prefix on the same interface; the rest is found here.
        return self._faults.saw(seen, self._in_use(), lost(self.config.trackers, self.bad))

    def _in_use(self) -> str:
        return self._services.network.set_by_others(each.address for each in self._addresses())

    def _fault(self, reason: FaultReason, detail: str, now_ns: int, *, taken: bool = True) -> None:
        self._faults.add(reason, detail, now_ns)
        self._recheck_at_ns = now_ns + RECHECK_NS
        self._feed(FaultsChanged(faulty=True) if taken else NotTaken(), now_ns, self._faults.text())

    def _feed(self, event: Event, now_ns: int, reason: str) -> None:
        if isinstance(event, FaultsChanged | NotTaken):
            self._known_faults = self.faults
        self.router, effects = machine.step(self.router, event, now_ns)
        for effect in effects:
            if not self._perform(effect, now_ns):
                return
        after = visible_state(self.router)
        if after != self._shown:
            before, self._shown = self._shown, after
            self.since_ns = now_ns
            self.transitions += 1
            self._write_slot()
            self._services.report.transition(self.config.name, before, after, reason, self.former)

    def _perform(self, effect: Effect, now_ns: int) -> bool:
        """Do one effect; False when it failed, and the machine has been told so already."""
        if effect is Effect.TAKE_ADDRESSES:
            return self._take(now_ns)
        if effect is Effect.RELEASE_ADDRESSES:
            self.holdings.release()
        for member in self.members:
            member.perform(effect, now_ns)
        if effect is Effect.SEND_ADVERT:
            self._record.speak(now_ns)
            self._write_slot()
        return True

    def _take(self, now_ns: int) -> bool:
        self._record.take()
        try:
            self.holdings.take(now_ns)
        except (AddressInUse, KernelRefused) as error:
            self._refused(error, now_ns, taken=False)
            return False
        return True

    def _refused(self, error: AddressInUse | KernelRefused, now_ns: int, *, taken: bool) -> None:
        reason, detail = FaultReason.KERNEL_REFUSED, str(error)
        if isinstance(error, AddressInUse):
            self._services.network.read()
            reason, detail = FaultReason.ADDRESS_IN_USE, self._in_use() or error.named
        self._services.report.log("error", f"the kernel refused an address: {error}", self.config.name)
        self._fault(reason, detail, now_ns, taken=taken)

    def _change_addresses(self, now_ns: int) -> None:
        try:
            before = self.holdings.held
            self.holdings.change(self._addresses(), self.config.lease_s, now_ns)
        except (AddressInUse, KernelRefused) as error:
            self._refused(error, now_ns, taken=True)
            return
        if self.holdings.held - before:
            for member in self.members:
                member.announce_once(now_ns)

    def _write_slot(self) -> None:
        if self.holding:
            self._record.hold(self.holdings.lease_end_ns)
        elif not self.stopped or self._forsaken:
            self._record.clear()
