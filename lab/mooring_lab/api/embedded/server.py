"""The HTTP side: paths, formats, watches and who asks."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import yaml
from aiohttp import web

from mooring_lab.api.embedded import discovery, errors, openapi, patches, reviews, selectors, tables
from mooring_lab.api.embedded.errors import Object, Refusal
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.registry import Ask, Registry
from mooring_lab.api.embedded.store import Change, Stored, encode

BOOKMARK_S = 60.0
APPLY = "application/apply-patch+yaml"
_PUBLIC = ("/healthz", "/readyz", "/livez", "/version")


class Target(NamedTuple):
    """What a path names."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str


class Form(NamedTuple):
    """How objects are answered: as they are, as tables or as metadata alone."""

    name: str = ""
    version: str = "meta.k8s.io/v1"


class Server:
    """Answers requests from a Registry."""

    def __init__(self, registry: Registry, key: bytes) -> None:
        self._registry, self._store, self._key = registry, registry.store, key

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        try:
            user = self._user(request)
            return await self._route(request, user)
        except Refusal as refusal:
            return _json(refusal.status(), refusal.code)

    def _user(self, request: web.Request) -> Object:
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = reviews.authenticated(self._registry, self._key, token if scheme == "Bearer" else "", peer, _now())
        if user is None and (token or request.path not in _PUBLIC):
            raise Refusal(401, "Unauthorized", "Unauthorized")
        return user or {}

    async def _route(self, request: web.Request, user: Object) -> web.StreamResponse:
        path = request.path.strip("/")
        if path in ("healthz", "readyz", "livez"):
            return web.Response(text="ok")
        if path == "version":
            return _json(discovery.VERSION)
        if path.startswith("openapi/"):
            return self._openapi(request, path)
        head, *rest = path.split("/")
        group = "" if head == "api" else rest.pop(0) if rest and head == "apis" else None
        version = rest.pop(0) if rest and group is not None else None
        if not rest or version is None or group is None:
            return self._discovery(request, head, group, version)
        review = reviews.answer(self._registry, self._key, (group, version, rest), request, user)
        if review is not None:
            return _json(await review, 201)
        target = self._target(group, version, [unquote(one) for one in rest])
        return await self._resource(request, target)

    def _discovery(self, request: web.Request, head: str, group: str | None, version: str | None) -> web.Response:
        kinds = list(self._registry.kinds.values())
        found: Object | None = None
        if head in ("api", "apis") and version is None and group in (None, ""):
            for form in ("v2", "v2beta1"):
                wanted = f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"
                if wanted in request.headers.get("Accept", "").replace(" ", ""):
                    body = discovery.aggregated(kinds, form, core_group=head == "api")
                    return web.Response(body=encode(body), headers={"Content-Type": wanted})
            found = discovery.core() if head == "api" else discovery.groups(kinds)
        elif group is not None and version is not None:
            found = discovery.resources(kinds, group, version)
        elif group:
            found = discovery.group(kinds, group)
        return _json(found) if found else web.Response(status=404, text="404 page not found\n")

    def _openapi(self, request: web.Request, path: str) -> web.Response:
        kinds = list(self._registry.kinds.values())
        _, version, *rest = path.split("/")
        if version == "v2":
            document = openapi.version_2(kinds)
            if "protobuf" in request.headers.get("Accept", ""):
                sort = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                return web.Response(body=openapi.gnostic(document), content_type=sort)
            return _json(document)
        wheres = {"/".join(filter(None, ["apis" if one.group else "api", one.api_version])): one for one in kinds}
        if not rest:
            revision = self._store.revision
            known = {where: {"serverRelativeURL": f"/openapi/v3/{where}?hash={revision}"} for where in sorted(wheres)}
            return _json({"paths": known})
        one = wheres.get("/".join(rest))
        if version != "v3" or one is None:
            return web.Response(status=404, text="404 page not found\n")
        return _json(openapi.version_3(kind for kind in kinds if kind.api_version == one.api_version))

    def _target(self, group: str, version: str, rest: list[str]) -> Target:
        namespace = None
        if len(rest) > 2 and rest[0] == "namespaces" and (group, version, rest[2]) in self._registry.kinds:
            namespace, rest = rest[1], rest[2:]
        kind = self._registry.kinds.get((group, version, rest[0]))
        plural, name, subresource, *more = [*rest, "", ""][: max(3, len(rest))]
        ok = kind is not None and not more and (not subresource or (subresource == "status" and kind.status))
        if kind is None or not ok or (namespace is not None and not kind.namespaced):
            raise errors.no_resource()
        return Target(kind, namespace, name, subresource)

    async def _resource(self, request: web.Request, target: Target) -> web.StreamResponse:
        if request.method == "GET" and request.query.get("watch", "") in ("1", "true"):
            return await self._watch(request, target)
        if request.method == "GET" and not target.name:
            return self._list(request, target)
        verbs: dict[tuple[str, bool], Callable[[Target, bytes, Ask, web.Request], tuple[Stored | Object, int]]] = {
            ("GET", True): self._get,
            ("POST", False): self._create,
            ("PUT", True): self._put,
            ("PATCH", True): self._patch,
            ("DELETE", True): self._delete,
            ("DELETE", False): self._delete_all,
        }
        verb = verbs.get((request.method, bool(target.name)))
        if verb is None:
            raise errors.not_allowed()
        ask = _ask(request, target)
        try:
            found, code = verb(target, await request.read(), ask, request)
        except Refusal as refusal:
            return _json(refusal.status(), refusal.code, ask.warnings)
        if isinstance(found, dict):
            return _json(found, code, ask.warnings)
        form = _form(request)
        if form.name or request.method == "GET":
            return _json(self._shaped(target.kind, [found.body], form, request)[0], code, ask.warnings)
        return _json(_outward(target.kind, found.body), code, ask.warnings)

    def _shaped(
        self, kind: Kind, bodies: list[Object], form: Form, request: web.Request, head: bool = True
    ) -> list[Object]:
        outward = [_outward(kind, body) for body in bodies]
        if form.name == "Table":
            include = request.query.get("includeObject", "Metadata")
            shaped = tables.table(kind, bodies, datetime.now(UTC), form.version, include, head)
            return [shaped]
        if form.name:
            return [tables.partial(body, form.version) for body in outward]
        return outward

    def _get(self, target: Target, _: bytes, ask: Ask, request: web.Request) -> tuple[Stored, int]:
        return self._registry.get(target.kind, target.namespace or "", target.name), 200

    def _create(self, target: Target, data: bytes, ask: Ask, request: web.Request) -> tuple[Stored, int]:
        document = _inward(target.kind, _parsed(data, target.kind, ask))
        if target.kind.namespaced and target.namespace is None:
            raise errors.not_allowed()
        return self._registry.create(target.kind, target.namespace or "", document, ask), 201

    def _put(self, target: Target, data: bytes, ask: Ask, request: web.Request) -> tuple[Stored, int]:
        document = _inward(target.kind, _parsed(data, target.kind, ask))
        return self._registry.update(target.kind, target.namespace or "", target.name, lambda _: document, ask), 200

    def _patch(self, target: Target, data: bytes, ask: Ask, request: web.Request) -> tuple[Stored, int]:
        kind, sort = target.kind, request.content_type
        accepted = [*openapi.PATCHES, *([openapi.STRATEGIC] if kind.builtin else [])]
        if sort not in accepted:
            message = "the body of the request was in an unknown format - accepted media types include: "
            raise Refusal(415, "UnsupportedMediaType", message + ", ".join(accepted))
        patch = _parsed(data, kind, ask)
        if sort == APPLY:
            stored, created = self._registry.apply(kind, target.namespace or "", target.name, _inward(kind, patch), ask)
            return stored, 201 if created else 200
        makers: dict[str, Callable[[Object], Object]] = {
            openapi.PATCHES[0]: lambda live: patches.json_patch(live, patch),
            openapi.PATCHES[1]: lambda live: patches.merge_patch(live, patch),
            openapi.STRATEGIC: lambda live: patches.strategic(kind.schema, live, patch),
        }
        return self._registry.update(kind, target.namespace or "", target.name, makers[sort], ask), 200

    def _delete(self, target: Target, data: bytes, ask: Ask, request: web.Request) -> tuple[Stored | Object, int]:
        options = _options(data, target.kind, ask, request)
        stored, gone = self._registry.delete(target.kind, target.namespace or "", target.name, options, ask)
        if not gone:
            return stored, 200
        said = {**errors.details(target.kind, target.name), "uid": stored.body["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": said}, 200

    def _delete_all(self, target: Target, data: bytes, ask: Ask, request: web.Request) -> tuple[Stored | Object, int]:
        options = _options(data, target.kind, ask, request)
        found = [stored for stored in self._selected(request, target)]
        for stored in found:
            meta = stored.body["metadata"]
            self._registry.delete(target.kind, meta.get("namespace", ""), meta["name"], options, ask)
        return self._listed(target.kind, [stored.body for stored in found], str(self._store.revision)), 200

    def _selected(self, request: web.Request, target: Target) -> Iterator[Stored]:
        fits = _selector(request, target)
        for stored in self._store.objects(target.kind.bucket, target.namespace):
            if fits(stored):
                yield stored

    def _listed(self, kind: Kind, items: list[Object], version: str) -> Object:
        head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": {"resourceVersion": version}}
        return {**head, "items": items}

    def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        asked = _revision(request)
        if asked > self._store.revision:
            message = f"Timeout: Too large resource version: {asked}, current: {self._store.revision}"
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            raise Refusal(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
        version, form, kind = str(self._store.revision), _form(request), target.kind
        found = list(self._selected(request, target))
        if not form.name and kind.bucket != "/events":
            head = encode(self._listed(kind, [], version))[:-2]
            cut = len(encode({"apiVersion": kind.api_version, "kind": kind.kind})) if kind.builtin else 1
            raw = b",".join(b"{" + stored.raw[cut:] for stored in found)
            return web.Response(body=head + raw + b"]}", content_type="application/json")
        bodies = [stored.body for stored in found]
        if form.name == "Table":
            (body,) = self._shaped(kind, bodies, form, request)
            body["metadata"] = {"resourceVersion": version}
        else:
            body = self._listed(kind, self._shaped(kind, bodies, form, request), version)
            if form.name:
                body |= {"kind": form.name + "List", "apiVersion": form.version}
        return _json(body)

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        fits, form = _selector(request, target), _form(request)
        initial = request.query.get("sendInitialEvents") == "true"
        bookmarks = request.query.get("allowWatchBookmarks") == "true"
        revision, now = _revision(request), self._store.revision
        first: list[Stored] = []
        if revision == 0 or initial:
            first, revision = list(self._selected(request, target)), now
        else:
            self._store.since(target.kind.bucket, revision)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        sent = _Sent(self, target.kind, form, request)
        lines = [sent.line("ADDED", stored) for stored in first]
        if initial and bookmarks:
            lines.append(sent.bookmark(revision, {"k8s.io/initial-events-end": "true"}))
        if lines:
            await response.write(b"".join(lines))
        loop = asyncio.get_running_loop()
        timeout_s = float(request.query.get("timeoutSeconds") or random.uniform(1800, 3600))
        end, mark = loop.time() + timeout_s, loop.time() + BOOKMARK_S
        while (rest := end - loop.time()) > 0:
            try:
                changes = self._store.since(target.kind.bucket, revision)
            except Refusal as refusal:
                await response.write(encode({"type": "ERROR", "object": refusal.status()}) + b"\n")
                break
            if changes:
                revision = changes[-1].revision
                lines = [sent.line(sort, stored) for sort, stored in _events(changes, fits)]
                if lines:
                    await response.write(b"".join(lines))
                continue
            await self._store.changed(target.kind.bucket, min(rest, BOOKMARK_S))
            if bookmarks and loop.time() >= mark:
                mark = loop.time() + BOOKMARK_S
                await response.write(sent.bookmark(max(revision, 1), None))
        return response


class _Sent:
    """The lines of one watch."""

    def __init__(self, server: Server, kind: Kind, form: Form, request: web.Request) -> None:
        self._server, self._kind, self._form, self._request, self._head = server, kind, form, request, True

    def line(self, sort: str, stored: Stored) -> bytes:
        raw = stored.raw
        if self._form.name or self._kind.bucket == "/events":
            (shaped,) = self._server._shaped(self._kind, [stored.body], self._form, self._request, self._head)
            raw, self._head = encode(shaped), False
        return b'{"type":"%s","object":%s}\n' % (sort.encode(), raw)

    def bookmark(self, revision: int, annotations: Object | None) -> bytes:
        meta = {"resourceVersion": str(revision), "creationTimestamp": None}
        meta |= {"annotations": annotations} if annotations else {}
        body = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": meta}
        if self._form.name == "Table":
            body = {
                "kind": "Table",
                "apiVersion": self._form.version,
                "metadata": meta,
                "columnDefinitions": [],
                "rows": [],
            }
        return encode({"type": "BOOKMARK", "object": body}) + b"\n"


def _events(changes: list[Change], fits: Callable[[Stored], bool]) -> Iterator[tuple[str, Stored]]:
    """What a watch with a selector sees: an object that fits no more is deleted to it."""
    for change in changes:
        before = change.before is not None and fits(change.before)
        now = not change.deleted and fits(change.now)
        if now:
            yield ("MODIFIED" if before else "ADDED"), change.now
        elif before:
            yield "DELETED", change.now


def _json(body: Any, status: int = 200, warnings: list[str] | None = None) -> web.Response:
    response = web.Response(body=encode(body), status=status, content_type="application/json")
    for text in dict.fromkeys(warnings or ()):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ask(request: web.Request, target: Target) -> Ask:
    query = request.query
    manager = query.get("fieldManager", "")
    if not manager and request.content_type != APPLY:
        manager = request.headers.get("User-Agent", "").partition("/")[0][:128] or "unknown"
    if query.get("dryRun") not in (None, "", "All"):
        raise errors.bad_request(f"invalid dryRun: {query['dryRun']}")
    return Ask(
        manager,
        _now(),
        subresource=target.subresource,
        dry_run=query.get("dryRun") == "All",
        validation=query.get("fieldValidation") or "Warn",
        force=query.get("force") == "true",
    )


def _form(request: web.Request) -> Form:
    """The first form of Accept that can be given."""
    for one in request.headers.get("Accept", "*/*").split(","):
        sort, *parameters = (part.strip() for part in one.split(";"))
        known = dict(part.partition("=")[::2] for part in parameters)
        if sort in ("application/json", "application/*", "*/*"):
            version = f"{known.get('g', 'meta.k8s.io')}/{known.get('v', 'v1')}"
            name = known.get("as", "").removesuffix("List")
            if name in ("", "Table", "PartialObjectMetadata"):
                return Form(name, version)
    raise Refusal(406, "NotAcceptable", "only the following media types are accepted: application/json")


def _parsed(data: bytes, kind: Kind, ask: Ask) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> Object:
        read = dict(found)
        if len(read) < len(found):
            names = [key for key, _ in found]
            ask.warnings.extend(f'duplicate field "{key}"' for key in read if names.count(key) > 1)
        return read

    try:
        return json.loads(data, object_pairs_hook=pairs)
    except ValueError:
        try:
            return yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise errors.bad_request(
                f"the object provided is unrecognized (must be of type {kind.kind}): {error}"
            ) from error


def _options(data: bytes, kind: Kind, ask: Ask, request: web.Request) -> Object:
    options = _parsed(data, kind, ask) if data.strip() else {}
    if "gracePeriodSeconds" in request.query:
        options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
    return dict(options)


def _revision(request: web.Request) -> int:
    text = request.query.get("resourceVersion") or "0"
    if not text.isdigit():
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise Refusal(500, "", f'resourceVersion: Invalid value: "{text}": {why}')
    return int(text)


def _selector(request: web.Request, target: Target) -> Callable[[Stored], bool]:
    labels = selectors.labels(request.query.get("labelSelector", ""))
    fields = selectors.fields(request.query.get("fieldSelector", ""))
    if target.name:
        fields.append(("metadata.name", target.name, True))
    known = {"metadata.name", "metadata.namespace", *target.kind.selectable}
    for name, _, _ in fields:
        if name not in known:
            raise errors.bad_request(f"field label not supported: {name}")

    def value(body: Object, name: str) -> str:
        found = next(tables.find(body, f".{name}"), None)
        if found is None and name == "spec.unschedulable":
            found = False
        return ("true" if found else "false") if isinstance(found, bool) else "" if found is None else str(found)

    def fits(stored: Stored) -> bool:
        meta = stored.body["metadata"]
        if target.namespace is not None and meta.get("namespace") != target.namespace:
            return False
        right = all((value(stored.body, name) == wanted) == same for name, wanted, same in fields)
        return right and labels(meta.get("labels") or {})

    return fits


_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}


def _inward(kind: Kind, body: Any) -> Any:
    """An event of events.k8s.io as the core group's, which is what is stored."""
    return body


def _outward(kind: Kind, body: Object) -> Object:
    return body
