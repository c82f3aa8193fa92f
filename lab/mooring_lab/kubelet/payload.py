"""The files of a volume that is made of API objects: configMap, secret, downwardAPI, projected. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mooring_lab.kubelet.document import View, security, spec
from mooring_lab.kubelet.environment import field
from mooring_lab.kubelet.facts import CannotRun, Facts

KINDS = ("configMap", "secret", "downwardAPI", "projected")
_DEFAULT_MODE = 0o644
_SHORTEST_TOKEN_S, _DEFAULT_TOKEN_S = 600, 3600
NOT_MOUNTED = "FailedMount"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume; `path` is relative. `uid` and `gid` None: root's."""

    path: str
    content: bytes
    mode: int
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A token that a volume wants, for the pod's service account."""

    audience: str
    """Empty: the API server's own."""
    seconds: int


def token_wishes(pod: View) -> frozenset[TokenWish]:
    return frozenset(
        _wish(source["serviceAccountToken"])
        for volume in spec(pod).get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source.get("serviceAccountToken")
    )


def files(pod: View, volume: View, facts: Facts, tokens: Mapping[TokenWish, str]) -> tuple[File, ...]:
    """The volume's files, later sources over earlier ones; CannotRun where something is missing."""
    found: dict[str, File] = {}
    for kind in KINDS:
        if (source := volume.get(kind)) is None:
            continue
        mode = source.get("defaultMode", _DEFAULT_MODE)
        sources = source.get("sources") or () if kind == "projected" else ({kind: source},)
        for each in sources:
            found.update((file.path, file) for file in _source(pod, each, mode, facts, tokens))
    group = (spec(pod).get("securityContext") or {}).get("fsGroup")
    return tuple(file if group is None else _of_group(file, group) for _, file in sorted(found.items()))


def _of_group(file: File, group: int) -> File:
    """fsGroup: the group may read it."""
    return File(file.path, file.content, file.mode | 0o440, file.uid, group)


def _source(pod: View, source: View, mode: int, facts: Facts, tokens: Mapping[TokenWish, str]) -> Iterator[File]:
    for kind, of_kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (said := source.get(kind)) is not None:
            name = said.get("secretName") or said["name"]
            yield from _items(of_kind, name, said, mode, facts)
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        if not item.get("fieldRef"):
            raise CannotRun(NOT_MOUNTED, "resourceFieldRef is not supported by the lab's kubelet")
        text = field(pod, item["fieldRef"]["fieldPath"], facts.node)
        yield File(item["path"], text.encode(), item.get("mode", mode))
    if (said := source.get("serviceAccountToken")) is not None:
        yield _token(pod, said, mode, tokens)


def _items(kind: str, name: str, said: View, mode: int, facts: Facts) -> Iterator[File]:
    """All keys, or those that `items` names."""
    optional = bool(said.get("optional"))
    try:
        data = facts.data(kind, name, optional=optional)
    except CannotRun as error:
        raise CannotRun(NOT_MOUNTED, error.message) from error
    if not said.get("items"):
        yield from (File(key, content, mode) for key, content in data.items())
    for item in said.get("items") or ():
        if item["key"] in data:
            yield File(item["path"], data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise CannotRun(NOT_MOUNTED, f"{kind.lower()} {name} references non-existent key: {item['key']}")


def _token(pod: View, said: View, mode: int, tokens: Mapping[TokenWish, str]) -> File:
    """Readable by all, unless the pod's containers run as one user, or fsGroup is set: then by him (as kubelet)."""
    users = {
        security(pod, container, "runAsUser")
        for container in (*(spec(pod).get("initContainers") or ()), *(spec(pod).get("containers") or ()))
    }
    user = users.pop() if len(users) == 1 else None
    group = (spec(pod).get("securityContext") or {}).get("fsGroup")
    private = user is not None or group is not None
    return File(said["path"], tokens[_wish(said)].encode(), 0o600 if private else mode, user)


def _wish(said: View) -> TokenWish:
    seconds = int(said.get("expirationSeconds") or _DEFAULT_TOKEN_S)
    return TokenWish(said.get("audience") or "", max(seconds, _SHORTEST_TOKEN_S))
