"""The three kinds of patch: JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic one."""

import copy
from collections.abc import Hashable
from typing import Any

from mooring_lab.api.embedded.errors import Object, StatusError, bad_request
from mooring_lab.api.embedded.schema import Schema, child

_KEY, _STRATEGY = "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy"
_ORDER, _PRIMITIVES = "$setElementOrder/", "$deleteFromPrimitiveList/"


def merge_patch(live: Any, patch: Any) -> Any:
    """The live value changed by a merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), change)
    return result


def json_patch(live: Object, operations: Any) -> Object:
    """The live object changed by each operation in turn; 422 where one fails."""
    if not isinstance(operations, list):
        why = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise bad_request(f"error decoding patch: {why}")
    holder = {"": copy.deepcopy(live)}
    try:
        for step in operations:
            _operate(holder, step)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise StatusError(
            422, "Invalid", "the server rejected our request due to an error in our request", {}
        ) from error
    return holder[""]


def _operate(holder: Object, step: Object) -> None:
    verb, path = step["op"], step["path"]
    if verb in ("move", "copy"):
        value = copy.deepcopy(_at(holder, step["from"]))
        if verb == "move":
            _operate(holder, {"op": "remove", "path": step["from"]})
        _operate(holder, {"op": "add", "path": path, "value": value})
    elif verb == "test":
        if _at(holder, path) != step.get("value"):
            raise ValueError(path)
    else:
        _change(*_parent(holder, path), verb, step)


def _change(parent: Any, key: str, verb: str, step: Object) -> None:
    """Add, replace or remove; whatever is not there raises."""
    if isinstance(parent, list):
        index = len(parent) if (key, verb) == ("-", "add") else int(key)
        if not 0 <= index <= len(parent):
            raise IndexError(key)
        if verb == "add":
            parent.insert(index, step["value"])
            return
        place: Any = index
    else:
        place = key
        if verb == "add":
            parent[key] = step["value"]
            return
    if verb == "remove":
        del parent[place]
    elif verb == "replace":
        parent[place]
        parent[place] = step["value"]
    else:
        raise ValueError(verb)


def _parent(holder: Any, path: str) -> tuple[Any, str]:
    here, *names = [name.replace("~1", "/").replace("~0", "~") for name in path.split("/")]
    node = holder
    for name in names:
        node, here = (node[int(here)] if isinstance(node, list) else node[here]), name
    return node, here


def _at(holder: Any, path: str) -> Any:
    parent, key = _parent(holder, path)
    return parent[int(key)] if isinstance(parent, list) else parent[key]


def strategic(schema: Schema, live: Any, patch: Any) -> Any:
    """The live value changed by a strategic merge patch, by the merge keys of the schema."""
    if not isinstance(patch, dict):
        return patch
    directive, keep = patch.get("$patch"), patch.get("$retainKeys")
    if directive == "delete":
        return {}
    result = dict(live) if isinstance(live, dict) and directive != "replace" else {}
    result = {key: value for key, value in result.items() if keep is None or key in keep}
    for key, change in patch.items():
        name = key.removeprefix(_PRIMITIVES)
        if name != key:
            result[name] = [item for item in result.get(name) or () if item not in change]
        elif change is None:
            result.pop(key, None)
        elif not key.startswith("$"):
            below = child(schema, key) or {}
            if isinstance(change, list) and "merge" in below.get(_STRATEGY, "").split(","):
                result[key] = _merge_list(below, result.get(key) or [], change, patch.get(_ORDER + key) or [])
            else:
                result[key] = strategic(below, result.get(key), change)
    return result


def _merge_list(schema: Schema, live: list[Any], patch: list[Any], order: list[Any]) -> list[Any]:
    """Changed items keep their places, unless an order is given; new ones come first, in the patch's order."""
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]

    def name(item: Any) -> Any:
        return item.get(schema.get(_KEY)) if isinstance(item, dict) else item

    if not all(isinstance(name(item), Hashable) for item in (*live, *patch, *order)):
        raise bad_request("the patch merges a list by keys, and an item of the list or of the patch has none")
    result = {name(item): item for item in live}
    fresh: Object = {}
    for change in patch:
        if isinstance(change, dict) and change.get("$patch") == "delete":
            result.pop(name(change), None)
        else:
            into = result if name(change) in result else fresh
            into[name(change)] = strategic(schema.get("items", {}), result.get(name(change)), change)
    merged = {**fresh, **result}
    ranks = [name(item) for item in order or patch]
    ranked = iter(sorted((key for key in merged if key in ranks), key=ranks.index))
    return [merged[next(ranked) if key in ranks else key] for key in merged]
