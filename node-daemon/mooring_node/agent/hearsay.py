"""What others tell, in the words of a status: strangers on the wire, and the checks process. Pure.

The fields are those of the contract's models (mooring_api.nodeconfig_status), which the agent does not load: they weigh
more than all else that it does. What does not fit is left out as a whole. Tests hold it against the models.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mooring_api.addresses import read_host_address
from mooring_node.agent.server_report import MOST_LISTED

Reader: TypeAlias = Callable[[object], Any]
"""A field's value from what was told; ValueError when it is none."""
Fields: TypeAlias = Mapping[str, tuple[Reader, object]]
"""Readers by name, in the status's order, each with what is read where nothing was told."""

_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}")
_LONGEST_ADDRESS = 62


def foreign_router(told: object) -> dict[str, Any] | None:
    """A router heard, as the VRRP process describes it; None: there can be no such router, so somebody made it up."""
    return _or_none(told, _ROUTER)


def server(told: object) -> dict[str, Any] | None:
    """A virtual server's report; None: it has something for which a status has no place."""
    return _or_none(told, _SERVER)


def kube_proxy(told: object) -> dict[str, Any] | None:
    """How kube-proxy runs here; None: nothing was told, or it has something for which a status has no place."""
    return _or_none(told, _KUBE_PROXY)


def is_interface_name(text: str) -> bool:
    """Whether a resource can name such an interface."""
    return _INTERFACE.fullmatch(text) is not None


def _or_none(told: object, fields: Fields) -> dict[str, Any] | None:
    try:
        return _object(told, fields)
    except ValueError:
        return None


def _object(told: object, fields: Fields) -> dict[str, Any]:
    if not isinstance(told, Mapping) or told.keys() - fields.keys():
        raise ValueError(told)
    read = {name: reader(told.get(name, default)) for name, (reader, default) in fields.items()}
    return {name: value for name, value in read.items() if value is not None}


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise ValueError(told)
    told.encode()  # not so half of a pair of surrogates, which JSON can write and UTF-8 cannot
    return told


def _text_or_none(told: object) -> str | None:
    return None if told is None else _text(told)


def _interface(told: object) -> str:
    text = _text(told)
    if not is_interface_name(text):
        raise ValueError(told)
    return text


def _host(told: object) -> str:
    text = _text(told)
    if len(text) > _LONGEST_ADDRESS:
        raise ValueError(told)
    return read_host_address(text)


def _number(told: object) -> int:
    if not isinstance(told, int) or isinstance(told, bool):
        raise ValueError(told)
    return told


def _count(told: object) -> int:
    number = _number(told)
    if number < 0:
        raise ValueError(told)
    return number


def _within(least: int, most: int) -> Reader:
    def read(told: object) -> int:
        number = _number(told)
        if not least <= number <= most:
            raise ValueError(told)
        return number

    return read


def _flag(told: object) -> bool:
    if not isinstance(told, bool):
        raise ValueError(told)
    return told


def _one_of(*words: str) -> Reader:
    def read(told: object) -> str:
        text = _text(told)
        if text not in words:
            raise ValueError(told)
        return text

    return read


def _backends(told: object) -> list[dict[str, Any]]:
    if not isinstance(told, (list, tuple)) or len(told) > MOST_LISTED:
        raise ValueError(told)
    return [_object(each, _BACKEND) for each in told]


_ROUTER: Fields = {
    "interface": (_interface, None),
    "virtualRouterID": (_within(1, 255), None),
    "source": (_host, None),
    "priority": (_within(0, 255), None),
    "version": (_number, None),
}
_BACKEND: Fields = {
    "address": (_text, None),
    "port": (_number, None),
    "host": (_text_or_none, None),
    "state": (_one_of("Up", "Down", "Draining"), None),
    "reason": (_text_or_none, None),
    "sinceTime": (_text_or_none, None),
}
_SERVER: Fields = {
    "name": (_text, None),
    "family": (_one_of("IPv4", "IPv6"), None),
    "quorum": (_flag, None),
    "sorry": (_flag, False),
    "up": (_count, 0),
    "down": (_count, 0),
    "draining": (_count, 0),
    "backends": (_backends, ()),
}
_KUBE_PROXY: Fields = {
    "mode": (_one_of("IPTables", "IPVS", "NFTables"), None),
    "removesServices": (_flag, False),
    "answersArp": (_flag, False),
}
