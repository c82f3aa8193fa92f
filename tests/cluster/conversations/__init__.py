"""Conversations with an API server: requests as data, and what came back in a form that two servers can share.

A conversation is a list of steps. `send` is method and path, `body` the document (or `text` as it is), `type` the
content type; `keep` names the reply, so that later steps can say `${name.metadata.uid}`; `lines` reads so many lines
of a watch; `until` asks again until this status comes; `only: status` compares nothing else. Each takes away what it
made.
"""

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parent
CRDS = FOLDER.parents[2] / "crds"
PATIENCE_S = 20.0
#: The embedded server tells its clients what it does not do.
OWN_WARNING = "the embedded API server"
HEADERS = ("content-type", "warning", "allow")
#: What the real server's controllers write to nodes when they get to it; the embedded one has none.
CONTROLLERS = ("kube-controller-manager", "node.alpha.kubernetes.io/ttl")
CONTROLLERS += ("node.kubernetes.io/not-ready", "node.kubernetes.io/unschedulable")
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_AGE = re.compile(r"(?:\d+[smhdy])+")
_LAST = re.compile(r'(version: \d+ )\(\d+\)|(?<=current: )\d+|(?<=in record \()\d+|(?<=resourceVersion\\":\\")\d+')
_SUFFIX = re.compile(r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}$")


class Reply(NamedTuple):
    """What came back; `body` is text, or the lines of a watch."""

    status: int
    headers: list[tuple[str, str]]
    body: str | list[str]


Send = Callable[[str, str, dict[str, str], bytes, int], Reply]
"""Method, path, headers, body and how many lines of a watch are read (0: the whole body)."""


def names() -> list[str]:
    """The conversations that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recorded(name: str) -> Path:
    """Where the real server's replies are kept."""
    return FOLDER / f"{name}.recorded.json"


def install(send: Send) -> None:
    """Create Mooring's definitions, and wait until they are served."""
    head = {"Content-Type": "application/yaml"}
    for path in sorted(CRDS.glob("*.yaml")):
        send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", head, path.read_bytes(), 0)
        plural = path.stem.rpartition("_")[2]
        step = {"until": http.client.OK}
        _send(send, step, "GET", f"/apis/mooring.dev/v1alpha1/{plural}", {}, b"")


def hold(name: str, send: Send) -> list[dict[str, Any]]:
    """Hold a conversation; the replies, normalised."""
    steps = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    kept: dict[str, Any] = {}
    replies = []
    for step in steps:
        method, path = _filled(step["send"], kept).split(" ", 1)
        body = step.get("text", json.dumps(step["body"]) if "body" in step else "")
        headers = {"User-Agent": "conversation/1", **step.get("headers", {})}
        if body:
            headers["Content-Type"] = step.get("type", "application/json")
        reply = _send(send, step, method, path, headers, _filled(body, kept).encode())
        content = [*map(_read, reply.body)] if isinstance(reply.body, list) else _read(reply.body)
        if "keep" in step:
            kept[step["keep"]] = content
        said = {"send": step["send"], "status": reply.status}
        if step.get("only") != "status":
            pairs = ([key.lower(), value] for key, value in reply.headers if OWN_WARNING not in value)
            found = sorted(pair for pair in pairs if pair[0] in HEADERS)
            said |= {"headers": found, "body": _unversioned(content) if "/nodes" in path else content}
        replies.append(said)
    normalised: list[dict[str, Any]] = _Normal(replies).of(replies)
    return normalised


