"""What the reconciler found: what could not be done, and what others changed of ours (pure)."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum

from mooring_node.ipvs.diff import Action, Operation, diff
from mooring_node.ipvs.table import Balanced, ServiceKey, spelled


class Trouble(Enum):
    """Who has to act: the node's owner (module, permission, setting, another program), or nobody: it is tried again."""

    MISSING_MODULE = "MissingModule"
    FOREIGN = "Foreign"
    NOT_PERMITTED = "NotPermitted"
    SETTING = "Setting"
    NOT_RECORDED = "NotRecorded"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a service (None: no service) is not in the kernel as it should be. `module` with MISSING_MODULE."""

    trouble: Trouble
    message: str
    service: ServiceKey | None = None
    module: str | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """What of ours others had changed, added up; every one of these was mended.

    kube-proxy in its IPVS mode deletes every service that it does not know on its dummy device's addresses, so
    vanished services tell of it; `owned` is how many we had then.
    """

    audits: int = 0
    owned: int = 0
    vanished_services: int = 0
    changed_services: int = 0
    vanished_destinations: int = 0
    changed_destinations: int = 0
    added_destinations: int = 0

    @property
    def mended(self) -> int:
        """How many things there were to mend."""
        return (
            self.vanished_services
            + self.changed_services
            + self.vanished_destinations
            + self.changed_destinations
            + self.added_destinations
        )


def foreign_problem(key: ServiceKey) -> Problem:
    """Somebody else has our service, as far as is known: without the state folder of before, we were this one."""
    name = spelled(key)
    option = _OPTIONS.get(key.protocol, "-t")
    address = f"[{key.address}]" if key.family == 6 else key.address
    command = f"ipvsadm -D -f {key.mark}{' -6' if key.family == 6 else ''}" if key.mark else None
    command = command or f"ipvsadm -D {option} {address}:{key.port}"
    return Problem(
        Trouble.FOREIGN,
        f"another program balances {name}, or Mooring did and its state folder was lost; it stays as it is. End it "
        f"there, or remove it by `{command}`: it is taken over within 30 s",
        key,
    )


def told(operation: Operation) -> str:
    """An operation in words: `adding 10.0.0.7:8080 to 192.0.2.1:80/TCP`."""
    service = spelled(operation.service)
    backend = ""
    if operation.destination is not None:
        address = operation.destination.address
        backend = f"{f'[{address}]' if ':' in address else address}:{operation.destination.port}"
    return _PHRASES[operation.action].format(service=service, backend=backend)


_OPTIONS = {6: "-t", 17: "-u", 132: "--sctp-service"}
_PHRASES = {
    Action.NEW_SERVICE: "adding {service}",
    Action.SET_SERVICE: "changing {service}",
    Action.NEW_DESTINATION: "adding {backend} to {service}",
    Action.SET_DESTINATION: "changing {backend} of {service}",
    Action.DELETE_DESTINATION: "removing {backend} from {service}",
    Action.DELETE_SERVICE: "removing {service}",
}


def drifted(before: Drift, key: ServiceKey, known: Balanced, actual: Balanced | None) -> Drift:
    """The sum with what became of one service of ours, which was `known` and is `actual` (None: gone)."""
    if actual is None:
        return replace(before, vanished_services=before.vanished_services + 1)
    if actual == known:
        return before
    changes = diff({key: actual}, {key: known}, frozenset({key}))
    count = Counter(each.action for each in changes)
    return replace(
        before,
        changed_services=before.changed_services + count[Action.SET_SERVICE],
        vanished_destinations=before.vanished_destinations + count[Action.DELETE_DESTINATION],
        changed_destinations=before.changed_destinations + count[Action.SET_DESTINATION],
        added_destinations=before.added_destinations + count[Action.NEW_DESTINATION],
    )
