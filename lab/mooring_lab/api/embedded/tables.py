"""Tables, as `kubectl get` prints them: from a CustomResourceDefinition's columns, and from those of builtin.json."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    minutes, hours, days = total // 60, total // 3600, total // 86400

    def two(first: int, unit: str, second: int, part: str) -> str:
        return f"{first}{unit}" + (f"{second}{part}" if second else "")

    spans = (
        (total < -1, "<invalid>"),
        (total < 0, "0s"),
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


def _node_status(body: Object) -> str:
    ready = next(find(body, '.status.conditions[?(@.type=="Ready")].status'), None)
    unschedulable = ",SchedulingDisabled" if body.get("spec", {}).get("unschedulable") else ""
    return {"True": "Ready", None: "Unknown"}.get(ready, "NotReady") + unschedulable


def _node_roles(body: Object) -> str:
    prefix, labels = "node-role.kubernetes.io/", body["metadata"].get("labels", {})
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)} | {
        labels.get("kubernetes.io/role", "")
    }
    return ",".join(sorted(filter(None, roles))) or "<none>"


def _pod_status(body: Object) -> str:
    states = (".state.waiting.reason", ".state.terminated.reason")
    reasons = [found for state in states for found in find(body, f".status.containerStatuses[*]{state}")]
    status = body.get("status", {})
    known = reasons[0] if reasons else status.get("reason") or status.get("phase", "Unknown")
    return "Terminating" if "deletionTimestamp" in body["metadata"] else known


def _pod_ready(body: Object) -> str:
    ready = [*find(body, ".status.containerStatuses[*].ready")].count(True)
    return f"{ready}/{len([*find(body, '.spec.containers[*]')])}"


def _event_source(body: Object) -> str:
    source = body.get("source") or {}
    names = (
        source.get("component") or body.get("reportingComponent"),
        source.get("host") or body.get("reportingInstance"),
    )
    return ", ".join(filter(None, names))


def _joined(found: Iterable[Any], empty: str, most: int | None = None) -> str:
    """At most so many, then how many more, as kubectl writes it."""
    items = list(map(str, found))
    more = f" + {len(items) - most} more..." if most is not None and len(items) > most else ""
    return ",".join(items[:most]) + more or empty


def _service_external(body: Object) -> str:
    given = [*find(body, ".status.loadBalancer.ingress[*].ip"), *find(body, ".spec.externalIPs[*]")]
    return _joined(given, "<pending>" if body.get("spec", {}).get("type") == "LoadBalancer" else "<none>")


def _service_ports(body: Object) -> str:
    ports = body.get("spec", {}).get("ports") or ()
    node = (f":{one['nodePort']}" if one.get("nodePort") else "" for one in ports)
    return _joined((f"{one['port']}{at}/{one['protocol']}" for one, at in zip(ports, node, strict=True)), "<none>")


def _service_selector(body: Object) -> str:
    selector = body.get("spec", {}).get("selector") or {}
    return _joined((f"{key}={value}" for key, value in sorted(selector.items())), "<none>")


def _versions(body: Object) -> str:
    return ",".join(
        one["name"] + ("(storage)" if one.get("storage") else "") for one in find(body, ".spec.versions[*]")
    )


def _about(reference: Object) -> str:
    return f"{reference.get('kind', '').lower()}/{reference.get('name', '')}"


def _subjects(body: Object, sort: str) -> str:
    found = [one for one in body.get("subjects") or () if one["kind"] == sort]
    return ", ".join(f"{one['namespace']}/{one['name']}" if one.get("namespace") else one["name"] for one in found)


#: The built-in kinds' ways to a cell that no path leads to.
SPECIAL: dict[str, Callable[[Object], Any]] = {
    "node-status": _node_status,
    "node-roles": _node_roles,
    "pod-status": _pod_status,
    "pod-ready": _pod_ready,
    "event-source": _event_source,
    "event-object": lambda body: _about(body.get("involvedObject", {})),
    "event-count": lambda body: (body.get("series") or {}).get("count") or body.get("count") or 1,
    "definition-versions": _versions,
    "service-external": _service_external,
    "service-ports": _service_ports,
    "service-selector": _service_selector,
    "slice-ports": lambda body: _joined((one.get("port", "*") for one in body.get("ports") or ()), "<unset>", 3),
    "slice-endpoints": lambda body: _joined(find(body, ".endpoints[*].addresses[*]"), "<unset>", 3),
    "role": lambda body: "/".join(str(body.get("roleRef", {}).get(key, "")) for key in ("kind", "name")),
}
#: Their ways from what the paths find.
WAYS: dict[str, Callable[[list[Any]], Any]] = {
    "first": lambda found: next(iter(found), ""),
    "none": lambda found: next(iter(found), "<none>"),
    "unknown": lambda found: next(iter(found), "<unknown>"),
    "unset": lambda found: next(iter(found), "<unset>"),
    "join": lambda found: ",".join(map(str, found)),
    "length": lambda found: sum(map(len, found)),
    "total": lambda found: str(sum(found)),
    "true": lambda found: "True" in found,
}


def _builtin_cell(column: Column, body: Object, now: datetime) -> Any:
    way, *paths = column.cell.split(" ")
    if way == "subjects":
        return _subjects(body, paths[0])
    if way in SPECIAL:
        return SPECIAL[way](body)
    found = [value for path in paths for value in find(body, path) if value not in (None, "")]
    return age(next(iter(found), None), now) if way == "age" else WAYS[way](found)


def _cell(column: Column, body: Object, now: datetime) -> Any:
    value = next(find(body, column.cell), None)
    if value is None:
        return "" if column.format == "name" else None
    if column.type == "date":
        return age(str(value), now)
    if column.type == "string":
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return value if isinstance(value, bool | int | float) else None


def table(kind: Kind, bodies: Sequence[Object], now: datetime, version: str, include: str, *, head: bool) -> Object:
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
    cell = _builtin_cell if kind.builtin else _cell
    return {
        "kind": "Table",
        "apiVersion": version,
        "metadata": {},
        "columnDefinitions": columns if head else None,
        "rows": [
            {"cells": [cell(one, body, now) for one in kind.columns], "object": _included(body, version, include)}
            for body in bodies
        ],
    }


def _included(body: Object, version: str, include: str) -> Object | None:
    if include == "None":
        return None
    return body if include == "Object" else partial(body, version)


def partial(body: Object, version: str) -> Object:
    """The metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": body["metadata"]}
