"""Small changes of an alert, one at a time: each has to be seen by one of the alert's own cases."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

Rule = dict[str, Any]

#: What is changed in an expression; the order matters: a number in a duration or in a text is none by itself.
_TOKEN = re.compile(
    r"""(?P<matcher>\w+(?:=~|!=|=)"[^"]*"(?:,[ ])?)
    | (?P<text>"[^"]*")
    | \[(?P<range>\w+)\]
    | \b(?:by|on|without)[ ]\((?P<labels>[^)]+)\)
    | (?P<word>\b(?:max|min|sum|count|and|or|unless|increase|changes|min_over_time)\b)
    | (?P<compare>==|!=|>=|<=|>|<)
    | (?P<number>(?<![\w.])\d+(?:\.\d+)?(?![\w.]))""",
    re.VERBOSE,
)
_WORDS = {
    **{"max": "min", "min": "max", "sum": "max", "count": "sum"},
    **{"and": "unless", "unless": "and", "or": "and"},
    **{"increase": "delta", "changes": "increase", "min_over_time": "max_over_time"},
}
_COMPARED = {"==": "!=", "!=": "==", ">=": ">", "<=": "<", ">": ">=", "<": "<="}
_STEP = {"m": (1, "m"), "h": (10, "m"), "d": (60, "m")}
_MINUTES = {"m": 1, "h": 60, "d": 1440}


class Mutant(NamedTuple):
    """`what` tells it from all others of its alert."""

    what: str
    rule: Rule


def mutants_of(rule: Rule) -> list[Mutant]:
    """Of an alert: each number, range, wait, comparison, label, matcher and operator changed by as little as it can."""
    found = [Mutant(what, {**rule, "expr": expr}) for what, expr in _expressions(rule["expr"])]
    waits = _durations(rule["for"]) if "for" in rule else ("1m",)
    return found + [Mutant(f"for: {rule.get('for', '0m')} -> {wait}", {**rule, "for": wait}) for wait in waits]


def _expressions(expr: str) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for match in _TOKEN.finditer(expr):
        kind = match.lastgroup or ""
        old = match[kind]
        for new in _others(kind, old):
            begin, end = match.span(kind)
            what = f"{old.rstrip(', ')} -> {new or 'nothing'}"
            seen[what] = seen.get(what, 0) + 1
            number = f" ({seen[what]})" if seen[what] > 1 else ""
            yield what + number, expr[:begin] + new + expr[end:]


def _others(kind: str, old: str) -> Iterator[str]:
    match kind:
        case "range":
            yield from _durations(old)
        case "labels":
            names = old.split(", ")
            yield from (", ".join(names[:place] + names[place + 1 :]) for place in range(len(names)))
        case "matcher":
            yield ""
        case "word":
            yield _WORDS[old]
        case "compare":
            yield _COMPARED[old]
        case "number":
            step = Decimal("0.1") if old.startswith("0.") else Decimal(1)
            yield from (str(Decimal(old) - step), str(Decimal(old) + step))


def _durations(old: str) -> Iterator[str]:
    """A minute less and a minute more; ten for hours, and an hour for days."""
    amount, unit = int(old[:-1]), old[-1]
    step, step_unit = _STEP[unit]
    whole = amount * _MINUTES[unit]
    yield from (f"{whole + sign * step}{step_unit}" for sign in (-1, 1))