def _send(send: Send, step: dict[str, Any], method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
    end = time.monotonic() + PATIENCE_S
    while True:
        reply = send(method, path, headers, body, step.get("lines", 0))
        if reply.status == step.get("until", reply.status) or time.monotonic() > end:
            return reply
        time.sleep(0.05)


def over_tls(url: str, ca: Path, certificate: Path) -> Send:
    """Requests to a server, each on a connection of its own."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate)

    def send(method: str, path: str, headers: dict[str, str], body: bytes, lines: int) -> Reply:
        connection = http.client.HTTPSConnection(url.removeprefix("https://"), timeout=PATIENCE_S, context=context)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            found = [response.readline().decode() for _ in range(lines)] if lines else response.read().decode()
            return Reply(response.status, response.getheaders(), found)
        finally:
            connection.close()

    return send


def _unversioned(value: Any) -> Any:
    """Without versions, which depend on what others write in between: controllers to nodes, all to bookmarks."""
    if isinstance(value, list):
        return [_unversioned(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: "<of others>" if key == "resourceVersion" else _unversioned(item) for key, item in value.items()}
    # Controllers take taints over, and who owned them before owns nothing of them then.
    found.pop("f:taints", None)
    return {key: item for key, item in found.items() if key != "f:spec" or item}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _filled(text: str, kept: dict[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found: Any = kept
        for word in match[1].split("."):
            if isinstance(found, list):
                found = found[int(word)]
            else:
                found = found.get(word, f"no-{word}") if isinstance(found, dict) else found
        return str(found)

    return re.sub(r"\$\{([\w.-]+)\}", value, text)


class _Normal:
    """Two servers agree in the order of resourceVersions, not in their values; uids, times and ages are hidden."""

    def __init__(self, replies: Any) -> None:
        versions = sorted({int(version) for version in _versions(replies) if version.isdigit()})
        self._versions = {str(version): f"<version {place}>" for place, version in enumerate(versions, 1)}
        self._uids: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, dict):
            return self._object(value)
        return self._text(value) if isinstance(value, str) else value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("type") == "BOOKMARK":
            value = {**value, "object": _unversioned(value["object"])}
        kind, meta = value.get("kind", ""), value.get("metadata")
        if str(kind).endswith("List") or kind == "Table":
            token = {"continue": "<token>"} if (meta or {}).get("continue") else {}
            value = {**value, "metadata": {**(meta or {}), "resourceVersion": "<of a list>", **token}}
        if kind == "Table":
            value["columnDefinitions"] = [{**one, "description": ""} for one in value["columnDefinitions"] or ()]
        if isinstance(value.get("managedFields"), list):
            entries = sorted(value["managedFields"], key=_manager)
            value = {**value, "managedFields": [one for one in entries if one["manager"] not in CONTROLLERS]}
        if kind == "Status" and len((value.get("details") or {}).get("causes", ())) > 1:
            causes = sorted(value["details"]["causes"], key=str)
            value["details"] = {**value["details"], "causes": causes}
            value["message"] = re.sub(r"\[.*|(?<=conflicts: ).*", "<the causes>", value["message"], flags=re.DOTALL)
        found = {key: self._field(key, item) for key, item in value.items()}
        return {
            key: item for key, item in found.items() if item not in ({}, []) or key not in ("annotations", "taints")
        }

    def _field(self, key: str, item: Any) -> Any:
        if key == "annotations" and isinstance(item, dict):
            item = {name: text for name, text in item.items() if name not in CONTROLLERS}
        if key == "taints" and isinstance(item, list):
            item = [one for one in item if one["key"] not in CONTROLLERS]
        if key == "resourceVersion" and isinstance(item, str):
            return self._versions.get(item, item)
        if key == "cells":
            return [
                _AGE.sub("<age>", one) if isinstance(one, str) and _AGE.fullmatch(one) else self.of(one) for one in item
            ]
        return self.of(item)

    def _text(self, text: str) -> str:
        text = _UID.sub(lambda match: self._uids.setdefault(match[0], f"<uid {len(self._uids) + 1}>"), text)
        text = _LAST.sub(r"\1<last>", text)
        return _SUFFIX.sub("<random>", _TIME.sub("<time>", text))


def _manager(entry: dict[str, Any]) -> tuple[str, ...]:
    """Their order is that of their times, which differ from run to run."""
    return entry["operation"], entry["manager"], entry.get("subresource", "")


def _versions(value: Any) -> Iterator[str]:
    """The resourceVersions of objects; a list's depends on what others write."""
    if isinstance(value, list):
        for item in value:
            yield from _versions(item)
    elif isinstance(value, dict) and value.get("type") != "BOOKMARK":
        listed = str(value.get("kind", "")).endswith("List") or value.get("kind") == "Table"
        meta = value.get("metadata")
        if isinstance(meta, dict) and not listed and isinstance(meta.get("resourceVersion"), str):
            yield meta["resourceVersion"]
        for item in value.values():
            yield from _versions(item)
