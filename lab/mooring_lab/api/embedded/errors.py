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


class StatusError(Exception):
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


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def other_name(given: str, asked: str) -> StatusError:
    """400: the document is not of the object that the path names."""
    return bad_request(f"the name of the object ({given}) does not match the name on the URL ({asked})")


def forbidden(kind: Named, name: str, why: str) -> StatusError:
    """403."""
    said = f'{qualified(kind.plural, kind.group)} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", said, details(kind, name))


def no_resource() -> StatusError:
    """404 for a path that names no resource."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def not_found(kind: Named, name: str) -> StatusError:
    """404 for an object."""
    return StatusError(404, "NotFound", f'{qualified(kind.plural, kind.group)} "{name}" not found', details(kind, name))


def not_allowed() -> StatusError:
    """405."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def already_exists(kind: Named, name: str) -> StatusError:
    """409 at a create."""
    message = f'{qualified(kind.plural, kind.group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details(kind, name))


def conflict(kind: Named, name: str, why: str = "", word: str = "") -> StatusError:
    """409: a resourceVersion or a precondition does not fit."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(word or kind.plural, kind.group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, details(kind, name, word))


def expired(asked: int, oldest: int) -> StatusError:
    """410: the changes since the asked resourceVersion are forgotten."""
    return StatusError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """422 with all its causes."""
    said = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    message = f'{qualified(kind, group)} "{name}" is invalid: {f"[{said}]" if len(causes) > 1 else said}'
    named = {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}
    return StatusError(422, "Invalid", message, {**named, "causes": [cause._asdict() for cause in causes]})
