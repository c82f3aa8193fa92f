"""Puts the parts together that a daemon needs whose NodeConfig is in the API."""

from collections.abc import Callable
from functools import partial

from mooring_node.agent.api import KubeServer
from mooring_node.agent.balancing import Balancing
from mooring_node.agent.judging import Judge
from mooring_node.agent.keyring import Keyring
from mooring_node.agent.observer import Answer, Observer
from mooring_node.agent.options import ApiSource
from mooring_node.agent.running import Running
from mooring_node.agent.transitions import TransitionLog
from mooring_node.agent.upstream import Identity, Upstream
from mooring_node.files import StateFolder
from mooring_node.kernel.rtnetlink import Rtnetlink
from mooring_node.log import Log


def assemble(
    source: ApiSource,
    state: StateFolder,
    running: Running,
    transitions: TransitionLog,
    rtnetlink: Rtnetlink,
    balancing: Balancing,
    judge: Judge,
    ask: Callable[[Callable[[Answer], None]], None] | None,
    log: Log,
) -> tuple[Observer, Upstream]:
    """To be called in the agent's loop; nothing is asked of the API before `Upstream.start`.

    `ask` puts a question to the VRRP process; None: there is none.
    """
    observer = Observer(running, transitions, rtnetlink, balancing, source.choice, ask, lambda: upstream.changed())
    upstream = Upstream(
        Identity(source.node, source.namespace),
        partial(KubeServer, source.kubeconfig, source.node, source.namespace),
        running,
        judge,
        Keyring(source.namespace, state.keys, log),
        observer.status,
        log,
    )
    return observer, upstream
