"""What a request says: its document, what it asks beside, the form of the answer, and what it selects."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml
from aiohttp import web

from mooring_lab.api.embedded import errors, openapi, protobuf, selectors, tables
from mooring_lab.api.embedded.documents import Ask
from mooring_lab.api.embedded.errors import Cause, Object, StatusError
from mooring_lab.api.embedded.kinds import META, Kind, resolved
from mooring_lab.api.embedded.schema import default, validate

_JSON, _YAML, _PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_FORMS = ("", "Table", "PartialObjectMetadata")
_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}
_NUMBER = re.compile("[0-9]{1,18}")
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
#: Field selectors that are no path.
_FIELDS = {"source": "source.component"}


class Target(NamedTuple):
    """What a path names; a namespace of None: all of them."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace or "", self.name


class Form(NamedTuple):
    """How objects are answered: as they are, as a Table, or as PartialObjectMetadata."""

    name: str
    version: str


class _Doubled(dict[str, Any]):
    """An object of JSON in which fields stand twice."""

    names: tuple[str, ...] = ()


def _pairs(found: list[tuple[str, Any]]) -> Object:
    read = _Doubled(found)
    if len(read) == len(found):
        return dict(found)
    names = [name for name, _ in found]
    read.names = tuple(name for name in read if names.count(name) > 1)
    return read


