"""Forwarding of this node: rules, settings, addresses on lo, tunnels, and what kube-proxy does beside us (shell)."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mooring_node.balance.config import BalanceConfig
from mooring_node.forwarding import nft, traces, wanted
from mooring_node.forwarding.holding import LOOPBACK
from mooring_node.forwarding.host import Host
from mooring_node.forwarding.ledger import ForwardingLedger
from mooring_node.forwarding.nfnetlink import INET, NfTables, TableMarker
from mooring_node.forwarding.problem import Problem
from mooring_node.forwarding.rules import REMOVE, TABLE, ruleset
from mooring_node.forwarding.sysctls import PROC_SYS_NET
from mooring_node.forwarding.undo import undo_all
from mooring_node.kernel.rtnetlink import AddressGone, Change, LinkChanged, LinkGone, Monitor, Overrun, Rtnetlink
from mooring_node.units import SECOND_NS

LOOK_NS = 10 * SECOND_NS
"""Settings, addresses and interfaces are looked at so often; what goes away is heard of at once."""
RETRY_NS = 5 * SECOND_NS
"""Rules that were refused, or that somebody removed, are tried again so often."""
KUBE_PROXY_NS = 60 * SECOND_NS


class Forwarding:
    """Runs in the checks process. Nothing is raised: what does not work is a problem, and is tried again.

    `ledger` is a file of its own. What an earlier process left is taken over where it is still wanted, so a restart
    takes no address from lo and no rule away. `log` takes a level and a sentence. `sys_net` is where settings are
    written.
    """

    def __init__(
        self, ledger: Path, log: Callable[[str, str], None], *, program: str = "nft", sys_net: Path = PROC_SYS_NET
    ) -> None:
        self._path = ledger
        self._log = log
        self._program = program
        self._sys_net = sys_net
        self._rtnetlink = Rtnetlink()
        self._monitor = Monitor()
        self._nftables: NfTables | None = None
        with contextlib.suppress(OSError):
            self._nftables = NfTables()
        self._ledger = ForwardingLedger(ledger)
        self._host = Host(self._rtnetlink, self._ledger, log, sys_net)
        self._lock = asyncio.Lock()
        self._config = BalanceConfig(generation=0)
        self._applied: str | None = None
        self._marker: TableMarker | None = None
        self._rules_problem: tuple[Problem, ...] = ()
        self._host_problems: tuple[Problem, ...] = ()
        self._look_at_ns = self._rules_at_ns = self._kube_proxy_at_ns = 0
        self.kube_proxy: traces.KubeProxy | None = None
        """kube-proxy by its traces, as last looked at."""

    async def configure(self, config: BalanceConfig) -> tuple[Problem, ...]:
        """Run this configuration; what of it does not work now."""
        async with self._lock:
            self._config = config
            self._ensure_host(_now_ns())
            await self._ensure_rules(_now_ns())
        return self.problems

    async def turn(self) -> tuple[Problem, ...]:
        """Mend what somebody else has changed, and try again what failed; to be called about once a second."""
        async with self._lock:
            now_ns = _now_ns()
            if self._hear() or now_ns >= self._look_at_ns:
                self._ensure_host(now_ns)
            if now_ns >= self._rules_at_ns:
                await self._ensure_rules(now_ns)
            if now_ns >= self._kube_proxy_at_ns:
                self._kube_proxy_at_ns = now_ns + KUBE_PROXY_NS
                self._look_for_kube_proxy()
        return self.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What does not work, as last tried."""
        return self._rules_problem + self._host_problems

    async def counters(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """Packets and bytes of the port guard since its rules were set, by "refused" or "watched" and address."""
        if not self._applied or not self._config.port_guards:
            return {}
        found = await nft.counted(self._program)
        return {} if isinstance(found, nft.NftFailed) else found

    def fileno(self) -> int:
        """Readable when an interface changed or an address went: the time for a turn."""
        return self._monitor.fileno()

    async def close(self, *, undo: bool = True) -> None:
        """Take away all that was set (`undo`), or leave it to the next process."""
        async with self._lock:
            if undo:
                for words in await asyncio.to_thread(undo_all, self._path, self._sys_net):
                    self._log("error", words)
            self._rtnetlink.close()
            self._monitor.close()
            if self._nftables is not None:
                self._nftables.close()

    # What is set on the node.

    def _ensure_host(self, now_ns: int) -> None:
        self._look_at_ns = now_ns + LOOK_NS
        try:
            self._host_problems = self._host.ensure(self._config)
        except OSError as error:
            self._host_problems = (Problem("", "", f"forwarding cannot be set up on this node: {error}"),)

    def _hear(self) -> bool:
        return any(self._concerns(change) for change in self._monitor.read())

    def _concerns(self, change: Change) -> bool:
        match change:
            case Overrun():
                return True
            case AddressGone(address=address):
                return bool(self._config.backend_addresses) and address.prefix_length == 8 * len(address.address)
            case LinkGone(name=name):
                return name in self._names()
            case LinkChanged(link=link):
                return link.name in self._names()

    def _names(self) -> frozenset[str]:
        """The interfaces whose settings are ours to keep."""
        unwrapping = {each.name for each in wanted.unwrappings(self._config)}
        lo = {LOOPBACK} if self._config.backend_addresses else set()
        return frozenset(wanted.silent_interfaces(self._config)) | unwrapping | lo

    # Rules.

    async def _ensure_rules(self, now_ns: int) -> None:
        """Apply the rules where they differ from what was applied last, or where that is gone."""
        unwrapping = (each.name for each in wanted.unwrappings(self._config))
        text = ruleset(self._config, unwrapping)
        found = self._table()
        if text == self._applied and found == self._marker and not self._rules_problem:
            return
        if text == self._applied and text and found is None:
            self._log("warning", f"the nftables table inet {TABLE} was removed by somebody else; it is set again")
        if not text and found is None:
            self._applied, self._marker, self._rules_problem = text, None, ()
            return
        await self._apply(text, now_ns)

    async def _apply(self, text: str, now_ns: int) -> None:
        self._rules_at_ns = now_ns + RETRY_NS
        try:
            self._host.note_rules(there=True)
        except OSError as error:
            self._rules_problem = (Problem("", "", f"rules are not set, because the ledger cannot be: {error}"),)
            return
        failed = await nft.apply(text or REMOVE, self._program)
        if failed is not None:
            self._applied = None
            remedy = "install nftables where the daemon runs" if failed.missing else "see what it says"
            message = f"nft could not set the table inet {TABLE}: {failed.words}; {remedy}"
            self._rules_problem = (Problem("", "", message),)
            return
        self._applied, self._marker, self._rules_problem = text, self._table(), ()
        self._rules_at_ns = now_ns
        if not text:
            with contextlib.suppress(OSError):
                self._host.note_rules(there=False)

    def _table(self) -> TableMarker | None:
        if self._nftables is None:
            return None
        try:
            return self._nftables.table(INET, TABLE)
        except OSError:
            return None

    # kube-proxy.

    def _look_for_kube_proxy(self) -> None:
        try:
            found = traces.look(self._nftables, self._rtnetlink.links(), self._rtnetlink.addresses())
        except OSError as error:
            self._log("warning", f"cannot look for kube-proxy: {error}")
            return
        self.kube_proxy = found


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
