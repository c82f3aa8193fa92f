"""The closed list of reasons in a VirtualIP's conditions and events: what each means, and what to do about it."""

from collections.abc import Iterator, Mapping

from mooring_api.virtualip import ConditionStatus
from mooring_operator.words.kinds import ConditionReason, ConditionType, EventType, NewsReason

_ACCEPTED, _PROGRAMMED, _HELD, _ = ConditionType
_TRUE, _FALSE, _UNKNOWN = ConditionStatus


class Reason(ConditionReason):
    """Why a condition of a VirtualIP is as it is."""

    ACCEPTED = "Accepted", _ACCEPTED, _TRUE, "nothing is wrong with the object", "nothing"
    NODES_LEFT_OUT = (
        "NodesLeftOut",
        _ACCEPTED,
        _TRUE,
        "it is planned, without some of the nodes that its selector chooses; the message says why each can't join."
        " No two members speak from one address, and none from a virtual one or another node's InternalIP: whose it is"
        " by its Node object comes first, then who has a part already",
        "correct the interface or the address of those nodes, or the selector, so that it chooses only nodes of"
        " one segment. Of two machines with one address give one another address; where one is off for good, delete"
        " its Node",
    )
    NODES_NOT_CHOSEN = (
        "NodesNotChosen",
        _ACCEPTED,
        _TRUE,
        "it is planned, and `spec.nodes.preferred` or `spec.nodes.overrides` names nodes that are not there or that its"
        " selector does not choose; as soon as one is there and chosen, its place counts",
        "correct the name, or label that node; nothing, where the node is away for a while",
    )
    TAKEN_BY_KUBELET = (
        "TakenByKubelet",
        _ACCEPTED,
        _TRUE,
        "it is planned, and an address of it has become the InternalIP of a node: that node's kubelet runs without"
        " `--node-ip` and took the address that it found first. When the address moves, the API server, logs, metrics"
        " and pods with hostNetwork look for that node elsewhere",
        "start the kubelet of that node with `--node-ip` and the node's own address",
    )
    TAKEN_BY_NODE = (
        "TakenByNode",
        _ACCEPTED,
        _TRUE,
        "it is planned, and a node reports an address of it as its own: something other than Mooring set it there, so"
        " two machines answer, and that one does not let go when the address moves",
        "look on that node for what set it (`ip -details address show`: a network configuration, another keepalived,"
        " a load balancer), end that and delete the address there; or remove the address from the VirtualIP",
    )
    INVALID = (
        "Invalid",
        _ACCEPTED,
        _FALSE,
        "a field can't be used; the message names it",
        "correct the field. What the API server itself refuses never gets here: this is for what only the operator"
        " can see, and for objects that another version wrote",
    )
    KEPT_AS_IT_STANDS = (
        "KeptAsItStands",
        _ACCEPTED,
        _FALSE,
        "what would be planned on one of its nodes no daemon would take (the message names node and field), or a"
        " node's report makes one segment of two on which groups run with one virtual router ID. All nodes of this"
        " VirtualIP go on with what they have, and no change of it or of them reaches them; one that runs nowhere yet"
        " is not planned",
        "do what the message says: a shorter label or name, an interface with a shorter name on that node, or another"
        " virtual router ID; or have the selector leave that node out",
    )
    DUPLICATE_ADDRESS = (
        "DuplicateAddress",
        _ACCEPTED,
        _FALSE,
        "an address belongs to another VirtualIP, the older one has it, or to a node, which has it as its InternalIP or"
        " reports it on an interface; the other addresses are planned",
        "remove the address from one of the two; never give a VirtualIP the address of a machine. Where another program"
        " holds it there (keepalived, another load balancer), end that first",
    )
    VIRTUAL_ROUTER_ID_CONFLICT = (
        "VirtualRouterIDConflict",
        _ACCEPTED,
        _FALSE,
        "a virtual router ID in `spec.vrrp.virtualRouterIDs` is used by another group on the segment; this group is"
        " not planned",
        "write another ID, or none, so that a free one is allocated",
    )
    VIRTUAL_ROUTER_IDS_EXHAUSTED = (
        "VirtualRouterIDsExhausted",
        _ACCEPTED,
        _FALSE,
        "all 255 virtual router IDs of the segment are used or heard",
        "put more addresses into one VirtualIP, or use nodes of another segment",
    )
    NODE_FULL = (
        "NodeFull",
        _ACCEPTED,
        _FALSE,
        "a node that it would need runs as many instances as a NodeConfig can list, all of older VirtualIPs; it is not"
        " planned at all",
        "put more addresses into one VirtualIP, or choose other nodes",
    )
    PRIORITY_CONFLICT = (
        "PriorityConflict",
        _ACCEPTED,
        _FALSE,
        "the written priorities do not decrease, or leave no room; it is planned as if they were left out",
        "list the preferred nodes from the highest priority to the lowest, spread over 1 to 254",
    )
    NOT_TRACKED = (
        "NotTracked",
        _ACCEPTED,
        _FALSE,
        "a VirtualServer in `spec.tracking` is not there, or not on all nodes of this VirtualIP; nodes that have"
        " nothing of it do not track it, and everything else is planned",
        "correct `namespace/name`, or see what keeps the VirtualServer from those nodes",
    )

    PROGRAMMED = (
        "Programmed",
        _PROGRAMMED,
        _TRUE,
        "every node that is to run it has confirmed that it does, and those that left it have let go",
        "nothing",
    )
    PLANNED = (
        "Planned",
        _PROGRAMMED,
        _UNKNOWN,
        "it is worked out which node does what, and no node was told yet",
        "wait; if it stays, the operator does not write: look at its log and whether one of its replicas leads",
    )
    WAITING_FOR_NODES = (
        "WaitingForNodes",
        _PROGRAMMED,
        _UNKNOWN,
        "the nodes have their configuration and have not all confirmed it yet",
        "wait: this takes less than a second where the nodes' daemons run",
    )
    CHANGING_OVER = (
        "ChangingOver",
        _PROGRAMMED,
        _UNKNOWN,
        "a change that the nodes of a group must agree on (members, virtual router ID, version, interval,"
        " authentication) goes round in steps, so that at no time two of them hold an address; the message names"
        " the step",
        "wait: each step takes less than a second where the nodes' daemons run",
    )
    NODES_SILENT = (
        "NodesSilent",
        _PROGRAMMED,
        _FALSE,
        "a node that must confirm has said nothing for longer than any daemon that runs would need; a change that"
        " goes round in steps stops there. The addresses are held as before",
        "see that the daemon runs on the nodes that are named (`kubectl get pods -n mooring-system -o wide`, its"
        " log, and OBSERVED beside GENERATION in `kubectl get nc`). A node that will not come back: remove its label"
        " or, when its daemon certainly does not run any more, delete its Node: a minute later the others go on without"
        " it",
    )
    REFUSED_BY_NODE = (
        "RefusedByNode",
        _PROGRAMMED,
        _FALSE,
        "a node's daemon can't run its part; the message has the node, the field and the daemon's words",
        "do what the words say: on that node (an interface that is missing), or in the VirtualIP",
    )
    DAEMON_TOO_OLD = (
        "DaemonTooOld",
        _PROGRAMMED,
        _FALSE,
        "something in it is critical to an election and newer than a daemon of one of its nodes, which the message"
        " names with its version; all of its nodes keep what they run, until every one of them understands it",
        "finish the upgrade of the DaemonSet (`kubectl get nc` shows each daemon's version), or take the new field back"
        " out of the VirtualIP; see docs/upgrades.md",
    )
    SECRET_MISSING = (
        "SecretMissing",
        _PROGRAMMED,
        _FALSE,
        "a node has no key from the Secret that `spec.vrrp.authentication.secretRef` names",
        "create the Secret in Mooring's own namespace, of type `mooring.dev/credentials` (no other is accepted)",
    )
    PAUSED = (
        "Paused",
        _PROGRAMMED,
        _FALSE,
        "the annotation `mooring.dev/paused` keeps the plan as it was: no change of the object or of its nodes"
        " reaches the nodes. Nodes go on to take over from each other",
        "`kubectl annotate vip NAME mooring.dev/paused-` when the work is done",
    )
    NOT_ACCEPTED = (
        "NotAccepted",
        _PROGRAMMED,
        _FALSE,
        "nothing of it can be planned because of what the condition Accepted says",
        "see the condition Accepted",
    )
    NO_ELIGIBLE_NODE = (
        "NoEligibleNode",
        _PROGRAMMED,
        _FALSE,
        "the selector chooses no node",
        "label nodes, or change `spec.nodes.selector`",
    )
    NOT_REPORTED = (
        "NotReported",
        _PROGRAMMED,
        _FALSE,
        "no node that the selector chooses has told its interfaces yet, so nothing can be planned",
        "run the Mooring daemon on these nodes; see that its pods are there and look into their log",
    )
    NO_NODE_FITS = (
        "NoNodeFits",
        _PROGRAMMED,
        _FALSE,
        "the nodes that the selector chooses have reported, and none can join; the message says why",
        "correct `spec.interface`, the nodes' addresses, or the selector; `mooring plan` shows each node's reason",
    )

    HELD = "Held", _HELD, _TRUE, "each group of addresses is held by exactly one node", "nothing"
    ELECTING = (
        "Electing",
        _HELD,
        _UNKNOWN,
        "the reports of the nodes do not name exactly one holder for each group, for no longer than an election takes,"
        " or as long as the daemon of a member has not reported in a NodeConfig that was lost and made anew",
        "wait; for a node that is named in the condition Programmed see its daemon",
    )
    HOLDER_UNREACHABLE = (
        "HolderUnreachable",
        _HELD,
        _UNKNOWN,
        "the node that last said it holds the addresses is not Ready, and no other has taken over",
        "see whether the addresses answer. If they do, only the kubelet or its way to the API server is down. If"
        " not, no other node could take over: look at the candidates (`kubectl get nc`)",
    )
    NO_HOLDER = (
        "NoHolder",
        _HELD,
        _FALSE,
        "no node holds a group of addresses, for longer than an election takes: its clients get no answer. The message"
        " says in which state each candidate is",
        "bring one candidate back: `Fault` names its reason; a `Backup` that stays one hears somebody else"
        " (`mooring-node status` on it says whom) or is not eligible (maintenance)",
    )
    TWO_HOLDERS = (
        "TwoHolders",
        _HELD,
        _FALSE,
        "several nodes say that they hold the same group, for longer than an election takes: they do not hear each"
        " other. Clients may reach either",
        "look for what keeps VRRP (IP protocol 112) from passing between them: a firewall, a switch, an interface"
        " that is the wrong one; `mooring-node status` shows who was last heard and what was refused. Until it is"
        " mended put one of them into maintenance: `mooring-node maintenance on`",
    )