def _doubled(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, _Doubled):
        yield from (f"{path}{name}" for name in value.names)
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _doubled(item, f"{path}{name}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _doubled(item, f"{path.removesuffix('.')}[{index}].")


def asked(data: bytes, kind: Kind, sort: str, schema: str = "") -> Object:
    """A document that says what is to be done, as a review or options; 400 if it does not fit its schema."""
    schema = schema or kind.builtin
    found, _ = document(data, kind, sort, schema)
    default(resolved()[schema], found)
    wrong = next(validate(resolved()[schema], found), None)
    if wrong is not None or not isinstance(found, dict):
        raise errors.bad_request(f"the object provided is unrecognized: {wrong.message if wrong else 'no object'}")
    return found


def document(data: bytes, kind: Kind, sort: str, schema: str = "") -> tuple[Any, tuple[str, ...]]:
    """The document of a write and the paths that stand twice in it; 415, 400."""
    if sort == _PROTOBUF and kind.builtin:
        return protobuf.read(resolved()[schema or kind.builtin], data), ()
    try:
        if sort in (_YAML, openapi.APPLY_PATCH):
            return _yaml(data), ()
        read = json.loads(data, object_pairs_hook=_pairs, parse_constant=_no_number, parse_float=_float)
    except (TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        if sort == openapi.APPLY_PATCH:
            raise errors.bad_request(f"error decoding patch: {error}") from error
        text = data.decode(errors="replace")
        why = f"couldn't get version/kind; json parse error: {error} ({text[:32]})"
        raise errors.bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {why}") from error
    return read, tuple(_doubled(read))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Times stay texts, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(data: bytes) -> Any:
    """As JSON would say it; JSON, which is YAML, is read ten times faster as such."""
    try:
        return json.loads(data, parse_constant=_no_number, parse_float=_float)
    except ValueError:
        return json.loads(json.dumps(yaml.load(data, Loader=_Loader), allow_nan=False))


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _float(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _no_number(text)


def content_type(request: web.Request, kind: Kind) -> str:
    """The type of the body; 415 if it can't be of this method."""
    given = request.content_type if request.headers.get("Content-Type") else _JSON
    accepted = openapi.patch_types(kind) if request.method == "PATCH" else [_JSON, _YAML, _PROTOBUF]
    if given not in accepted:
        said = "the body of the request was in an unknown format - accepted media types include: "
        raise StatusError(415, "UnsupportedMediaType", said + ", ".join(accepted))
    return given


def ask(request: web.Request, target: Target, now: str) -> Ask:
    """What a write asks beside its document; 422."""
    query, wrong = request.query, []
    if query.get("dryRun", "All") != "All":
        wrong.append(
            Cause(
                "FieldValueNotSupported", f'Unsupported value: ["{query["dryRun"]}"]: supported values: "All"', "dryRun"
            )
        )
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        known = ", ".join(f'"{one}"' for one in _VALIDATIONS)
        wrong.append(
            Cause(
                "FieldValueNotSupported",
                f'Unsupported value: "{validation}": supported values: {known}',
                "fieldValidation",
            )
        )
    if wrong:
        raise errors.invalid(_OPTIONS[request.method], "meta.k8s.io", "", wrong)
    manager = query.get("fieldManager", "")
    if request.content_type != openapi.APPLY_PATCH:
        manager = manager or request.headers.get("User-Agent", "").partition("/")[0][:128] or "unknown"
    return Ask(
        manager,
        now,
        subresource=target.subresource,
        patch=request.method == "PATCH",
        dry_run="dryRun" in query,
        validation=validation or "Warn",
        force=query.get("force") == "true",
    )


def delete_options(data: bytes, target: Target, request: web.Request) -> Object:
    """The options of a DELETE, from its body and its query."""
    options: Object = {}
    if data.strip():
        options = asked(data, target.kind, content_type(request, target.kind), META + "DeleteOptions")
    if "gracePeriodSeconds" in request.query:
        options = {**options, "gracePeriodSeconds": number(request, "gracePeriodSeconds")}
    return options


def form(request: web.Request) -> Form:
    """The first form of Accept that can be given; 406."""
    for one in request.headers.get("Accept", "*/*").split(","):
        sort, *parameters = (part.strip() for part in one.split(";"))
        known = dict(part.partition("=")[::2] for part in parameters)
        name = known.get("as", "").removesuffix("List")
        if sort in (_JSON, "application/*", "*/*") and name in _FORMS:
            found = Form(name, f"{known.get('g', 'meta.k8s.io')}/{known.get('v', 'v1')}")
            break
    else:
        said = f"only the following media types are accepted: {_JSON}, {_YAML}, {_PROTOBUF}"
        raise StatusError(406, "NotAcceptable", said)
    include = request.query.get("includeObject", "")
    if found.name == "Table" and include not in ("", "Metadata", "Object", "None"):
        why = f"Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise errors.bad_request(f"Unable to convert to Table as requested: includeObject: {why}")
    return found


def number(request: web.Request, name: str) -> int:
    """A whole number of the query, 0 where there is none; 400."""
    text = request.query.get(name) or "0"
    if not _NUMBER.fullmatch(text):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def revision(request: web.Request) -> int:
    """The resourceVersion asked for, 0 where there is none; 400, for a watch 500."""
    text = request.query.get("resourceVersion") or "0"
    if not _NUMBER.fullmatch(text):
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise (
            StatusError(500, "", why)
            if "watch" in request.query
            else errors.bad_request(f"invalid resource version: {why}")
        )
    return int(text)


def selector(request: web.Request, target: Target) -> Callable[[Object], bool]:
    """Whether an object is selected by namespace, labels and fields; 400."""
    labels = selectors.labels(request.query.get("labelSelector", ""))
    fields = selectors.fields(request.query.get("fieldSelector", ""))
    known = {"metadata.name", "metadata.namespace", *target.kind.selectable}
    for name, _, _ in fields:
        if name not in known:
            raise errors.bad_request(f"field label not supported: {name}")

    def value(body: Object, name: str) -> str:
        found = next(tables.find(body, f".{_FIELDS.get(name, name)}"), None)
        if found is None:
            return "false" if name == "spec.unschedulable" else ""
        return str(found).lower() if isinstance(found, bool) else str(found)

    def fits(body: Object) -> bool:
        meta = body["metadata"]
        if target.namespace is not None and meta.get("namespace") != target.namespace:
            return False
        return all((value(body, name) == wanted) == same for name, wanted, same in fields) and labels(
            meta.get("labels") or {}
        )

    return fits
