"""Tables, as `kubectl get` prints them: a CustomResourceDefinition's columns, and those of the built-in kinds."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from mooring_lab.api.embedded.errors import Object
from mooring_lab.api.embedded.kinds import Column, Kind

_STEP = re.compile(
    r"""\.?(?:\[\?\(@\.(?P<left>[^=\s]+)\s*==\s*["'](?P<right>[^"']*)["']\)\]|\[(?P<index>\d+|\*)\]"""
    r"""|\['(?P<quoted>[^']+)'\]|(?P<name>(?:\\.|[^.\[\\])+))"""
)


def find(value: Any, path: str) -> Iterator[Any]:
    """What a simple JSONPath finds: fields, indexes, `[*]` and `[?(@.a=="b")]`."""
    step = _STEP.match(path)
    if step is None:
        yield value
        return
    rest = path[step.end() :]
    if step["left"] or step["index"]:
        items = value if isinstance(value, list) else []
        if step["left"]:
            items = [item for item in items if step["right"] in map(str, find(item, step["left"]))]
        elif step["index"] != "*":
            items = items[int(step["index"]) :][:1]
        for item in items:
            yield from find(item, rest)
    else:
        name = step["quoted"] or step["name"].replace("\\", "")
        if isinstance(value, dict) and name in value:
            yield from find(value[name], rest)