#: As they are read back from a status; another version's may be missing.
REASONS: Mapping[str, Reason] = {str(reason): reason for reason in Reason}


class EventReason(NewsReason):
    """Reasons of events that tell of no condition."""

    HOLDER_CHANGED = "HolderChanged", "a node took groups of addresses, from another one or from nobody"
    RESUMED = "Resumed", "the pause is over; what changed meanwhile is planned now"
    OVERRULED = "Overruled", "on a NodeConfig: somebody else wrote its spec, and the operator wrote over it"
    UNREADABLE = "Unreadable", "on a Node or a NodeConfig: the field that the message names can't be used"


def _types() -> Iterator[tuple[Reason | EventReason, EventType]]:
    yield from ((reason, EventType.NORMAL) for reason in EventReason)
    yield from ((reason, EventType.NORMAL) for reason in (Reason.PROGRAMMED, Reason.PAUSED, Reason.HELD))
    warned = (Reason.NODES_LEFT_OUT, Reason.NODES_NOT_CHOSEN, Reason.TAKEN_BY_KUBELET, Reason.TAKEN_BY_NODE)
    warnings = (*warned, Reason.HOLDER_UNREACHABLE)
    yield from ((reason, EventType.WARNING) for reason in (EventReason.OVERRULED, EventReason.UNREADABLE))
    yield from ((reason, EventType.WARNING) for reason in warnings)
    quiet = (Reason.PAUSED, Reason.NOT_ACCEPTED)
    yield from ((r, EventType.WARNING) for r in Reason if r.status is ConditionStatus.FALSE and r not in quiet)


#: What is told as an event when it begins. What is under way is no news, nor what another condition tells.
EVENTS: Mapping[Reason | EventReason, EventType] = dict(_types())
