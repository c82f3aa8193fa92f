"""Authentication, and the reviews and token requests that are answered and not stored."""

import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from mooring_lab.api.embedded import errors, tokens
from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.registry import Registry


def authenticated(registry: Registry, key: bytes, token: str, peer: Any, now: str) -> Object | None:
    """The user of a token or of a client's certificate; None: nobody that we know."""
    if token:
        claims = tokens.read(key, token, datetime.fromisoformat(now).timestamp())
        return tokens.user(claims) if claims and _alive(registry, claims) else None
    if peer:
        subject = dict(pair for part in peer["subject"] for pair in part)
        groups = [subject.get("organizationName", ""), "system:authenticated"]
        return {"username": subject.get("commonName", ""), "groups": groups}
    return None


def _alive(registry: Registry, claims: Object) -> bool:
    """A token ends with what it is bound to."""
    about = claims["kubernetes.io"]
    bound = [("serviceaccounts", about["serviceaccount"])]
    bound += [(f"{sort}s", about[sort]) for sort in ("pod", "node") if sort in about]
    for plural, one in bound:
        namespace = "" if plural == "nodes" else about["namespace"]
        found = registry.store.get(f"/{plural}", namespace, one["name"])
        if found is None or found.body["metadata"]["uid"] != one["uid"]:
            return False
    return True


def answer(
    registry: Registry, key: bytes, path: tuple[str, str, list[str]], request: web.Request, user: Object
) -> Awaitable[Object] | None:
    """The answer to a review or a token request; None: the path is none of these."""
    group, version, rest = path
    if request.method != "POST":
        return None
    if (group, version) == ("", "v1") and len(rest) == 5 and rest[2] == "serviceaccounts" and rest[4] == "token":
        return _token(registry, key, rest[1], rest[3], request)
    if group in ("authentication.k8s.io", "authorization.k8s.io") and len(rest) == 1:
        return _review(group, rest[0], request, user)
    return None


async def _review(group: str, plural: str, request: web.Request, user: Object) -> Object:
    asked = await request.json()
    if plural == "selfsubjectreviews":
        status: Object = {"userInfo": user}
    elif plural == "selfsubjectaccessreviews":
        status = {"allowed": True, "reason": "the embedded API server allows everything"}
    elif plural == "selfsubjectrulesreviews":
        rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        status = {"resourceRules": [rule], "nonResourceRules": [], "incomplete": False}
    else:
        raise errors.no_resource()
    return {**asked, "metadata": {}, "status": status}


async def _token(registry: Registry, key: bytes, namespace: str, name: str, request: web.Request) -> Object:
    asked = await request.json()
    account = registry.get(registry.kinds["", "v1", "serviceaccounts"], namespace, name).body["metadata"]
    spec = asked.get("spec") or {}
    seconds = spec.get("expirationSeconds") or 3600
    if seconds < 600:
        cause = errors.Cause(
            "FieldValueInvalid",
            f"Invalid value: {seconds}: may not specify a duration less than 10 minutes",
            "spec.expirationSeconds",
        )
        raise errors.invalid("TokenRequest", "authentication.k8s.io", "", [cause])
    now = datetime.now(UTC)
    about: Object = {"namespace": namespace, "serviceaccount": {"name": name, "uid": account["uid"]}}
    bound = spec.get("boundObjectRef")
    if bound:
        about |= _bound(registry, namespace, bound)
    claims = {
        "iss": tokens.ISSUER,
        "aud": spec.get("audiences") or [tokens.ISSUER],
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int(now.timestamp()) + seconds,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": about,
    }
    until = (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    spec = {"audiences": claims["aud"], "expirationSeconds": seconds, "boundObjectRef": bound}
    return {**asked, "spec": spec, "status": {"token": tokens.issue(key, claims), "expirationTimestamp": until}}


def _bound(registry: Registry, namespace: str, bound: Object) -> Object:
    sort = str(bound["kind"]).lower()
    kind = registry.kinds["", "v1", f"{sort}s"]
    meta = registry.get(kind, namespace if kind.namespaced else "", bound["name"])
    found = {sort: {"name": bound["name"], "uid": meta.body["metadata"]["uid"]}}
    node = meta.body.get("spec", {}).get("nodeName") if sort == "pod" else None
    live = registry.store.get("/nodes", "", node) if node else None
    if live:
        found["node"] = {"name": node, "uid": live.body["metadata"]["uid"]}
    return found
