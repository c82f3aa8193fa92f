"""What is wrong with an object, for the person who wrote it: object, field, what is wrong, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

#: How the paths of problems begin that are about what is balanced; that of all virtual servers first.
BALANCING = ("spec.virtualServers", "spec.backendAddresses", "spec.portGuards", "spec.connectionSync")
#: The path of a problem that keeps nothing of the spec from running: it is about the report itself, or a Secret.
REMARK = "status"
#: As the entry that a problem is about: no instance's name has a capital.
CONNECTION_SYNC = "connectionSync"


class Severity(StrEnum):
    """Error: what the problem names is not used. Warning: it is used without the part that is named.

    Remark: a field that this version does not know is not used; all else runs as it was written.
    """

    ERROR = "Error"
    WARNING = "Warning"
    REMARK = "Remark"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that its author must change.

    `path` is the field as Kubernetes writes it (`spec.addresses[2].address`), "" for the object as a whole.
    `instance` names the entry of a NodeConfig that the problem is about: an instance, a virtual server, or the
    address of what has no name; "" where it is about the whole.
    """

    object: str
    path: str
    message: str
    severity: Severity = Severity.ERROR
    instance: str = ""
    module: str = ""
    """The kernel module that is missing, where that is the trouble."""

    def __str__(self) -> str:
        """`NAME: PATH (instance WEB-0): MESSAGE`; a warning says so before its message."""
        place = f"{self.path} ({self._what()}{self.instance})" if self.instance else self.path
        message = self.message if self.severity is Severity.ERROR else f"warning: {self.message}"
        return ": ".join(part for part in (self.object, place.strip(), message) if part)

    def _what(self) -> str:
        of_server = self.path.startswith("spec.virtualServers")
        nameless = self.path.startswith(("spec.backendAddresses", "spec.portGuards", "spec.connectionSync"))
        return "" if nameless else "virtual server " if of_server else "instance "


class InvalidObject(Exception):  # noqa: N818 - it names the state of the object, as MooringError would not
    """An object that cannot be used; `problems` holds everything that is wrong with it, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
