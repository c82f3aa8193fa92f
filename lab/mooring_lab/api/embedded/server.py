"""The HTTP side: paths, verbs, watches and who asks."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from mooring_lab.api.embedded import builtins, discovery, errors, openapi, patches, protobuf, requests, reviews
from mooring_lab.api.embedded.answers import Lines, Shape, listed, reply
from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.errors import Cause, Object, StatusError
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.registry import Registry
from mooring_lab.api.embedded.requests import Target
from mooring_lab.api.embedded.store import Stored, encode

BOOKMARK_S = 60.0
_ALIVE = ("/healthz", "/readyz", "/livez")
_INITIAL_END = {"annotations": {"k8s.io/initial-events-end": "true"}}
Answer = tuple[Stored | Object, int]


class Server:
    """Answers requests from a Registry; `key` signs tokens."""

    def __init__(self, registry: Registry, key: bytes) -> None:
        self._registry, self._store, self._key = registry, registry.store, key

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        try:
            return await self._route(request, self._user(request))
        except StatusError as refusal:
            return reply(refusal.status(), refusal.code)
        except RecursionError:
            return reply(errors.bad_request("the document is nested too deeply").status(), 400)
        except OSError as error:
            return reply(StatusError(500, "InternalError", f"the journal could not be written: {error}").status(), 500)

    def _user(self, request: web.Request) -> Object:
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        user = reviews.user(self._registry, self._key, token if scheme == "Bearer" else "", peer, datetime.now(UTC))
        if user is None and (token or request.path not in (*_ALIVE, "/version")):
            raise StatusError(401, "Unauthorized", "Unauthorized")
        return user or {}

    async def _route(self, request: web.Request, user: Object) -> web.StreamResponse:
        head, *rest = [unquote(part) for part in request.raw_path.partition("?")[0].strip("/").split("/")]
        if request.path in _ALIVE:
            return web.Response(text="ok")
        if request.path == "/version":
            return reply(discovery.VERSION)
        if head == "openapi" and rest:
            return self._openapi(request, rest)
        if head == "api":
            rest = ["", *rest]
        elif head != "apis":
            return _no_page()
        if len(rest) < 3:
            return self._discovery(head, rest)
        group, version, *path = rest
        own = [kind for kind in self._registry.kinds.values() if (kind.group, kind.version) == (group, version)]
        if not any(kind.builtin or kind.plural in path for kind in own):
            return _no_page()
        review = next((kind for kind in own if [kind.plural] == path and not kind.columns), None)
        if review is not None:
            asked = requests.asked(await request.read(), review, request.content_type)
            return reply(reviews.review(review.plural, asked, user), 201)
        return await self._resource(request, self._target(request, group, version, path))

    def _discovery(self, head: str, rest: list[str]) -> web.Response:
        kinds = list(self._registry.kinds.values())
        if len(rest) == 2:
            found = discovery.resources(kinds, rest[0], rest[1])
        elif head == "api":
            found = discovery.CORE
        else:
            found = discovery.group(kinds, rest[0]) if rest else discovery.groups(kinds)
        return reply(found) if found else _no_page()

    def _openapi(self, request: web.Request, rest: list[str]) -> web.Response:
        kinds = [kind for kind in self._registry.kinds.values() if kind.columns]
        wheres = {f"{'apis' if kind.group else 'api'}/{kind.api_version}": kind.api_version for kind in kinds}
        where = "/".join(rest[1:])
        if rest == ["v2"]:
            document = openapi.version_2(kinds)
            if "protobuf" not in request.headers.get("Accept", ""):
                return reply(document)
            sort = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
            return web.Response(body=protobuf.gnostic(document), content_type=sort)
        if rest == ["v3"]:
            version = self._store.revision
            return reply({"paths": {one: {"serverRelativeURL": f"/openapi/v3/{one}?hash={version}"} for one in wheres}})
        if rest[0] != "v3" or where not in wheres:
            return _no_page()
        return reply(openapi.version_3([kind for kind in kinds if kind.api_version == wheres[where]]))

    def _target(self, request: web.Request, group: str, version: str, path: list[str]) -> Target:
        namespace = None
        if len(path) > 2 and path[0] == "namespaces" and (group, version, path[2]) in self._registry.kinds:
            namespace, path = path[1], path[2:]
        kind = self._registry.kinds.get((group, version, path[0]))
        name, subresource, *more = [*path[1:], "", ""][: max(2, len(path) - 1)]
        if kind is None or more or (not kind.namespaced if namespace is not None else kind.namespaced and name):
            raise errors.no_resource()
        known = {
            "": True,
            "status": kind.status,
            "token": kind.plural == "serviceaccounts" and request.method == "POST",
        }
        if not known.get(subresource):
            raise errors.no_resource() if kind.builtin else errors.not_found(kind, name)
        return Target(kind, namespace, name, subresource)

    async def _resource(self, request: web.Request, target: Target) -> web.StreamResponse:
        if request.method == "GET" and not target.name:
            if request.query.get("watch") in ("1", "true"):
                return await self._watch(request, target)
            return listed(request, target, self._store)
        verbs: dict[tuple[str, bool], Callable[[web.Request, Target, bytes, Ask], Answer]] = {
            ("POST", False): self._create,
            ("PUT", True): self._put,
            ("PATCH", True): self._patch,
            ("DELETE", True): self._delete,
            ("DELETE", False): self._delete_all,
        }
        shape, data = Shape.of(request, target.kind), await request.read()
        if request.method == "GET":
            return reply(shape.one(self._registry.get(target.kind, target.key).body))
        if target.subresource == "token":
            asked = requests.asked(data, target.kind, request.content_type, reviews.TOKEN_REQUEST)
            return reply(reviews.token_request(self._registry, self._key, *target.key, asked, datetime.now(UTC)), 201)
        verb = verbs.get((request.method, bool(target.name)))
        if verb is None or (request.method == "POST" and target.kind.namespaced and target.namespace is None):
            return _unsupported(request, target.kind)
        ask = requests.ask(request, target, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        try:
            found, code = verb(request, target, data, ask)
        except StatusError as refusal:
            return reply(refusal.status(), refusal.code, ask.warnings)
        return reply(found if isinstance(found, dict) else shape.one(found.body), code, ask.warnings)

    def _create(self, request: web.Request, target: Target, data: bytes, ask: Ask) -> Answer:
        document, doubled = requests.document(data, target.kind, requests.content_type(request, target.kind))
        return self._registry.create(target.kind, target.key[0], document, _with(ask, doubled)), 201

    def _put(self, request: web.Request, target: Target, data: bytes, ask: Ask) -> Answer:
        document, doubled = requests.document(data, target.kind, requests.content_type(request, target.kind))
        return self._registry.update(target.kind, target.key, lambda _: document, _with(ask, doubled)), 200

    def _patch(self, request: web.Request, target: Target, data: bytes, ask: Ask) -> Answer:
        kind, sort = target.kind, requests.content_type(request, target.kind)
        patch, _ = requests.document(data, kind, sort)
        if sort == openapi.APPLY_PATCH:
            stored, created = self._registry.apply(kind, target.key, patch, ask)
            return stored, 201 if created else 200
        makers: dict[str, Callable[[Object], Any]] = {
            openapi.JSON_PATCH: lambda live: patches.json_patch(live, patch),
            openapi.MERGE_PATCH: lambda live: patches.merge_patch(live, patch),
            openapi.STRATEGIC: lambda live: patches.strategic(kind.schema, live, patch),
        }
        return self._registry.update(kind, target.key, makers[sort], ask), 200

    def _delete(self, request: web.Request, target: Target, data: bytes, ask: Ask) -> Answer:
        options = requests.delete_options(data, target, request)
        stored, gone = self._registry.delete(target.kind, target.key, options, ask)
        if not gone or target.kind.bucket in ("/pods", "/serviceaccounts"):
            return stored, 200
        said = {**errors.details(target.kind, target.name), "uid": stored.body["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": said}, 200

    def _delete_all(self, request: web.Request, target: Target, data: bytes, ask: Ask) -> Answer:
        options, fits = requests.delete_options(data, target, request), requests.selector(request, target)
        kind = target.kind
        found = [one for one in self._store.objects(kind.bucket, target.namespace) if fits(one.body)]
        for one in found:
            self._registry.delete(kind, one.key, options, ask)
        meta = {"resourceVersion": str(self._store.revision), **({} if kind.builtin else {"continue": ""})}
        items = [builtins.shown(kind, one.body) for one in found]
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items}, 200

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query, bucket = request.query, target.kind.bucket
        fits, shape = requests.selector(request, target), Shape.of(request, target.kind)
        revision = requests.revision(request)
        initial, bookmarks = query.get("sendInitialEvents") == "true", query.get("allowWatchBookmarks") == "true"
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            cause = Cause("FieldValueForbidden", why, "resourceVersionMatch")
            raise errors.invalid("ListOptions", "meta.k8s.io", "", [cause])
        limit_s = requests.number(request, "timeoutSeconds") or random.uniform(1800.0, 3600.0)
        lines, first = Lines(shape, fits), []
        if initial or not revision:
            there = (one for one in self._store.objects(bucket, target.namespace) if fits(one.body))
            first = list(lines.initial(there))
            revision = self._store.revision
        if initial and bookmarks:
            first.append(lines.bookmark(revision, _INITIAL_END))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if first:
            await response.write(b"".join(first))
        await self._follow(response, bucket, lines, revision, limit_s, bookmarks=bookmarks)
        return response

    async def _follow(
        self, response: web.StreamResponse, bucket: str, lines: Lines, revision: int, limit_s: float, *, bookmarks: bool
    ) -> None:
        """Tell the changes until the time is over, or until some were forgotten before they could be told."""
        clock = asyncio.get_running_loop().time
        end, mark = clock() + limit_s, clock() + BOOKMARK_S
        while (rest_s := end - clock()) > 0:
            try:
                changes = self._store.since(bucket, revision)
            except StatusError as refusal:
                await response.write(encode({"type": "ERROR", "object": refusal.status()}) + b"\n")
                return
            if changes:
                revision = changes[-1].revision
                told = b"".join(lines.changes(changes))
                if told:
                    await response.write(told)
                continue
            await self._store.changed(bucket, min(rest_s, BOOKMARK_S))
            if bookmarks and clock() >= mark:
                mark = clock() + BOOKMARK_S
                await response.write(lines.bookmark(revision, {}))


def _no_page() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _unsupported(request: web.Request, kind: Kind) -> web.Response:
    """What comes of a verb that a path does not have; defined kinds are served by another part of the real server."""
    if kind.builtin:
        raise errors.not_allowed()
    if request.method == "POST":
        return _no_page()
    raise errors.bad_request("name must be provided")


def _with(ask: Ask, doubled: tuple[str, ...]) -> Ask:
    return replace(ask, doubled=doubled)
