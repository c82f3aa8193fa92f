"""Pods as the API server sends them, read with the defaults that it fills in. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodKey:
    """One pod and no other that had its name before."""

    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, pod: View) -> "PodKey":
        metadata = pod["metadata"]
        return cls(metadata["namespace"], metadata["name"], metadata["uid"])


def spec(pod: View) -> View:
    found: View = pod.get("spec") or {}
    return found


def containers(pod: View) -> tuple[View, ...]:
    return tuple(spec(pod).get("containers") or ())


def init_containers(pod: View) -> tuple[View, ...]:
    return tuple(spec(pod).get("initContainers") or ())


def container(pod: View, name: str) -> View:
    """An init container or another; names are unique among both. KeyError where there is none."""
    for found in (*init_containers(pod), *containers(pod)):
        if found["name"] == name:
            return found
    raise KeyError(name)


def volumes(pod: View) -> tuple[View, ...]:
    return tuple(spec(pod).get("volumes") or ())


def security(pod: View, container: View, field: str) -> Any:
    """A field of the container's securityContext, else of the pod's; None where neither says."""
    own = (container.get("securityContext") or {}).get(field)
    return (spec(pod).get("securityContext") or {}).get(field) if own is None else own


def is_deleted(pod: View) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: View) -> bool:
    """Whether its phase is one that no pod leaves."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def grace_s(pod: View) -> float:
    """How long its containers get to end: what a deletion asked for, else the spec; at least a second.

    As kubelet's calculateEffectiveGracePeriod: a deletion with no grace at all gives the spec's.
    """
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    wished = spec(pod).get("terminationGracePeriodSeconds")
    return float(max(asked or (30 if wished is None else wished), 1))


def references(pod: View) -> frozenset[tuple[str, str]]:
    """The ConfigMaps and Secrets that its environment and volumes name: (kind, name)."""
    return frozenset(_environment_references(pod)) | frozenset(_volume_references(pod))


def _environment_references(pod: View) -> Iterator[tuple[str, str]]:
    for each in (*init_containers(pod), *containers(pod)):
        for source in each.get("envFrom") or ():
            yield from _named(source.get("configMapRef"), source.get("secretRef"))
        for variable in each.get("env") or ():
            source = variable.get("valueFrom") or {}
            yield from _named(source.get("configMapKeyRef"), source.get("secretKeyRef"))


def _volume_references(pod: View) -> Iterator[tuple[str, str]]:
    for volume in volumes(pod):
        yield from _named(volume.get("configMap"), _secret(volume.get("secret")))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source.get("configMap"), source.get("secret"))


def _secret(source: View | None) -> View | None:
    """A secret volume calls `secretName` what all others call `name`."""
    return source and {"name": source["secretName"]}


def _named(config_map: View | None, secret: View | None) -> Iterator[tuple[str, str]]:
    if config_map:
        yield "ConfigMap", config_map["name"]
    if secret:
        yield "Secret", secret["name"]
