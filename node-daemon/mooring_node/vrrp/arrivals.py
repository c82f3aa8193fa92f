"""What comes in at the ports, brought to the group that it is for; what is refused or for nobody is counted (shell)."""

from collections.abc import Callable, Sequence

from mooring_node.vrrp.foreign import AstrayAdverts, ForeignRouter, ForeignRouters
from mooring_node.vrrp.group import Group
from mooring_node.vrrp.matching import router_of, routers_of
from mooring_node.vrrp.member import Member
from mooring_node.vrrp.packet import peek
from mooring_node.vrrp.ports import Port
from mooring_node.vrrp.receive import Datagram, is_multicast
from mooring_node.vrrp.refusals import Refusal, Refusals, Refused
from mooring_node.vrrp.reports import Reports
from mooring_node.vrrp.text import address_text


class Arrivals:
    """`heard` is called with a group that has heard an advert: its timers may have changed."""

    def __init__(self, report: Reports, heard: Callable[[Group], None]) -> None:
        self.refusals = Refusals()
        self.foreign = ForeignRouters()
        self.astray = AstrayAdverts()
        self._report = report
        self._heard = heard
        self._routes: dict[tuple[str, int, int], tuple[Group, Member]] = {}

    def route(self, leaving: Sequence[Group], staying: Sequence[Group]) -> frozenset[tuple[str, int]]:
        """To these from now on: interfaces and families where something is heard.

        What a group speaks goes before what it also accepts, one that stays before one that leaves.
        """
        everyone = [(group, member) for group in (*leaving, *staying) for member in group.members]
        self.astray.expect(member.config for _, member in everyone)
        accepted = {router: each for each in everyone for router in routers_of(each[1].config)}
        self._routes = accepted | {router_of(each[1].config): each for each in everyone}
        return frozenset((interface, family) for interface, family, _ in self._routes)

    def read(self, port: Port, now: int, limit: int) -> None:
        """At most so many packets of a port."""
        for datagram in port.receive(limit):
            if isinstance(datagram, Refused):
                self._refuse(self.refusals, datagram.reason, b"", now, port.interface)
            else:
                self._bring(port, datagram, now)

    def _bring(self, port: Port, datagram: Datagram, now: int) -> None:
        head = peek(datagram.message)
        if head is None:
            self._refuse(self.refusals, Refusal.TOO_SHORT, datagram.source, now, port.interface)
            return
        version, virtual_router_id, priority = head
        route = self._routes.get((port.interface, port.family, virtual_router_id))
        if route is None:
            self._refuse(self.refusals, Refusal.UNKNOWN_VIRTUAL_ROUTER, datagram.source, now, port.interface)
            source = address_text(datagram.source)
            self.foreign.record(ForeignRouter(port.interface, virtual_router_id, source, priority, version))
            if not is_multicast(datagram.destination):
                # Somebody meant us; by multicast everybody on the link hears it.
                self.astray.record(port.interface, virtual_router_id, source, now)
            return
        group, member = route
        try:
            group.heard(member, datagram, now)
        except Refused as refused:
            self._refuse(member.refusals, refused.reason, datagram.source, now, group.config.name)
            return
        self._heard(group)

    def _refuse(self, counts: Refusals, reason: Refusal, source: bytes, now: int, where: str) -> None:
        if counts.record(reason, source, now):
            text = f"advert from {address_text(source)} refused: {reason}: {reason.meaning}; {reason.remedy}"
            self._report.log("warning", text, where)
