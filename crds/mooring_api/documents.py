"""Objects out of YAML text: several documents, lists, and an error that names file and line.

Read as Kubernetes' users mean it: keys are always text (`on:` stays "on"), `yes`, `off` and dates stay text
too, and a key that stands twice in one mapping is an error.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import yaml

from mooring_api.problems import InvalidObject, Problem

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE_TAG = "tag:yaml.org,2002:merge"


class _Loader(_Base):  # type: ignore[misc]  # the C loader is there or not
    """YAML with the scalars of version 1.2 where version 1.1 surprises."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A dict with text keys; ConstructorError at a key that stands twice or is no text."""
        if not isinstance(node, yaml.MappingNode):
            return dict(super().construct_mapping(node, deep=deep))
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.tag == _MERGE_TAG:
                continue
            if key.value in seen:
                message = f"the key {key.value!r} stands twice in one mapping; remove one of them"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(key.value)
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0b[01]+|0x[0-9a-fA-F]+|0[0-7]+|0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def parse_documents(text: str, origin: str) -> tuple[dict[str, Any], ...]:
    """Every object in `text`, those in a `kind: List` too; empty documents are passed over.

    `origin` is the file's name as its author knows it. InvalidObject names it and the line.
    """
    return tuple(_objects(_mappings(text, origin)))


def _mappings(text: str, origin: str) -> Iterator[tuple[str, dict[str, Any]]]:
    loader = None
    try:
        loader = _Loader(text)
        while (node := loader.get_node() if loader.check_node() else None) is not None:
            place = f"{origin}, line {node.start_mark.line + 1}"
            document = loader.construct_document(node)
            if document is not None:
                yield place, _mapping(document, place)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(origin, str(error.problem or error.context), mark) from error
    except yaml.YAMLError as error:
        raise _not_yaml(origin, " ".join(str(error).split()), None) from error
    except RecursionError as error:
        raise _not_yaml(origin, "it is nested too deeply", None) from error
    except ValueError as error:
        raise _not_yaml(origin, f"a value cannot be read: {error}", None) from error
    finally:
        if loader is not None:
            loader.dispose()


def _not_yaml(origin: str, what: str, mark: Any) -> InvalidObject:
    place = origin if mark is None else f"{origin}, line {mark.line + 1}, column {mark.column + 1}"
    return InvalidObject([Problem(place, "", f"not valid YAML: {what}")])


def _mapping(document: object, place: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InvalidObject([Problem(place, "", "not an object; it must begin with apiVersion and kind")])
    return document


def _objects(documents: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Any]]:
    for place, document in documents:
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            inside = ((f"{place}, items[{i}]", item) for i, item in enumerate(document["items"]))
            yield from _objects((where, _mapping(item, where)) for where, item in inside)
        else:
            yield dict(document)
