"""Takes away what a checks process left that could not do it itself (shell; no event loop: the supervisor runs it)."""

from pathlib import Path

from mooring_node.files import StateFolder
from mooring_node.forwarding.sysctls import PROC_SYS_NET
from mooring_node.forwarding.undo import undo_all
from mooring_node.ipvs.keeper import SyncKeeper
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import Reconciler


def clear_away(state: StateFolder, sys_net: Path = PROC_SYS_NET) -> tuple[str, ...]:
    """Remove our services, then rules, addresses and settings; what could not be, in words. Nothing is raised.

    The mark that something is left goes when nothing is.
    """
    if not state.balancing.exists():
        return ()
    left: tuple[str, ...] = ()
    # A kernel without IPVS has none of our services: nothing is loaded to find that out.
    with Ipvs(lambda _module: "nothing is loaded to clear away") as ipvs:
        owned = Owned(state.ipvs_owned)
        for keeper in (SyncKeeper(ipvs, owned), Reconciler(ipvs, owned)):
            left += tuple(problem.message for problem in keeper.release())
    left += undo_all(state.forwarding, sys_net)
    if not left:
        state.results.unlink(missing_ok=True)
        state.balancing.unlink(missing_ok=True)
    return left
