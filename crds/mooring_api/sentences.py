"""Turns the validator's findings into sentences that say what is wrong and what to write instead."""

import re
from collections.abc import Callable, Mapping
from typing import Any

#: Fields whose value no message repeats.
SECRET_FIELDS = frozenset({"password"})

_Finding = Mapping[str, Any]


def shown(value: Any) -> str:
    """A value as a message may repeat it: short, and as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any) -> str:
    if isinstance(value, (bool, int, float)):
        return f'must be text; put it in quotes, as in "{value}"'
    return "must be text"


def _whole_number(value: Any) -> str:
    quoted = isinstance(value, str) and value.strip().lstrip("+-").isdecimal()
    return "must be a whole number without quotes" if quoted else "must be a whole number"


def _list(value: Any) -> str:
    return "must be a list; write [] for an empty one" if value is None else "must be a list"


#: What a pattern means, where that can be said shorter than the pattern.
_MEANS = {
    r"^/[!-~]*$": "must begin with / and have no blanks",
    r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$": "must be a status code or a range of them, such as 204 or 200-299",
    r"^[!-~]+$": "must have no blanks and no letters beyond ASCII",
    r"^([0-9a-fA-F]{2})+$": "must be bytes in hexadecimal, two digits each",
}


def _pattern(pattern: str) -> str:
    return _MEANS.get(pattern, f"must match {pattern}")


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"


_BY_TYPE: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "extra_forbidden": lambda _value, _ctx: "unknown field; remove it or correct its spelling",
    "missing": lambda _value, _ctx: "is required; add it",
    "enum": lambda _value, ctx: f"write {ctx['expected']}".replace("'", ""),
    "literal_error": lambda _value, ctx: f"write {ctx['expected']}".replace("'", ""),
    "string_type": lambda value, _ctx: _text(value),
    "int_type": lambda value, _ctx: _whole_number(value),
    "int_from_float": lambda _value, _ctx: "must be a whole number",
    "bool_type": lambda _value, _ctx: "must be true or false without quotes",
    "greater_than_equal": lambda _value, ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda _value, ctx: f"must be at most {ctx['le']}",
    "string_too_short": lambda _value, ctx: f"must have at least {ctx['min_length']} characters",
    "string_too_long": lambda _value, ctx: f"must have at most {ctx['max_length']} characters",
    "string_pattern_mismatch": lambda _value, ctx: _pattern(ctx["pattern"]),
    "too_short": lambda _value, ctx: f"needs at least {_items(ctx['min_length'])}",
    "too_long": lambda _value, ctx: f"takes at most {_items(ctx['max_length'])}",
    "tuple_type": lambda value, _ctx: _list(value),
    "dict_type": lambda _value, _ctx: "must be a mapping",
    "model_type": lambda _value, _ctx: "must be a mapping",
}
_WITHOUT_VALUE = frozenset({"extra_forbidden", "missing", "value_error", "too_short", "too_long"})


def sentence(finding: _Finding) -> str:
    """One of pydantic's errors as a sentence with its remedy; never repeats a secret."""
    kind, value = finding["type"], finding.get("input")
    if kind in _BY_TYPE:
        message = _BY_TYPE[kind](value, finding.get("ctx", {}))
    else:
        message = re.sub(r"^(Value error|Assertion failed), ", "", finding["msg"])
    secret = bool(SECRET_FIELDS.intersection(finding["loc"]))
    if secret and kind == "string_type":
        return "must be text; put it in quotes"
    if secret or kind in _WITHOUT_VALUE:
        return message
    return f"{message}; {shown(value)} was given"
