"""What a request is answered with: objects in the form that was asked for, lists, and the events of a watch."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from mooring_lab.api.embedded import builtins, errors, requests, tables
from mooring_lab.api.embedded.errors import Object, StatusError
from mooring_lab.api.embedded.kinds import Kind
from mooring_lab.api.embedded.requests import Form, Target
from mooring_lab.api.embedded.store import Change, Store, Stored, encode


def reply(body: Any, status: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    """JSON, with warnings for the client."""
    response = web.Response(body=encode(body), status=status, content_type="application/json")
    for text in dict.fromkeys(warnings):
        response.headers.add("Warning", f"299 - {json.dumps(text, ensure_ascii=False)}")
    return response


@dataclass(frozen=True)
class Shape:
    """How the objects of one request are answered."""

    kind: Kind
    form: Form
    include: str

    @classmethod
    def of(cls, request: web.Request, kind: Kind) -> "Shape":
        """As the request asks; 406."""
        return cls(kind, requests.form(request), request.query.get("includeObject", ""))

    @property
    def raw(self) -> bool:
        """Whether objects are answered as they are stored."""
        return not self.form.name and self.kind.group != "events.k8s.io"

    def whole(self, bodies: Sequence[Object], *, head: bool = True) -> Object:
        """Objects as one Table."""
        now = datetime.now(UTC)
        return tables.table(self.kind, bodies, now, self.form.version, self.include, head=head)

    def one(self, body: Object, *, head: bool = True) -> Object:
        """An object."""
        if self.form.name == "Table":
            return {
                **self.whole([body], head=head),
                "metadata": {"resourceVersion": body["metadata"].get("resourceVersion", "")},
            }
        if self.form.name:
            return tables.partial(body, self.form.version)
        return builtins.shown(self.kind, body)


def listed(request: web.Request, target: Target, store: Store) -> web.Response:
    """A list, or a page of it; 400, 504 for a resourceVersion that is yet to come."""
    kind, shape, fits = target.kind, Shape.of(request, target.kind), requests.selector(request, target)
    limit, start, wanted = requests.number(request, "limit"), _start(request), requests.revision(request)
    if wanted > store.revision:
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        why = f"Timeout: Too large resource version: {wanted}, current: {store.revision}"
        raise StatusError(504, "Timeout", why, {"causes": [cause], "retryAfterSeconds": 1})
    found = [one for one in store.objects(kind.bucket, target.namespace) if fits(one.body) and list(one.key) > start]
    page = found[:limit] if limit else found
    meta: Object = {} if kind.builtin or shape.form.name else {"continue": ""}
    if len(page) < len(found):
        token = encode({"start": page[-1].key})
        meta = {"continue": base64.urlsafe_b64encode(token).decode(), "remainingItemCount": len(found) - len(page)}
    meta["resourceVersion"] = str(store.revision)
    if shape.form.name == "Table":
        return reply({**shape.whole([one.body for one in page]), "metadata": meta})
    name, version = (
        (f"{shape.form.name}List", shape.form.version) if shape.form.name else (f"{kind.kind}List", kind.api_version)
    )
    head = encode({"kind": name, "apiVersion": version, "metadata": meta, "items": []})[:-2]
    if shape.raw:
        # Items of built-in kinds are told without apiVersion and kind, which every stored object begins with.
        cut = len(encode({"apiVersion": kind.api_version, "kind": kind.kind})) if kind.builtin else 1
        items = b",".join(b"{" + one.raw[cut:] for one in page)
    else:
        items = b",".join(encode(shape.one(one.body)) for one in page)
    return web.Response(body=head + items + b"]}", content_type="application/json")


def _start(request: web.Request) -> list[str]:
    token = request.query.get("continue")
    if not token:
        return []
    try:
        start = json.loads(base64.urlsafe_b64decode(token))["start"]
        return [str(part) for part in start]
    except (ValueError, KeyError, TypeError) as error:
        raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error


class Lines:
    """The lines of one watch."""

    def __init__(self, shape: Shape, fits: Callable[[Object], bool]) -> None:
        self._shape, self._fits, self._head = shape, fits, True

    def initial(self, stored: Iterable[Stored]) -> Iterator[bytes]:
        """What is there."""
        return (self._line("ADDED", one.body, one.raw) for one in stored)

    def changes(self, changes: Sequence[Change]) -> Iterator[bytes]:
        """What changed; an object that is selected no more is deleted to this watch, as it was when it was selected."""
        for change in changes:
            before = change.before is not None and self._fits(change.before.body)
            if not change.deleted and self._fits(change.now.body):
                yield self._line("MODIFIED" if before else "ADDED", change.now.body, change.now.raw)
            elif before and change.before is not None:
                body = change.now.body if change.deleted else change.before.body
                body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(change.revision)}}
                yield self._line("DELETED", body, b"")

    def bookmark(self, revision: int, annotations: Object) -> bytes:
        """How far this watch is."""
        kind = self._shape.kind
        meta = {"resourceVersion": str(revision), **annotations}
        body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}
        return encode({"type": "BOOKMARK", "object": self._shape.one(body, head=self._head)}) + b"\n"

    def _line(self, sort: str, body: Object, raw: bytes) -> bytes:
        if not raw or not self._shape.raw:
            raw = encode(self._shape.one(body, head=self._head))
            self._head = False
        return b'{"type":"%s","object":%s}\n' % (sort.encode(), raw)
