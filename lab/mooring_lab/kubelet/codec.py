"""The machine's states to JSON and back, so that a kubelet that starts again knows what it had begun. Pure."""

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from mooring_lab.kubelet import states

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(states.Pod, states.Ending, states.Container, states.Exit, states.Probe, states.Waiting, states.Starting),
        *(states.PostStart, states.Running, states.PreStop, states.Terminating, states.Killed, states.Ended),
    )
}


def to_json(pod: states.Pod) -> str:
    return json.dumps(_encode(pod))


def of_json(text: str) -> states.Pod:
    """ValueError, KeyError or TypeError when it is no such text."""
    pod = _decode(json.loads(text))
    if not isinstance(pod, states.Pod):
        raise TypeError("it is no pod")
    return pod


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        members = {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
        return {"is": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [_encode(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(each) for each in value)
    if not isinstance(value, dict):
        return value
    members = {name: _decode(each) for name, each in value.items() if name != "is"}
    kind = _KINDS[value["is"]]
    if kind is states.Probe:
        members["kind"] = states.ProbeKind(members["kind"])
    return kind(**members)
