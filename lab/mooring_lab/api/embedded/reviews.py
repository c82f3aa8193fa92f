"""Who asks, and the reviews and token requests, which are answered and not stored.

A token is a JWT of a service account, signed with HS256 and stored nowhere.
"""

import base64
import hashlib
import hmac
import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from mooring_lab.api.embedded import errors
from mooring_lab.api.embedded.errors import Cause, Object
from mooring_lab.api.embedded.registry import Registry
from mooring_lab.api.embedded.store import Stored

ISSUER = "https://kubernetes.default.svc.cluster.local"
TOKEN_REQUEST = "io.k8s.api.authentication.v1.TokenRequest"
_LEAST_S, _USUAL_S = 600, 3600


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(key: bytes, text: str) -> str:
    return _text(hmac.new(key, text.encode(), hashlib.sha256).digest())


def _issued(key: bytes, claims: Object) -> str:
    text = ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{_signature(key, text)}"


def _read(key: bytes, token: str, now: datetime) -> Object | None:
    text, _, signature = token.rpartition(".")
    if not text or not hmac.compare_digest(_signature(key, text).encode(), signature.encode()):
        return None
    body = text.partition(".")[2]
    claims: Object = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims if claims["exp"] > now.timestamp() else None


def user(registry: Registry, key: bytes, token: str, peer: Any, now: datetime) -> Object | None:
    """The user of a token or of a client's certificate; None: nobody that we know."""
    if token:
        claims = _read(key, token, now)
        return _account(claims) if claims and _alive(registry, claims["kubernetes.io"]) else None
    if not peer:
        return None
    subject = dict(pair for part in peer["subject"] for pair in part)
    return {
        "username": subject.get("commonName", ""),
        "groups": [subject.get("organizationName", ""), "system:authenticated"],
    }


def _account(claims: Object) -> Object:
    about = claims["kubernetes.io"]
    namespace, account = about["namespace"], about["serviceaccount"]
    extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
    for sort in about.keys() & {"node", "pod"}:
        extra |= {f"authentication.kubernetes.io/{sort}-{part}": [about[sort][part]] for part in ("name", "uid")}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {"username": claims["sub"], "uid": account["uid"], "groups": groups, "extra": extra}


def _found(registry: Registry, sort: str, namespace: str, name: str) -> Stored:
    kind = registry.kinds["", "v1", f"{sort}s"]
    return registry.get(kind, (namespace if kind.namespaced else "", name))


def _alive(registry: Registry, about: Object) -> bool:
    """A token ends with what it is bound to."""
    for sort in about.keys() & {"serviceaccount", "pod", "node", "secret"}:
        try:
            found = _found(registry, sort, about["namespace"], about[sort]["name"])
        except errors.StatusError:
            return False
        if found.body["metadata"]["uid"] != about[sort]["uid"]:
            return False
    return True


def review(plural: str, asked: Object, user: Object) -> Object:
    """What a SelfSubjectReview, SelfSubjectAccessReview or SelfSubjectRulesReview comes back with."""
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    status = {
        "selfsubjectreviews": {"userInfo": user},
        "selfsubjectaccessreviews": {"allowed": True, "reason": "the embedded API server allows everything"},
        "selfsubjectrulesreviews": {"resourceRules": [everything], "nonResourceRules": [], "incomplete": False},
    }[plural]
    return {**asked, "metadata": {}, "status": status}


def token_request(registry: Registry, key: bytes, namespace: str, name: str, asked: Object, now: datetime) -> Object:
    """A TokenRequest with its token; 404 if what it names is not there, 422 for too short a time."""
    account, spec = _found(registry, "serviceaccount", namespace, name), asked.get("spec") or {}
    seconds, bound = spec.get("expirationSeconds") or _USUAL_S, spec.get("boundObjectRef")
    if seconds < _LEAST_S:
        why = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = Cause("FieldValueInvalid", why, "spec.expirationSeconds")
        raise errors.invalid("TokenRequest", "authentication.k8s.io", "", [cause])
    about = {"namespace": namespace, "serviceaccount": _named(account)}
    if bound:
        found = _bound(registry, namespace, name, bound)
        about[found.body["kind"].lower()] = _named(found)
        node = registry.store.get("/nodes", ("", found.body.get("spec", {}).get("nodeName", "")))
        if node is not None:
            about["node"] = _named(node)
    start = int(now.timestamp())
    times = {"iat": start, "nbf": start, "exp": start + seconds}
    audiences = spec.get("audiences") or [ISSUER]
    claims = {"iss": ISSUER, "aud": audiences, "sub": f"system:serviceaccount:{namespace}:{name}", **times}
    token = _issued(key, {**claims, "jti": str(uuid.uuid4()), "kubernetes.io": about})
    until = (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}
    return {**asked, "spec": spec, "status": {"token": token, "expirationTimestamp": until}}


def _bound(registry: Registry, namespace: str, account: str, bound: Object) -> Stored:
    """What a token is to be bound to; 404, 409 for another of that name, 400 for what it can't be bound to."""
    sort, name = bound.get("kind", ""), bound.get("name", "")
    if sort not in ("Node", "Pod", "Secret"):
        raise errors.bad_request(f"cannot bind token to object of type /v1, Kind={sort}")
    found = _found(registry, sort.lower(), namespace, name)
    if bound.get("uid") not in (None, "", found.body["metadata"]["uid"]):
        why = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record"
        kind = registry.kinds["", "v1", f"{sort.lower()}s"]
        raise errors.conflict(kind, name, f"{why}. The object might have been deleted and then recreated", sort)
    if sort == "Pod" and found.body["spec"].get("serviceAccountName") != account:
        why = "to pod running with different serviceaccount name."
        raise errors.bad_request(f'cannot bind token for serviceaccount "{account}" {why}')
    return found


def _named(found: Stored) -> Object:
    return {"name": found.body["metadata"]["name"], "uid": found.body["metadata"]["uid"]}
