"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping

from mooring_lab.api.embedded.errors import bad_request

Selector = Callable[[Mapping[str, str]], bool]
_TERM = re.compile(
    r"\s*(?:(?P<absent>!)?\s*(?P<key>[\w./-]+)\s*"
    r"(?:(?P<set>in|notin)\s*\((?P<values>[^)]*)\)|(?P<sign>==|=|!=)\s*(?P<value>[\w./:@-]*))?)\s*(?:,|$)"
)


def _test(term: re.Match[str]) -> Selector:
    key, sign = term["key"], term["set"] or term["sign"]
    if sign is None:
        return lambda found: (key in found) != bool(term["absent"])
    values = {value.strip() for value in (term["values"] if term["set"] else term["value"]).split(",")}
    if sign in ("in", "=", "=="):
        return lambda found: found.get(key) in values
    return lambda found: found.get(key) not in values


def labels(text: str) -> Selector:
    """`a=b,c in (d,e),!f`; 400 if it is nothing of that."""
    tests, place = [], 0
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None:
            raise bad_request(f"unable to parse requirement: {text[place:]!r}")
        tests.append(_test(term))
        place = term.end()
    return lambda found: all(test(found) for test in tests)


def fields(text: str) -> list[tuple[str, str, bool]]:
    """`metadata.name=a,spec.nodeName!=b` as (field, value, whether equal); 400 if it is nothing of that."""
    found = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(!=|==?)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append((match[1], match[3], match[2] != "!="))
    return found
