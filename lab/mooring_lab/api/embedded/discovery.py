"""Which groups, versions and resources there are, in the old form and in the aggregated one."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import Kind

VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.1+embedded", "gitTreeState": "clean", "goVersion": "none"}
VERSION |= {"gitCommit": "", "buildDate": "1970-01-01T00:00:00Z", "compiler": "none", "platform": "linux/amd64"}
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
#: Reviews and subresources that are only answered: group, version, resource, kind, whether namespaced.
ANSWERED = (
    ("", "v1", "serviceaccounts/token", "TokenRequest", True),
    ("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
)


def versions(kinds: Iterable[Kind]) -> list[tuple[str, str]]:
    """Groups and their versions, the core group first."""
    return sorted(
        {(kind.group, kind.version) for kind in kinds} | {(group, version) for group, version, *_ in ANSWERED}
    )


def _short(kind: Kind) -> Object:
    return {
        **({"shortNames": list(kind.short_names)} if kind.short_names else {}),
        **({"categories": list(kind.categories)} if kind.categories else {}),
    }


def resources(kinds: Iterable[Kind], group: str, version: str) -> Object | None:
    """APIResourceList of one group and version."""
    if (group, version) not in versions(kinds):
        return None
    found: list[Object] = []
    for kind in sorted(kinds, key=lambda one: one.plural):
        if (kind.group, kind.version) == (group, version):
            entry = {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
            }
            found.append({**entry, "verbs": VERBS, **_short(kind)})
            if kind.status:
                part = {**entry, "name": f"{kind.plural}/status", "singularName": ""}
                found.append({**part, "verbs": ["get", "patch", "update"]})
    for own, at, name, kind_name, namespaced in ANSWERED:
        if (own, at) == (group, version):
            entry = {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind_name, "verbs": ["create"]}
            found.append(entry)
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}


def core() -> Object:
    """/api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group(kinds: Iterable[Kind], name: str) -> Object | None:
    """/apis/NAME."""
    known = [
        {"groupVersion": f"{name}/{version}", "version": version} for own, version in versions(kinds) if own == name
    ]
    if not name or not known:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": known, "preferredVersion": known[0]}


def groups(kinds: Iterable[Kind]) -> Object:
    """/apis."""
    names = sorted({name for name, _ in versions(kinds)} - {""})
    found = [group(kinds, name) for name in names]
    entries = [{key: value for key, value in (one or {}).items() if key not in ("kind", "apiVersion")} for one in found]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": entries}


def aggregated(kinds: Iterable[Kind], form: str, *, core_group: bool) -> Object:
    """/api or /apis as APIGroupDiscoveryList (apidiscovery.k8s.io) with all resources."""
    items: list[Object] = []
    wanted = [one for one in versions(kinds) if (one[0] == "") == core_group]
    for name, known in groupby(wanted, key=lambda one: one[0]):
        entries = []
        for _, version in known:
            listed = resources(kinds, name, version) or {}
            entries.append({"version": version, "resources": _nested(listed, name, version), "freshness": "Current"})
        items.append({"metadata": {"name": name} if name else {}, "versions": entries})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form}",
        "metadata": {},
        "items": items,
    }


def _nested(listed: Object, group: str, version: str) -> list[Object]:
    found: dict[str, Any] = {}
    for entry in listed["resources"]:
        name, _, subresource = entry["name"].partition("/")
        said = {"responseKind": {"group": group, "version": version, "kind": entry["kind"]}, "verbs": entry["verbs"]}
        if subresource:
            found[name].setdefault("subresources", []).append({"subresource": subresource, **said})
            continue
        scope = "Namespaced" if entry["namespaced"] else "Cluster"
        extra = {key: entry[key] for key in ("shortNames", "categories") if key in entry}
        found[name] = {"resource": name, "scope": scope, "singularResource": entry["singularName"], **said, **extra}
    return list(found.values())