def duration(seconds: float) -> str:
    """A time span as kubectl writes it: 4m5s, 3h, 2d."""
    total = int(seconds)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    minutes, hours, days = total // 60, total // 3600, total // 86400

    def two(first: int, unit: str, second: int, part: str) -> str:
        return f"{first}{unit}" + (f"{second}{part}" if second else "")

    spans = (
        (total < 120, f"{total}s"),
        (minutes < 10, two(minutes, "m", total % 60, "s")),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, two(hours, "h", minutes % 60, "m")),
        (hours < 48, f"{hours}h"),
        (days < 8, two(days, "d", hours % 24, "h")),
        (days < 730, f"{days}d"),
        (days < 2920, two(days // 365, "y", days % 365, "d")),
    )
    return next((text for fits, text in spans if fits), f"{days // 365}y")


def age(time: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time is."""
    if not time:
        return "<unknown>"
    try:
        return duration((now - datetime.fromisoformat(time).astimezone(UTC)).total_seconds())
    except ValueError:
        return "<invalid>"


def _cell(column: Column, body: Object, now: datetime) -> Any:
    value = next(find(body, column.path), None)
    if value is None:
        return None
    if column.type == "date":
        return age(str(value), now)
    if column.type == "string":
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, bool | int | float) else None


def _all(body: Object, path: str) -> list[Any]:
    return list(find(body, path))


def _joined(found: Sequence[Any]) -> str:
    return ",".join(map(str, found)) or "<none>"


def _address(body: Object, sort: str) -> str:
    return next(find(body, f'.status.addresses[?(@.type=="{sort}")].address'), "<none>")


def _node(body: Object) -> dict[str, Any]:
    ready = next(find(body, '.status.conditions[?(@.type=="Ready")].status'), None)
    status = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if body.get("spec", {}).get("unschedulable"):
        status += ",SchedulingDisabled"
    prefix, other = "node-role.kubernetes.io/", "kubernetes.io/role"
    labels = body["metadata"].get("labels", {})
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)} | {labels.get(other, "")}
    info = body.get("status", {}).get("nodeInfo", {})
    return {
        "Status": status,
        "Roles": _joined(sorted(filter(None, roles))),
        "Version": info.get("kubeletVersion", ""),
        "Internal-IP": _address(body, "InternalIP"),
        "External-IP": _address(body, "ExternalIP"),
        "OS-Image": info.get("osImage") or "<unknown>",
        "Kernel-Version": info.get("kernelVersion") or "<unknown>",
        "Container-Runtime": info.get("containerRuntimeVersion") or "<unknown>",
    }


def _pod(body: Object) -> dict[str, Any]:
    status, found = body.get("status", {}), _all(body, ".status.containerStatuses[*]")
    waiting = [*_all(body, ".status.containerStatuses[*].state.waiting.reason")]
    ended = [*_all(body, ".status.containerStatuses[*].state.terminated.reason")]
    reason = next(iter(waiting + ended), status.get("reason") or status.get("phase", "Unknown"))
    if "deletionTimestamp" in body["metadata"]:
        reason = "Terminating"
    ready = sum(bool(one.get("ready")) for one in found)
    return {
        "Ready": f"{ready}/{len(body['spec'].get('containers', ()))}",
        "Status": reason,
        "Restarts": str(sum(one.get("restartCount", 0) for one in found)),
        "IP": status.get("podIP") or "<none>",
        "Node": body["spec"].get("nodeName") or "<none>",
        "Nominated Node": status.get("nominatedNodeName") or "<none>",
        "Readiness Gates": "<none>",
    }


def _event(body: Object, now: datetime) -> dict[str, Any]:
    about, source = body.get("involvedObject", {}), body.get("source", {})
    series = body.get("series") or {}
    last = series.get("lastObservedTime") or body.get("lastTimestamp") or body.get("eventTime")
    first = body.get("firstTimestamp") or body.get("eventTime")
    origin = source.get("component") or body.get("reportingComponent", "")
    return {
        "Last Seen": age(last or first, now),
        "Type": body.get("type", ""),
        "Reason": body.get("reason", ""),
        "Object": f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        "Subobject": about.get("fieldPath", ""),
        "Source": ", ".join(filter(None, (origin, source.get("host") or body.get("reportingInstance")))),
        "Message": body.get("message", "").strip(),
        "First Seen": age(first, now),
        "Count": str(series.get("count") or body.get("count") or 1),
    }


def _subjects(body: Object, sort: str) -> str:
    found = [one for one in body.get("subjects") or () if one["kind"] == sort]
    return ", ".join(f"{one['namespace']}/{one['name']}" if "namespace" in one else one["name"] for one in found)


def _binding(body: Object) -> dict[str, Any]:
    role = body["roleRef"]
    subjects = {f"{sort}s": _subjects(body, sort) for sort in ("User", "Group", "ServiceAccount")}
    return {"Role": f"{role['kind']}/{role['name']}", **subjects}


def _definition(body: Object) -> dict[str, Any]:
    spec = body["spec"]
    established = next(find(body, '.status.conditions[?(@.type=="Established")].status'), "False")
    return {
        "Scope": spec["scope"],
        "Versions": ",".join(one["name"] for one in spec["versions"]),
        "Group": spec["group"],
        "Kind": spec["names"]["kind"],
        "ShortNames": ",".join(spec["names"].get("shortNames", ())),
        "Established": established == "True",
    }


def _policy(body: Object) -> dict[str, Any]:
    spec = body["spec"]
    param = spec.get("paramKind")
    return {
        "Validations": len(spec.get("validations") or ()),
        "ParamKind": f"{param['apiVersion']}/{param['kind']}" if param else "<unset>",
    }


def _policy_binding(body: Object) -> dict[str, Any]:
    ref = body["spec"].get("paramRef")
    shown = ("{}/{}".format(ref.get("namespace", "*"), ref["name"]) if "name" in ref else "*") if ref else "<unset>"
    return {"PolicyName": body["spec"].get("policyName", ""), "ParamRef": shown}


_CELLS: dict[str, Callable[[Object], dict[str, Any]]] = {
    "configmaps": lambda body: {"Data": str(len(body.get("data") or {}) + len(body.get("binaryData") or {}))},
    "secrets": lambda body: {"Type": body.get("type", ""), "Data": str(len(body.get("data") or {}))},
    "namespaces": lambda body: {"Status": body.get("status", {}).get("phase", "")},
    "leases": lambda body: {"Holder": body["spec"].get("holderIdentity", "")},
    "nodes": _node,
    "pods": _pod,
    "customresourcedefinitions": _definition,
    "rolebindings": _binding,
    "clusterrolebindings": _binding,
    "validatingadmissionpolicies": _policy,
    "validatingadmissionpolicybindings": _policy_binding,
}


def _cells(kind: Kind, body: Object, now: datetime) -> list[Any]:
    meta = body["metadata"]
    created = meta.get("creationTimestamp")
    if not kind.builtin:
        return [meta["name"], *(_cell(column, body, now) for column in kind.columns[1:])]
    cells = _event(body, now) if kind.plural == "events" else _CELLS.get(kind.plural, lambda _: {})(body)
    cells |= {"Name": meta["name"], "Age": age(created, now), "Created At": created}
    return [cells[column.name] for column in kind.columns]


def table(kind: Kind, bodies: Sequence[Object], now: datetime, version: str, include: str, head: bool = True) -> Object:
    """Objects as a Table; `include` says what of the object goes with each row: None, Metadata or Object."""
    columns = [
        {
            "name": one.name,
            "type": one.type,
            "format": one.format,
            "description": one.description,
            "priority": one.priority,
        }
        for one in kind.columns
    ]
    rows = [{"cells": _cells(kind, body, now), "object": _included(body, version, include)} for body in bodies]
    return {
        "kind": "Table",
        "apiVersion": version,
        "metadata": {},
        "columnDefinitions": columns if head else [],
        "rows": [{key: value for key, value in row.items() if value is not None} for row in rows],
    }


def _included(body: Object, version: str, include: str) -> Object | None:
    if include == "Object":
        return body
    return None if include == "None" else partial(body, version)


def partial(body: Object, version: str = "meta.k8s.io/v1") -> Object:
    """The metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": body["metadata"]}
