"""CEL rules of a schema (x-kubernetes-validations), as far as the library evaluates them; clients hear of the rest."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Any, NamedTuple

import cel
from cel import stdlib

from mooring_lab.api.embedded.errors import Cause, Object
from mooring_lab.api.embedded.schema import Schema, child, correlate, type_name

_OWN = "x-kubernetes-validations"
_CORE = set(
    "bytes contains double duration dyn endsWith int matches size startsWith string timestamp type uint".split()
)
_CORE |= {
    f"get{part}"
    for part in "Date DayOfMonth DayOfWeek DayOfYear FullYear Hours Milliseconds Minutes Month Seconds".split()
}
_WORDS = {
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
}


def _ip(text: str) -> IPv4Address | IPv6Address:
    """As Kubernetes reads it: no zone, no IPv4 inside IPv6."""
    address = ip_address(text)
    if "%" in text or getattr(address, "ipv4_mapped", None):
        raise ValueError(f"{text} is not an address")
    return address


def _cidr(text: str) -> Any:
    host, _, length = text.partition("/")
    if not re.fullmatch("0|[1-9][0-9]*", length):
        raise ValueError(f"{text} is not a network in CIDR notation")
    return ip_interface(f"{_ip(host)}/{length}")


def _reads(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _global(text: str) -> bool:
    host = ip_address(text)
    special = host.is_multicast or host.is_loopback or host.is_unspecified or host.is_link_local
    return not special and text != "255.255.255.255"


#: Addresses and networks are texts here; what is no address is an error of the rule, as it is in Kubernetes.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **stdlib.EXTENSIONS["strings"],
    **stdlib.EXTENSIONS["sets"],
    **{name: stdlib.EXTENSIONS["core"][name] for name in ("min", "max", "sum")},
    "isIP": _reads(_ip),
    "isCIDR": _reads(_cidr),
    "ip": lambda text: str(_cidr(text).ip if "/" in text else _ip(text)),
    "cidr": lambda text: str(_cidr(text)),
    "family": lambda text: _ip(text).version,
    "isUnspecified": lambda text: _ip(text).is_unspecified,
    "isLoopback": lambda text: _ip(text).is_loopback,
    "isLinkLocalUnicast": lambda text: _ip(text).is_link_local,
    "isGlobalUnicast": _global,
    "prefixLength": lambda text: _cidr(text).network.prefixlen,
    "masked": lambda text: str(_cidr(text).network),
    "containsIP": lambda text, inner: _ip(inner) in _cidr(text).network,
    "containsCIDR": lambda text, inner: ip_network(inner).subnet_of(_cidr(text).network),
}


class _Rule(NamedTuple):
    """A compiled rule, or why there is none."""

    program: Any
    functions: dict[str, Callable[..., Any]]
    old: bool
    missing: str


@cache
def _compiled(text: str) -> _Rule:
    try:
        program = cel.compile(text)
    except ValueError:
        return _Rule(None, {}, False, "its syntax")
    names = [name for name in program.functions() if name.isidentifier() and not name.startswith("_")]
    missing = next((name for name in names if name not in FUNCTIONS and name not in _CORE), "")
    functions = {name: FUNCTIONS[name] for name in names if name in FUNCTIONS}
    return _Rule(program, functions, "oldSelf" in program.variables(), f"the function {missing}" if missing else "")


def check(schema: Schema, value: Any, old: Any, path: str, warnings: list[str]) -> Iterator[Cause]:
    """The rules that a value breaks; a part that is as it was before an update is not asked again."""
    for rule in schema.get(_OWN, ()):
        compiled = _compiled(rule["rule"])
        if compiled.missing:
            warnings.append(
                f"the embedded API server skipped a rule, it does not know {compiled.missing}: {rule['rule']}"
            )
        elif (old is not None) if compiled.old else (old != value):
            yield from _asked(rule, compiled, value, old, path)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        known = schema.get("properties", {})
        for key, item in value.items():
            here = (f"{path}.{key}" if path else key) if key in known else f"{path}[{key}]"
            yield from check(child(schema, key) or {}, item, before.get(key), here, warnings)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            before = correlate(schema, old, item)
            yield from check(schema.get("items", {}), item, before, f"{path}[{index}]", warnings)


def _asked(rule: Object, compiled: _Rule, value: Any, old: Any, path: str) -> Iterator[Cause]:
    variables = {"self": value, **({"oldSelf": old} if compiled.old else {})}
    said = rule.get("message") or f"failed rule: {rule['rule']}"
    try:
        if compiled.program.execute(cel.Context(variables=variables, functions=compiled.functions)) is True:
            return
        if "messageExpression" in rule:
            said = cel.compile(rule["messageExpression"]).execute(cel.Context(variables=variables, functions=FUNCTIONS))
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        why = f"no such key: {error.args[0].strip(chr(39))}" if isinstance(error, KeyError) else str(error)
        yield Cause(
            "FieldValueInvalid", f'Invalid value: "{type_name(value)}": {why} evaluating rule: {said}', path or "<nil>"
        )
        return
    reason = rule.get("reason", "FieldValueInvalid")
    word = _WORDS.get(
        reason, "Invalid value" if isinstance(value, dict | list) else f"Invalid value: {json.dumps(value)}"
    )
    yield Cause(reason, f"{word}: {said}", (path + rule.get("fieldPath", "")).lstrip(".") or "<nil>")
