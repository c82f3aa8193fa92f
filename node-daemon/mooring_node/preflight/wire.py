"""What drops adverts, and who else sends them (pure)."""

from collections.abc import Iterator

from mooring_node.preflight.facts import Facts, Wanted
from mooring_node.preflight.finding import Finding, error, warning
from mooring_node.preflight.firewall import INCOMING, OUTGOING, Dropped, Ruleset
from mooring_node.preflight.packets import Packet

ALLOW = "allow IP protocol 112 ({how}) before that"
#: Adverts that were seen at the wire and by nobody behind the firewall: fewer may be a matter of when it began.
LEAST_SEEN = 2
#: Of connection tracking: above it the table may be full at any moment.
FULL_SHARE = 0.95
SLOW_CLOCKS = frozenset({"hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"})


def judge(facts: Facts) -> Iterator[Finding]:
    """Firewalls by their rules and by what came through, strangers, connection tracking, the clock."""
    yield from _rules(facts)
    yield from _listened(facts)
    if facts.conntrack is not None and facts.conntrack[0] >= FULL_SHARE * facts.conntrack[1]:
        yield error(
            "ConntrackFull",
            f"connection tracking is full to {FULL_SHARE:.0%} or more of its {facts.conntrack[1]} entries: where it is"
            " full, adverts of new senders are dropped",
            "raise net.netfilter.nf_conntrack_max, or exempt adverts: `notrack` for IP protocol 112 in a raw chain",
        )
    if facts.clock_source in SLOW_CLOCKS:
        yield warning(
            "SlowClock",
            f"the kernel's clock source is {facts.clock_source}: each look at the clock takes microseconds",
            "find out why tsc (or the hypervisor's clock) is not used: `dmesg | grep -i clocksource`",
        )


def _rules(facts: Facts) -> Iterator[Finding]:
    if facts.nft_trouble:
        message = f"nftables cannot be looked at: {facts.nft_trouble}"
        yield warning("FirewallUnknown", message, "install it, or run this as root")
    for unread in facts.unread_tables:
        remedy = (
            "see that it accepts IP protocol 112 (`iptables-legacy-save`), or use --listen while another node speaks"
        )
        yield warning("FirewallUnknown", f"a table of iptables-legacy cannot be read: {unread}", remedy)
    ruleset = Ruleset(facts.tables)
    found: dict[tuple[str, bool, str], set[str]] = {}
    for instance in facts.wanted:
        for packet, hooks in _packets(instance):
            for dropped in ruleset.drops(packet, hooks):
                key = (dropped.where, dropped.surely, "out" if hooks is OUTGOING else "in")
                found.setdefault(key, set()).add(f"IPv{instance.family} on {instance.interface}")
    for (where, surely, way), places in sorted(found.items()):
        yield _dropped(Dropped(where, surely), way, ", ".join(sorted(places)))


def _packets(instance: Wanted) -> Iterator[tuple[Packet, tuple[str, ...]]]:
    """What must come in, and what must go out."""
    here = instance.group or instance.source
    for peer in instance.peers or (None,):
        yield Packet(instance.family, peer, here, incoming=instance.interface), INCOMING
        target = instance.group or peer
        yield Packet(instance.family, instance.source, target, outgoing=instance.interface), OUTGOING


def _dropped(dropped: Dropped, way: str, places: str) -> Finding:
    adverts = f"adverts ({places}) that {'go out' if way == 'out' else 'come in'}"
    where = "postrouting or output" if way == "out" else "input"
    remedy = ALLOW.format(how=f"`meta l4proto 112 accept` in {where}; firewall-cmd --add-protocol=vrrp")
    if dropped.surely:
        return error("FirewallDropsVrrp", f"the firewall drops {adverts}: {dropped.where}", remedy)
    return warning("FirewallMayDropVrrp", f"the firewall may drop {adverts}: {dropped.where}", remedy)


def _listened(facts: Facts) -> Iterator[Finding]:
    known = {(each.interface, each.family, each.virtual_router_id): each for each in facts.wanted}
    for heard in facts.heard or ():
        mine = known.get((heard.interface, heard.family, heard.virtual_router_id))
        who = f"{heard.source} (VRID {heard.virtual_router_id})"
        if heard.on_the_wire >= LEAST_SEEN and not heard.received and mine is not None:
            yield error(
                "AdvertsLost",
                f"adverts of {who} arrive on {heard.interface}, and none comes through to a socket: a firewall or the"
                " check of the reverse path drops them",
                "see the other findings; `nft monitor trace` and net.ipv4.conf.*.rp_filter show which",
            )
        if mine is not None and mine.peers and heard.source not in mine.peers and heard.source != mine.source:
            yield error(
                "ForeignRouter",
                f"{who} speaks VRRP on {heard.interface} with the VRID of {mine.name}, and is no peer of it",
                "give one of the two another virtualRouterID, or name it among the peers",
            )
