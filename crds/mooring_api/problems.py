"""What is wrong with an object, for the person who wrote it: object, field, what is wrong, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that its author must change.

    `path` is the field as Kubernetes writes it (`spec.addresses[2].address`), "" for the object as a whole.
    """

    object: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.object}: {self.path}: {self.message}" if self.path else f"{self.object}: {self.message}"


class InvalidObject(Exception):  # noqa: N818 - it names the state of the object, as MooringError would not
    """An object that cannot be used; `problems` holds everything that is wrong with it, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
