"""The three kinds of patch: JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic one."""

import copy
from typing import Any

from mooring_lab.api.embedded.errors import Object, Refusal, bad_request
from mooring_lab.api.embedded.schema import Schema, child

KEY, STRATEGY = "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy"
ORDER, PRIMITIVES = "$setElementOrder/", "$deleteFromPrimitiveList/"


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
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    holder = {"": copy.deepcopy(live)}
    for step in operations:
        try:
            _operate(holder, step)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise Refusal(
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
        return
    if verb == "test":
        if _at(holder, path) != step.get("value"):
            raise ValueError(path)
        return
    parent, key = _parent(holder, path)
    if isinstance(parent, list):
        index = len(parent) if key == "-" else int(key)
        if verb == "add":
            if index > len(parent):
                raise IndexError(path)
            parent.insert(index, step["value"])
        elif verb == "remove":
            del parent[index]
        else:
            parent[index] = step["value"]
    elif verb == "remove":
        del parent[key]
    elif verb == "add" or key in parent:
        parent[key] = step["value"]
    else:
        raise KeyError(path)


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
    directive = patch.get("$patch")
    if directive in ("replace", "delete"):
        return {key: value for key, value in patch.items() if key != "$patch"} if directive == "replace" else {}
    result = dict(live) if isinstance(live, dict) else {}
    for key in patch.get("$retainKeys", ()) and [key for key in result if key not in patch["$retainKeys"]]:
        del result[key]
    for key, change in patch.items():
        if key.startswith(PRIMITIVES):
            name = key.removeprefix(PRIMITIVES)
            result[name] = [item for item in result.get(name, ()) if item not in change]
        elif key.startswith("$"):
            continue
        elif change is None:
            result.pop(key, None)
        else:
            below = child(schema, key) or {}
            if isinstance(change, list) and "merge" in below.get(STRATEGY, "").split(","):
                result[key] = _merge_list(below, result.get(key) or [], change, patch.get(ORDER + key))
            else:
                result[key] = strategic(below, result.get(key), change)
    return result


def _merge_list(schema: Schema, live: list[Any], patch: list[Any], order: list[Any] | None) -> list[Any]:
    key = schema.get(KEY)
    if any(isinstance(item, dict) and item == {"$patch": "replace"} for item in patch):
        return [item for item in patch if item != {"$patch": "replace"}]

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    result = list(live)
    for change in patch:
        place = next((index for index, item in enumerate(result) if name(item) == name(change)), None)
        if isinstance(change, dict) and change.get("$patch") == "delete":
            result[slice(place, None if place is None else place + 1)] = [] if place is not None else result[:]
        elif place is None:
            result.append(strategic(schema.get("items", {}), None, change))
        else:
            result[place] = strategic(schema.get("items", {}), result[place], change)
    ranks = [name(item) for item in order or ()]
    wanted = iter(sorted((item for item in result if name(item) in ranks), key=lambda item: ranks.index(name(item))))
    return [next(wanted) if name(item) in ranks else item for item in result]
