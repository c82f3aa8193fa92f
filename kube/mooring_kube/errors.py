"""What can go wrong when the API server is asked: told apart by type."""

# ruff: noqa: N818 - the names of the field, as the API server's reasons say them

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """A request did not do what it should."""


class Unreachable(KubeError):
    """No usable reply: refused, timed out, broken off, TLS, or not what an API server says. It may have been done."""


class StaleConnection(Unreachable):
    """The server closed the connection before it replied."""


class ApiError(KubeError):
    """The API server said no; `status` is HTTP's code, the rest is from its Status object.

    `details` is Status.details: which object, which fields (`causes`). `retry_after_s`: when the server wants to
    be asked again, None where it does not say.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s


class BadRequest(ApiError):
    """400: the request itself is wrong; with strict field validation also an unknown field."""


class Unauthorized(ApiError):
    """401: the token or certificate is not known, or no longer."""


class Forbidden(ApiError):
    """403: a right is missing; the message names verb and resource."""


class NotFound(ApiError):
    """404: no such object, or no such resource."""


class Conflict(ApiError):
    """409: it exists already, is another version, or another manager owns a field."""


class Gone(ApiError):
    """410: that resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks the schema or a rule; `details["causes"]` names the fields."""


class TooManyRequests(ApiError):
    """429: later."""


class ServerError(ApiError):
    """5xx: the server's own trouble."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def api_error(status: int, document: object, retry_after: str | None = None) -> ApiError:
    """The error for a reply: `document` is the parsed body, a Status where the server is one."""
    said = document if isinstance(document, Mapping) else {}
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    details = said.get("details")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return kind(
        status,
        str(said.get("reason") or ""),
        str(said.get("message") or "no message"),
        details if isinstance(details, Mapping) else None,
        seconds,
    )
