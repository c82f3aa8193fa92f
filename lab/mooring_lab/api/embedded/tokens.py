"""Who asks: an administrator's certificate, or tokens of service accounts, signed and never stored (JWT, HS256)."""

import base64
import hashlib
import hmac
import json
from typing import Any

from mooring_lab.api.embedded.errors import Object

ISSUER = "https://kubernetes.default.svc"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(key: bytes, text: str) -> str:
    return _text(hmac.new(key, text.encode(), hashlib.sha256).digest())


def issue(key: bytes, claims: Object) -> str:
    """A token with these claims."""
    head = _text(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{_text(json.dumps(claims).encode())}"
    return f"{text}.{_signature(key, text)}"


def read(key: bytes, token: str, now: float) -> Object | None:
    """The claims of a token that we issued and whose time is not over, else None."""
    text, _, signature = token.rpartition(".")
    if not text or not hmac.compare_digest(_signature(key, text).encode(), signature.encode()):
        return None
    body = text.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims if claims["exp"] > now else None


def user(claims: Object) -> Object:
    """The user that a token stands for, as a SelfSubjectReview names it."""
    about = claims["kubernetes.io"]
    namespace, account = about["namespace"], about["serviceaccount"]
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
    for sort in ("node", "pod"):
        if sort in about:
            extra[f"authentication.kubernetes.io/{sort}-name"] = [about[sort]["name"]]
            extra[f"authentication.kubernetes.io/{sort}-uid"] = [about[sort]["uid"]]
    return {
        "username": f"system:serviceaccount:{namespace}:{account['name']}",
        "uid": account["uid"],
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
        "extra": extra,
    }
