"""What the server refuses, as Kubernetes' Status objects say it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

Object = dict[str, Any]


class Named(Protocol):
    """What an error says of a kind."""

    @property
    def group(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Cause(NamedTuple):
    """One thing that is wrong with an object: the reason's word, the message, the field's path."""

    reason: str
    message: str
    field: str


class Refusal(Exception):
    """A request that is answered by a Status of failure."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        """The Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": self.details} if self.details is not None else {}),
            "code": self.code,
        }


def details(kind: Named, name: str, word: str = "") -> Object:
    """The details that name an object; `word` stands for the plural."""
    group = {"group": kind.group} if kind.group else {}
    return {**({"name": name} if name else {}), **group, "kind": word or kind.plural}


def qualified(word: str, group: str) -> str:
    """`virtualips.mooring.dev`, `nodes`."""
    return f"{word}.{group}" if group else word


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, "BadRequest", message)


def no_resource() -> Refusal:
    """404 for a path that names no resource."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def not_found(kind: Named, name: str) -> Refusal:
    """404 for an object."""
    return Refusal(404, "NotFound", f'{qualified(kind.plural, kind.group)} "{name}" not found', details(kind, name))


def not_allowed() -> Refusal:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return Refusal(405, "MethodNotAllowed", message, {})


def already_exists(kind: Named, name: str) -> Refusal:
    """409 at a create."""
    message = f'{qualified(kind.plural, kind.group)} "{name}" already exists'
    return Refusal(409, "AlreadyExists", message, details(kind, name))


def conflict(kind: Named, name: str, why: str = "", word: str = "") -> Refusal:
    """409: a resourceVersion or a precondition does not fit."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(word or kind.plural, kind.group)} "{name}": {why}'
    return Refusal(409, "Conflict", message, details(kind, name, word))


def expired(asked: int, oldest: int) -> Refusal:
    """410: the changes since the asked resourceVersion are forgotten."""
    return Refusal(410, "Expired", f"too old resource version: {asked} ({oldest})")


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """422 with all its causes."""
    said = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    message = f'{qualified(kind, group)} "{name}" is invalid: {f"[{said}]" if len(causes) > 1 else said}'
    named = {**({"name": name} if name else {}), **({"group": group} if group else {}), "kind": kind}
    return Refusal(422, "Invalid", message, {**named, "causes": [cause._asdict() for cause in causes]})
