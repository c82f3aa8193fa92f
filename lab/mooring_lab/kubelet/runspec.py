"""What is to be run for one container: everything that its process needs to know, and no Kubernetes. Pure."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host that the container sees at `target`.

    It must lie in the folder `within`, wherever links lead that a container may have put there; empty: anywhere.
    """

    source: str
    target: str
    read_only: bool = False
    within: str = ""


@dataclass(frozen=True, slots=True)
class Root:
    """What the container's root is made from: a layer that goes with it, above a folder that it can't change."""

    lower: str
    hidden: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the process is and what it may do. `capabilities`: a bit for each, as in /proc/PID/status."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: int = 0
    no_new_privileges: bool = False
    privileged: bool = False
    """All devices of the host, and nothing of /proc and /sys hidden or read-only."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One container, ready to be run."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_dir: str
    root: Root
    mounts: tuple[Mount, ...]
    identity: Identity
    network: str
    """The file of the network namespace."""
    hostname: str
    host_pid: bool = False
    host_ipc: bool = False
    termination_message: str = ""
    """The file on the host where the container may leave its last words."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of_json(cls, text: str) -> "RunSpec":
        data: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **data,
                "argv": tuple(data["argv"]),
                "environment": tuple((name, value) for name, value in data["environment"]),
                "root": Root(
                    data["root"]["lower"],
                    tuple(data["root"]["hidden"]),
                    tuple(data["root"]["shared"]),
                    data["root"]["read_only"],
                ),
                "mounts": tuple(Mount(**mount) for mount in data["mounts"]),
                "identity": Identity(**{**data["identity"], "groups": tuple(data["identity"]["groups"])}),
            }
        )
