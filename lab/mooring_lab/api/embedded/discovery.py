"""Which groups, versions and resources there are, in the form that every kubectl reads."""

import base64
import hashlib
from collections.abc import Sequence

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import Kind

VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.1+embedded", "gitCommit": "", "gitTreeState": "clean"}
VERSION |= {"buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64"}
CORE = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def group(kinds: Sequence[Kind], name: str) -> Object | None:
    """/apis/NAME; None: there is none."""
    versions = sorted({kind.version for kind in kinds if kind.group == name})
    if not name or not versions:
        return None
    known = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": known, "preferredVersion": known[0]}


def groups(kinds: Sequence[Kind]) -> Object:
    """/apis."""
    found = [group(kinds, name) or {} for name in sorted({kind.group for kind in kinds} - {""})]
    entries = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in found]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": entries}


def resources(kinds: Sequence[Kind], group: str, version: str) -> Object | None:
    """/apis/GROUP/VERSION; None: there is none."""
    found: list[Object] = []
    for kind in kinds:
        if (kind.group, kind.version) == (group, version):
            entry = {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
            }
            short = {"shortNames": list(kind.short_names)} if kind.short_names else {}
            categories = {"categories": list(kind.categories)} if kind.categories else {}
            hashed = hashlib.sha256(f"{group}/{version}/{kind.kind}".encode()).digest()[:8]
            stored = {"verbs": _VERBS, "storageVersionHash": base64.b64encode(hashed).decode()}
            found.append({**entry, **(stored if kind.columns else {"verbs": ["create"]}), **short, **categories})
            part = {**entry, "singularName": ""}
            if kind.status:
                found.append({**part, "name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]})
            if kind.builtin and kind.plural == "serviceaccounts":
                found.append({**part, "name": "serviceaccounts/token", "kind": "TokenRequest", "verbs": ["create"]})
    if not found:
        return None
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}
