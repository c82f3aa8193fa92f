"""What stands in the API for each node: the NodeConfig that was written last, and what its daemon said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mooring_api.nodeconfig import Instance, NodeConfigStatus


@dataclass(frozen=True)
class Standing:
    """One node's NodeConfig as it stands in the API.

    `unreadable` names instances of the spec that could not be read and are not among `instances`.
    `status` is None where the daemon has not written one that can be read.
    """

    node: str
    instances: tuple[Instance, ...] = ()
    generation: int = 0
    status: NodeConfigStatus | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether the node runs what stands here, by its daemon's own word."""
        observed = self.status.observed_generation if self.status else None
        return observed is not None and observed >= self.generation


def standing_of(document: Mapping[str, Any]) -> Standing:
    """Read a NodeConfig document for what stands in it; never raises for what it holds.

    Fields of a newer version are ignored at every depth. An instance that cannot be read is passed over and
    named in `unreadable`; a status that cannot be read counts as none.
    """
    metadata = _mapping(document.get("metadata"))
    entries = _mapping(document.get("spec")).get("instances")
    instances: list[Instance] = []
    unreadable: list[str] = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            instances.append(Instance.model_validate(entry, extra="ignore", by_alias=True, by_name=False))
        except ValidationError:
            unreadable.append(str(_mapping(entry).get("name", "")))
    generation = metadata.get("generation")
    return Standing(
        str(metadata.get("name", "")),
        tuple(instances),
        generation if isinstance(generation, int) else 0,
        _status(document.get("status")),
        tuple(unreadable),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _status(given: object) -> NodeConfigStatus | None:
    try:
        return NodeConfigStatus.model_validate(given, extra="ignore", by_alias=True, by_name=False) if given else None
    except ValidationError:
        return None
