"""A container's environment, and the pod's fields that it and volumes show (downward API). Pure."""

import re
from collections.abc import Mapping

from mooring_lab.kubelet.document import View, spec
from mooring_lab.kubelet.expansion import expand
from mooring_lab.kubelet.facts import CONFIG_ERROR, CannotRun, Facts, NodeFacts

_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def environment(pod: View, container: View, facts: Facts, image: Mapping[str, str]) -> dict[str, str]:
    """The image's variables, the cluster's, envFrom's and env's; each wins over those before it.

    CannotRun where something that it refers to is missing.
    """
    result = dict(image) | facts.variables
    for source in container.get("envFrom") or ():
        result.update(_all_of(source, facts))
    # $(NAME) in a value means what stood before it in the container's own list or the cluster's variables.
    known = {key: value for key, value in result.items() if key not in image}
    for variable in container.get("env") or ():
        name, source = variable["name"], variable.get("valueFrom")
        value = _value(pod, source, facts) if source else expand(variable.get("value") or "", known)
        if value is not None:
            result[name] = known[name] = value
    return result


def field(pod: View, path: str, node: NodeFacts) -> str:
    """What a fieldRef names; CannotRun for a field that kubelet does not know either."""
    metadata = pod["metadata"]
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels")),
        "metadata.annotations": _lines(metadata.get("annotations")),
        "spec.nodeName": node.name,
        "spec.serviceAccountName": spec(pod).get("serviceAccountName", "default"),
        "status.hostIP": node.addresses[0],
        "status.hostIPs": ",".join(node.addresses),
        "status.podIP": node.addresses[0],
        "status.podIPs": ",".join(node.addresses),
    }
    if path in simple:
        return str(simple[path])
    if keyed := _KEYED.fullmatch(path):
        return str((metadata.get(keyed[1]) or {}).get(keyed[2], ""))
    raise CannotRun(CONFIG_ERROR, f"unsupported fieldPath: {path}")


def _all_of(source: View, facts: Facts) -> dict[str, str]:
    """envFrom: every key; each can be the name of a variable."""
    prefix = source.get("prefix") or ""
    for member, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if reference := source.get(member):
            found = facts.data(kind, reference["name"], optional=bool(reference.get("optional")))
            return {prefix + key: _text(value) for key, value in found.items()}
    return {}


def _value(pod: View, source: View, facts: Facts) -> str | None:
    """What a valueFrom names; None where it is optional and missing."""
    if reference := source.get("fieldRef"):
        return field(pod, reference["fieldPath"], facts.node)
    for member, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference := source.get(member):
            optional, name, key = bool(reference.get("optional")), reference["name"], reference["key"]
            data = facts.data(kind, name, optional=optional)
            if key in data:
                return _text(data[key])
            if optional:
                return None
            raise CannotRun(CONFIG_ERROR, f"couldn't find key {key} in {kind} {pod['metadata']['namespace']}/{name}")
    raise CannotRun(CONFIG_ERROR, f"env from {', '.join(source)} is not supported by the lab's kubelet")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _lines(entries: Mapping[str, str] | None) -> str:
    """As kubelet's FormatMap: one `key="value"` a line, in order."""
    return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted((entries or {}).items()))


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
