"""Settings, addresses and interfaces of this node that a configuration needs: read, compare, set (shell).

Every call looks at everything anew, so what somebody else changed meanwhile is mended. Whatever is set stands in the
ledger before. The order matters on lo: ARP is told to be silent before an address is there and may speak again
after it is gone, or this node would answer for an address that another one holds. (IPv6 needs no such setting: a
solicitation is answered only for addresses of the interface that it came in on.)
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mooring_node.balance.config import BackendAddressConfig, BalanceConfig
from mooring_node.forwarding import sysctls, wanted
from mooring_node.forwarding.decap import Decapsulation
from mooring_node.forwarding.holding import LOOPBACK, Holding, alone
from mooring_node.forwarding.ledger import Entries, ForwardingLedger, LedgerSysctl
from mooring_node.forwarding.problem import Problem, of_servers
from mooring_node.forwarding.undo import take_away
from mooring_node.kernel.links import Link, settings_batch
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.ledger import LedgerAddress, LedgerSetting

PATH = "spec.backendAddresses[{}]"


class Host:
    """`log` takes a level and a sentence; `sys_net` is where settings are written."""

    def __init__(
        self,
        rtnetlink: Rtnetlink,
        ledger: ForwardingLedger,
        log: Callable[[str, str], None],
        sys_net: Path = sysctls.PROC_SYS_NET,
    ) -> None:
        self._rtnetlink = rtnetlink
        self._ledger = ledger
        self._log = log
        self._sys_net = sys_net
        self._decapsulation = Decapsulation(rtnetlink)
        self._told: frozenset[str] = frozenset()

    def ensure(self, config: BalanceConfig) -> tuple[Problem, ...]:
        """Make it so, and take away what is not needed any more; what could not be.

        OSError: the kernel or the disk refused everything.
        """
        lacking = {each.name for each in wanted.unwrappings(config)} - {link.name for link in self._rtnetlink.links()}
        problems = self._ensure(config)
        # An interface that was made just now comes with the settings that are the default here.
        return self._ensure(config) if lacking else problems

    def _ensure(self, config: BalanceConfig) -> tuple[Problem, ...]:
        problems: list[Problem] = []
        before = self._ledger.read()
        links = {link.name: link for link in self._rtnetlink.links()}
        addresses = self._addresses(config, links, Holding(self._rtnetlink, links.values()), before, problems)
        unwrapping = wanted.unwrappings(config)
        settings = _kept(before.settings, [*_silent(config, links), *self._decapsulation.loose(unwrapping, links)])
        now = Entries(
            addresses=addresses,
            settings=settings,
            sysctls=_sysctls(config, before),
            made=before.made & _names(unwrapping) | (_names(unwrapping) - links.keys()),
            raised=before.raised & _names(unwrapping) | _down(unwrapping, links),
            ports=self._decapsulation.needed_ports(wanted.gue_ports(config), before.ports),
            rules=before.rules,
        )
        self._take_away(before, now)
        self._ledger.write(now)
        speaking = self._set(settings, links)
        problems += _not_silent(config, speaking)
        made, refused = self._decapsulation.ensure(unwrapping, now.ports, links)
        problems += _unwrapped(config, refused)
        # What the kernel's module has brought itself is not ours to remove.
        self._ledger.write(replace(now, made=now.made & links.keys() | made))
        safe = addresses - _spoken_of(config, speaking)
        problems += _refused(config, Holding(self._rtnetlink, self._rtnetlink.links()).add(safe))
        problems += [*_write(config, self._sys_net), *_not_routing(config)]
        return tuple(sorted(set(problems)))

    def note_rules(self, *, there: bool) -> None:
        """Say in the ledger whether rules may be there."""
        self._ledger.write(replace(self._ledger.read(), rules=there))

    # Addresses.

    def _addresses(
        self,
        config: BalanceConfig,
        links: Mapping[str, Link],
        holding: Holding,
        before: Entries,
        problems: list[Problem],
    ) -> frozenset[LedgerAddress]:
        """Those that are ours to add, or were added by us; one that somebody else set stays his."""
        ours: set[LedgerAddress] = set()
        told: set[str] = set()
        for place, each in enumerate(config.backend_addresses):
            lacking = [name for name in each.interfaces if name not in links]
            if wanted.family_of(each.address) == 4 and (lacking or not each.interfaces):
                names = ", ".join(lacking) or "that is named"
                message = (
                    f"there is no interface {names}; {each.address} is not set, because ARP there would speak of it"
                )
                problems.append(Problem("", PATH.format(place) + ".interfaces", message))
                continue
            needed = {alone(LOOPBACK, each.address), *_unwrapped_at(each, holding, before)}
            foreign = {one for one in needed - before.addresses if holding.foreign(one)}
            ours |= needed - foreign
            told |= {f"{one.address} is on {one.interface}" for one in foreign}
        for text in sorted(told - self._told):
            self._log("info", f"{text} already, set by somebody else: it is used, and stays")
        self._told = frozenset(told)
        return frozenset(ours)

    def _take_away(self, before: Entries, now: Entries) -> None:
        keys = {(each.interface, each.name) for each in now.settings}
        paths = {each.path for each in now.sysctls}
        gone = Entries(
            addresses=before.addresses - now.addresses,
            settings=frozenset(each for each in before.settings if (each.interface, each.name) not in keys),
            sysctls=frozenset(each for each in before.sysctls if each.path not in paths),
            made=before.made - now.made,
            raised=before.raised - now.raised,
            ports=before.ports - now.ports,
        )
        if not gone.empty:
            take_away(self._rtnetlink, gone, self._sys_net)

    def _set(self, settings: Iterable[LedgerSetting], links: Mapping[str, Link]) -> Mapping[str, str]:
        """The interfaces whose settings were refused, with the reason."""
        refused = {}
        for each in settings:
            link = links.get(each.interface)
            if link is not None and link.settings.get(each.name) != each.ours:
                for failure in self._rtnetlink.apply(settings_batch(link.index, {each.name: each.ours})):
                    refused[each.interface] = f"{each.name}: {failure.reason or os.strerror(failure.errno)}"
        return refused


def _spoken_of(config: BalanceConfig, speaking: Mapping[str, str]) -> frozenset[LedgerAddress]:
    """Addresses that must not be set, because ARP on one of their interfaces would speak of them."""
    return frozenset(
        alone(LOOPBACK, each.address)
        for each in config.backend_addresses
        if wanted.family_of(each.address) == 4 and not speaking.keys().isdisjoint(each.interfaces)
    )


def _not_silent(config: BalanceConfig, speaking: Mapping[str, str]) -> Iterator[Problem]:
    for place, each in enumerate(config.backend_addresses):
        for name in speaking.keys() & set(each.interfaces):
            message = (
                f"ARP on {name} could not be kept from speaking of {each.address} ({speaking[name]}); it is not set"
            )
            yield Problem("", PATH.format(place) + ".interfaces", message)


def _unwrapped_at(each: BackendAddressConfig, holding: Holding, before: Entries) -> Iterator[LedgerAddress]:
    """An address for the interface that unwraps, unless it has one (a CNI's).

    With any check of the reverse path, strict or loose, the kernel drops what comes in on an interface without an IPv4
    address. Not the virtual one: VRRP takes that for somebody else's where it is on any interface but lo.
    """
    if each.tunnel is not None and wanted.family_of(each.address) == 4:
        name = wanted.FALLBACKS[each.tunnel, 4][0]
        if not holding.others(name, before.addresses):
            yield alone(name, wanted.DUMMY)


def _refused(config: BalanceConfig, refused: Mapping[LedgerAddress, str]) -> Iterator[Problem]:
    for place, each in enumerate(config.backend_addresses):
        for address, reason in refused.items():
            tunnel = each.tunnel and wanted.FALLBACKS[each.tunnel, wanted.family_of(each.address)][0]
            if address in (alone(LOOPBACK, each.address), alone(tunnel or "", wanted.DUMMY)):
                message = f"{address.address} could not be set on {address.interface}: {reason}"
                yield Problem("", PATH.format(place), message)


def _kept(before: Iterable[LedgerSetting], needed: Iterable[LedgerSetting]) -> frozenset[LedgerSetting]:
    """A setting that the ledger has already keeps its first `before`."""
    first = {(each.interface, each.name): each for each in before}
    return frozenset(
        replace(each, before=first[each.interface, each.name].before) if (each.interface, each.name) in first else each
        for each in needed
        if (each.interface, each.name) in first or each.before != each.ours
    )


def _silent(config: BalanceConfig, links: Mapping[str, Link]) -> Iterator[LedgerSetting]:
    """ARP's settings; one that is stricter already stays."""
    for name in wanted.silent_interfaces(config):
        if name in links:
            for setting, value in wanted.ARP.items():
                there = links[name].settings.get(setting, 0)
                yield LedgerSetting(name, setting, there, max(value, there))


def _names(unwrapping: Iterable[wanted.Unwrapping]) -> frozenset[str]:
    return frozenset(each.name for each in unwrapping)


def _down(unwrapping: Iterable[wanted.Unwrapping], links: Mapping[str, Link]) -> frozenset[str]:
    return frozenset(each.name for each in unwrapping if each.name not in links or not links[each.name].up)


def _unwrapped(config: BalanceConfig, refused: Mapping[str, str]) -> Iterator[Problem]:
    for place, each in enumerate(config.backend_addresses):
        if each.tunnel is None:
            continue
        family = wanted.family_of(each.address)
        for key in (wanted.FALLBACKS[each.tunnel, family][0], f"{family} {each.tunnel_port}"):
            if key in refused:
                message = f"{each.tunnel.name} for {each.address} is not unwrapped here: {refused[key]}"
                yield Problem("", PATH.format(place) + ".tunnel", message)


# Kernel settings.


def _sysctls(config: BalanceConfig, before: Entries) -> frozenset[LedgerSysctl]:
    first = {each.path: each for each in before.sysctls}
    found = set()
    for need in wanted.sysctls(config):
        value = sysctls.read(need.path)
        if need.path in first:
            found.add(first[need.path])
        elif value is not None and value != need.value:
            found.add(LedgerSysctl(need.path, value, need.value))
    return frozenset(found)


def _write(config: BalanceConfig, sys_net: Path) -> Iterator[Problem]:
    for need in wanted.sysctls(config):
        value = sysctls.read(need.path)
        if value == need.value:
            continue
        refused = sysctls.write(need.path, need.value, sys_net)
        if refused is None:
            continue
        name = sysctls.dotted(need.path)
        if not refused.missing:
            remedy = f"set it on the node ({name}={need.value}), or mount its /proc/sys/net and name it by --sys-net"
            message = f"{name} is {value} and must be {need.value} for {need.purpose}: {refused.words}; {remedy}"
        elif Path(sysctls.PROC_SYS, need.path).parent.is_dir():
            message = f"this kernel knows no {name}, which {need.purpose} needs; use one that has it"
        else:
            message = f"{name} is not there, which {need.purpose} needs; load the kernel's module ip_vs"
        if names := wanted.users(config, need.path):
            yield from of_servers(names, "spec.virtualServers", message)
        else:
            yield Problem("", "spec.connectionSync", message)


def _not_routing(config: BalanceConfig) -> Iterator[Problem]:
    for family, names in wanted.forwarding(config).items():
        path = wanted.FORWARD[family]
        if sysctls.read(path) != "0":
            continue
        name = sysctls.dotted(path)
        message = f"NAT needs this node to route IPv{family}, and {name} is 0; set it to 1 on the node"
        yield from of_servers(names, "spec.virtualServers", message)
