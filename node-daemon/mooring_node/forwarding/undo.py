"""Takes away what forwarding has set (shell; standard library, no event loop: the supervisor runs it too)."""

import contextlib
import shutil
import subprocess
from pathlib import Path

from mooring_node.forwarding import sysctls, wanted
from mooring_node.forwarding.fou import Fou
from mooring_node.forwarding.holding import Holding
from mooring_node.forwarding.ledger import Entries, ForwardingLedger, LedgerSysctl
from mooring_node.forwarding.rules import REMOVE
from mooring_node.forwarding.sysctls import PROC_SYS_NET
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.kernel.tunnels import remove_batch, up_batch
from mooring_node.ledger import undo_settings

KUBE_PROXY_INTERFACE = "kube-ipvs0"
NFT_TIME_LIMIT_S = 10.0


def undo_all(path: Path, sys_net: Path = PROC_SYS_NET) -> tuple[str, ...]:
    """Take away everything that the ledger at `path` names; what could not be, in words. Nothing is raised."""
    ledger = ForwardingLedger(path)
    entries = ledger.read()
    if entries.empty:
        return ()
    failures: list[str] = []
    if entries.rules and (words := remove_rules()):
        failures.append(f"the nftables table inet mooring is still there: {words}")
    try:
        with Rtnetlink() as rtnetlink:
            take_away(rtnetlink, entries, sys_net)
        ledger.write(Entries(rules=bool(failures)))
    except OSError as error:
        failures.append(f"what forwarding had set could not be taken away: {error}")
    return tuple(failures)


def take_away(rtnetlink: Rtnetlink, entries: Entries, sys_net: Path = PROC_SYS_NET) -> None:
    """Addresses before the settings that keep ARP silent about them; links after what unwraps into them."""
    links = rtnetlink.links()
    Holding(rtnetlink, links).remove(entries.addresses)
    if entries.ports:
        with contextlib.suppress(OSError), Fou() as fou:
            fou.remove(entries.ports)
    by_name = {link.name: link.index for link in links}
    for name in sorted(entries.made & by_name.keys()):
        rtnetlink.apply(remove_batch(by_name[name]))
    for name in sorted(entries.raised & by_name.keys() - entries.made):
        rtnetlink.apply(up_batch(by_name[name], up=False))
    undo_settings(rtnetlink, entries.settings)
    sysctls.undo(_unclaimed(entries.sysctls, kube_proxy=KUBE_PROXY_INTERFACE in by_name), sys_net)


def _unclaimed(entries: frozenset[LedgerSysctl], *, kube_proxy: bool) -> frozenset[LedgerSysctl]:
    """kube-proxy's IPVS mode needs the same values of some settings, and sets them at its own start only."""
    return frozenset(each for each in entries if not (kube_proxy and each.path in wanted.OF_KUBE_PROXY))


def remove_rules() -> str:
    """Remove the table; "" when it is gone."""
    program = shutil.which("nft")
    if program is None:
        return "there is no program nft; install nftables"
    try:
        done = subprocess.run(
            [program, "-f", "-"], input=REMOVE, capture_output=True, text=True, timeout=NFT_TIME_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return " ".join(done.stderr.split()) if done.returncode else ""
