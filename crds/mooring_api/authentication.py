"""How members of a group know each other, and where the keys are."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from mooring_api.wire import Rule, Wire

#: Marks, in a schema, a field that only the daemon's file has.
FILE_ONLY = "x-mooring-file-only"


class AuthenticationType(StrEnum):
    """How members know each other."""

    PASSWORD = "Password"


class SecretReference(Wire):
    """A Secret of type mooring.dev/credentials in Mooring's own namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's name."""


def file_only(*, default: Any = None, **constraints: Any) -> Any:
    """A field of the daemon's file that the CRD does not have: nothing secret stands in an API's NodeConfig."""
    return Field(default=default, json_schema_extra={FILE_ONLY: True}, **constraints)


class InstanceAuthentication(Wire):
    """VRRP version 2's simple password: a guard against mistakes, not against an enemy (RFC 2338 10.2)."""

    type: AuthenticationType
    """Password: the eight bytes of VRRP version 2."""
    secret_ref: SecretReference | None = None
    """Where the password is; needs the Kubernetes API."""
    key_version: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Which state of the Secret, by its resourceVersion, of those that the daemon keeps.

    Left out: the one that the node has in use, at first the newest."""
    password: Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[!-~]+$")] | None = file_only(repr=False)
    """The password itself, 1 to 8 ASCII characters; only in a file."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.secretRef)",
            message="give the password by one of the two: secretRef, or in a file password",
            holds=lambda a: (a.secret_ref is None) != (a.password is None),
        ),
        Rule(
            cel="!has(self.keyVersion) || has(self.secretRef)",
            message="keyVersion is a state of the Secret; remove it, or write secretRef",
            holds=lambda a: a.key_version is None or a.secret_ref is not None,
            path="keyVersion",
        ),
    )
