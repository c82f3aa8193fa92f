"""What a Secret says of itself: its name, its state, and the password in it. Pure."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from mooring_api.secret import PASSWORD_KEY, SECRET_TYPE

_LONGEST_VERSION = 64
_PASSWORD = re.compile(r"[!-~]{1,8}")


def name_of(secret: Mapping[str, Any]) -> str:
    return str((secret.get("metadata") or {}).get("name") or "")


def version_of(secret: Mapping[str, Any]) -> str:
    return str((secret.get("metadata") or {}).get("resourceVersion") or "")[:_LONGEST_VERSION]


def password_of(secret: Mapping[str, Any]) -> tuple[str | None, str]:
    """The password, or what is wrong with the Secret and what to do; never a part of what is in it."""
    if secret.get("type") != SECRET_TYPE:
        return None, f"is not of type {SECRET_TYPE}; delete it and create it with --type={SECRET_TYPE}"
    data = secret.get("data")
    encoded = data.get(PASSWORD_KEY) if isinstance(data, Mapping) else None
    if not isinstance(encoded, str):
        return None, f"has no key {PASSWORD_KEY}; add data.{PASSWORD_KEY}"
    try:
        text = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None, f"data.{PASSWORD_KEY} is not 1 to 8 printable ASCII characters; correct it"
    if _PASSWORD.fullmatch(text):
        return text, ""
    if _PASSWORD.fullmatch(text.rstrip("\r\n")):
        return None, f"data.{PASSWORD_KEY} ends with a line break; write it without, as printf does and echo does not"
    return None, f"data.{PASSWORD_KEY} is not 1 to 8 printable ASCII characters; correct it"
