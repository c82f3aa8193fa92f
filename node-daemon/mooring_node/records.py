"""Trees of frozen dataclasses as JSON values and back, by their types; what has its default is left out.

For files of ours alone: a field that is unknown or of the wrong type is refused (ValueError), never guessed.
Reading and writing functions are made once for each class, so ten thousand values take tens of milliseconds.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
#: Names the class where a field may have several.
KIND = "kind"
_Function = Callable[[Any], Any]


def to_plain(value: Any) -> dict[str, Any]:
    """The value, a dataclass, as what `json.dumps` takes."""
    kind: Any = type(value)
    plain: dict[str, Any] = _writer(kind)(value)
    return plain


def from_plain(kind: type[T], raw: Any) -> T:
    """The value of this class that `to_plain` wrote; ValueError for anything else."""
    wanted: Any = kind
    try:
        value: T = _reader(wanted)(raw)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a {kind.__name__}: {error!r}") from error
    return value


# Writing.


def _same(value: Any) -> Any:
    return value


@cache
def _writer(kind: Any) -> _Function:
    """How values of a type are written."""
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        if parts[1:] == (Ellipsis,):
            each = _writer(parts[0])
            return list if each is _same else lambda values: [each(value) for value in values]
        functions = tuple(map(_writer, parts))
        return lambda values: [function(value) for function, value in zip(functions, values, strict=True)]
    choices = _choices(kind)
    if len(choices) > 1:
        return _named
    if choices != (kind,):
        inner = _writer(choices[0])
        return inner if inner is _same else lambda value: None if value is None else inner(value)
    if is_dataclass(kind):
        return _class_writer(kind)
    return (lambda value: value.value) if issubclass(kind, Enum) else _same


def _named(value: Any) -> dict[str, Any] | None:
    return None if value is None else {KIND: type(value).__name__, **to_plain(value)}


def _class_writer(kind: Any) -> _Function:
    hints = get_type_hints(kind)
    parts = [(each.name, each.default, _writer(hints[each.name])) for each in fields(kind)]

    def write(value: Any) -> dict[str, Any]:
        plain = {}
        for name, default, function in parts:
            part = getattr(value, name)
            if part is not default and part != default:
                plain[name] = function(part)
        return plain

    return write


# Reading.


@cache
def _reader(kind: Any) -> _Function:
    """How values of a type are read."""
    if get_origin(kind) is tuple:
        return _tuple_reader(get_args(kind))
    choices = _choices(kind)
    if len(choices) > 1:
        return _kind_reader({each.__name__: _reader(each) for each in choices})
    if choices != (kind,):
        inner = _reader(choices[0])
        return lambda raw: None if raw is None else inner(raw)
    if is_dataclass(kind):
        return _class_reader(kind)
    if issubclass(kind, Enum):
        make: _Function = kind
        return make

    def plain(raw: Any) -> Any:
        if type(raw) is not kind:
            raise ValueError(f"{raw!r:.80} is no {kind.__name__}")
        return raw

    return plain


def _tuple_reader(parts: tuple[Any, ...]) -> _Function:
    if parts[1:] == (Ellipsis,):
        each = _reader(parts[0])
        return lambda raw: tuple([each(value) for value in _list(raw)])
    functions = tuple(map(_reader, parts))
    return lambda raw: tuple([function(value) for function, value in zip(functions, _list(raw), strict=True)])


def _list(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise ValueError(f"{raw!r:.80} is no list")
    return raw


def _kind_reader(readers: dict[str, _Function]) -> _Function:
    def read(raw: Any) -> Any:
        if raw is None:
            return None
        rest = dict(raw)
        return readers[rest.pop(KIND)](rest)

    return read


def _class_reader(kind: Any) -> _Function:
    hints = get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}

    def read(raw: Any) -> Any:
        unknown = raw.keys() - readers.keys()
        if unknown:
            raise ValueError(f"unknown {kind.__name__} fields {sorted(unknown)}")
        if not needed <= raw.keys():
            raise ValueError(f"{kind.__name__} lacks {sorted(needed - raw.keys())}")
        return kind(**{name: readers[name](value) for name, value in raw.items()})

    return read


def _choices(kind: Any) -> tuple[Any, ...]:
    """The classes that a type allows, without None."""
    if get_origin(kind) in (Union, UnionType):
        return tuple(each for each in get_args(kind) if each is not NoneType)
    return (kind,)
