"""Interface settings that held addresses need, and the ledger of what they were before."""

from collections.abc import Iterable

from mooring_node.kernel.links import Link, settings_batch
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.ledger import Entries, Ledger, LedgerSetting, addresses_of, undo_settings
from mooring_node.vrrp.config import GroupConfig

#: Without it, deleting the first address of a prefix takes all others of that prefix with it.
NEEDED = {"promote_secondaries": 1}


def wanted(groups: Iterable[GroupConfig], links: Iterable[Link]) -> frozenset[LedgerSetting]:
    """What must be set on the interfaces that carry IPv4 addresses and lack it."""
    interfaces = {each.interface for group in groups for each in group.addresses() if ":" not in each.address}
    return frozenset(
        LedgerSetting(link.name, name, link.settings.get(name, 0), value)
        for link in links
        if link.name in interfaces
        for name, value in NEEDED.items()
        if link.settings.get(name) != value
    )


def ensure(rtnetlink: Rtnetlink, ledger: Ledger, groups: Iterable[GroupConfig]) -> None:
    """Set what is missing; on disk before it is set. A value that the ledger has already keeps its first `before`."""
    links = rtnetlink.links()
    missing = wanted(groups, links)
    if not missing:
        return
    entries = ledger.read()
    known = {(each.interface, each.name) for each in entries.settings}
    added = frozenset(each for each in missing if (each.interface, each.name) not in known)
    ledger.write(Entries(entries.addresses, entries.settings | added))
    by_name = {link.name: link for link in links}
    for each in missing:
        rtnetlink.apply(settings_batch(by_name[each.interface].index, {each.name: each.ours}))


def restore_unused(rtnetlink: Rtnetlink, ledger: Ledger, groups: Iterable[GroupConfig]) -> None:
    """Put back what no configured group needs any more, and narrow the ledger to what may still be set."""
    groups = tuple(groups)
    entries = ledger.read()
    used = {each.interface for group in groups for each in group.addresses()}
    unused = frozenset(each for each in entries.settings if each.interface not in used)
    undo_settings(rtnetlink, unused)
    ledger.write(Entries(addresses_of(groups), entries.settings - unused))
