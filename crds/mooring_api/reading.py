"""Reads a NodeConfig so that one bad instance costs only itself and its sync group.

Whether a configuration with problems is accepted is for the daemon to decide: problems carry their severity
and the instance that they are about.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal

from pydantic import ValidationError

from mooring_api.node_rules import conflicts
from mooring_api.nodeconfig import MAX_INSTANCES, Instance, Metadata, NodeConfig, NodeConfigSpec, NodeConfigStatus
from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.wire import API_VERSION, Location, ModelT, path_of, problems_of

Source = Literal["file", "api"]

_UNKNOWN = "extra_forbidden"
_TOP = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def read_node_config(document: object, *, source: Source) -> tuple[NodeConfig, tuple[Problem, ...]]:
    """What of a NodeConfig can be used, and everything that is wrong with it.

    An instance with an error is left out, and all members of its sync group with it. A field that is not
    known is an error in a file, and in an object of the API a warning: the field is dropped, for its writer
    may be newer than this reader. InvalidObject when nothing can be used.
    """
    head = _head(document)
    name = f"NodeConfig {head.metadata.name}"
    reader = _Reader(name, source)
    assert isinstance(document, Mapping)
    reader.unknown_beside(document, _TOP, ())
    spec = document.get("spec", {})
    if not isinstance(spec, Mapping):
        raise InvalidObject([Problem(name, "spec", "must be a mapping")])
    reader.unknown_beside(spec, frozenset({"instances"}), ("spec",))
    listed = spec.get("instances", ())
    _check_list(listed, name)
    instances = reader.instances(listed)
    status = reader.status(document.get("status"))
    config = NodeConfig(metadata=head.metadata, spec=NodeConfigSpec(instances=instances), status=status)
    return config, tuple(reader.problems)


def _head(document: object) -> NodeConfig:
    """The object without spec and status, or InvalidObject."""
    if not isinstance(document, Mapping):
        raise InvalidObject([Problem("NodeConfig", "", "not an object; it must begin with apiVersion and kind")])
    metadata = document.get("metadata")
    given = metadata.get("name") if isinstance(metadata, Mapping) else None
    name = f"NodeConfig {given}" if given else "NodeConfig"
    wrong = [
        Problem(name, field, f"must be {expected}; {document.get(field)!r} was given")
        for field, expected in (("apiVersion", API_VERSION), ("kind", "NodeConfig"))
        if document.get(field) != expected
    ]
    try:
        found = Metadata.model_validate(metadata, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidObject([*wrong, *problems_of(error, name, "metadata")]) from error
    if wrong:
        raise InvalidObject(wrong)
    return NodeConfig(metadata=found)


def _check_list(listed: object, name: str) -> None:
    if not isinstance(listed, (list, tuple)):
        raise InvalidObject([Problem(name, "spec.instances", "must be a list")])
    if len(listed) > MAX_INSTANCES:
        raise InvalidObject([Problem(name, "spec.instances", f"takes at most {MAX_INSTANCES} items")])


class _Reader:
    """Reads the parts of one object and collects what is wrong with them."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self.problems: list[Problem] = []

    def unknown_beside(self, given: Mapping[str, Any], known: frozenset[str], place: Location) -> None:
        """Report the fields of a mapping that are not known; they are left unread."""
        for field in given:
            if field not in known:
                self._unknown((*place, str(field)), "")

    def _unknown(self, place: Location, instance: str) -> None:
        if self._source == "file":
            message, severity = "unknown field; remove it or correct its spelling", Severity.ERROR
        else:
            message, severity = "unknown field; it is not used", Severity.WARNING
        self.problems.append(Problem(self._name, path_of(place), message, severity, instance))

    def status(self, given: object) -> NodeConfigStatus | None:
        """The status, or None: it is this node's own report, and never a reason to refuse the spec."""
        if given is None:
            return None
        try:
            return NodeConfigStatus.model_validate(given, by_alias=True, by_name=False)
        except ValidationError:
            message = "cannot be read and is not used; the daemon writes it anew"
            self.problems.append(Problem(self._name, "status", message, Severity.WARNING))
            return None

    def instances(self, listed: Iterable[object]) -> tuple[Instance, ...]:
        """Those instances that stand: valid, in no conflict, and in no sync group with one that is not."""
        raw = list(listed)
        good = {place: instance for place, given in enumerate(raw) if (instance := self._instance(place, given))}
        refused = {_group_of(given): _name_of(given) for place, given in enumerate(raw) if place not in good}
        places, members = list(good), list(good.values())
        for index, below, message in conflicts(members):
            blamed = members[index]
            good.pop(places[index], None)
            refused.setdefault(blamed.group_name, blamed.name)
            self._error((places[index], *below), message, blamed.name)
        for place, instance in list(good.items()):
            if instance.group_name in refused:
                del good[place]
                message = f"left out with {refused[instance.group_name]} of its sync group; correct that one"
                self._error((place,), message, instance.name)
        return tuple(good.values())

    def _error(self, below: Location, message: str, instance: str) -> None:
        path = path_of(("spec", "instances", *below))
        self.problems.append(Problem(self._name, path, message, instance=instance))

    def _instance(self, place: int, given: object) -> Instance | None:
        name = _name_of(given)
        prefix: Location = ("spec", "instances", place)
        if self._source == "api":
            given, dropped = _without_unknown(Instance, given)
            for location in dropped:
                self._unknown((*prefix, *location), name)
        try:
            instance = Instance.model_validate(given, by_alias=True, by_name=False)
        except ValidationError as error:
            self.problems += problems_of(error, self._name, path_of(prefix), name)
            return None
        return instance if self._credentials_fit(place, instance) else None

    def _credentials_fit(self, place: int, instance: Instance) -> bool:
        """A file holds the password itself, the API only names the Secret."""
        credentials = instance.authentication
        if credentials is None:
            return True
        if self._source == "file" and credentials.secret_ref is not None:
            message = "a Secret needs the Kubernetes API; write password instead"
            self._error((place, "authentication", "secretRef"), message, instance.name)
            return False
        if self._source == "api" and credentials.password is not None:
            message = "a password stands only in a file; write secretRef and put it in a Secret"
            self._error((place, "authentication", "password"), message, instance.name)
            return False
        return True


def _name_of(given: object) -> str:
    name = given.get("name") if isinstance(given, Mapping) else None
    return name if isinstance(name, str) else ""


def _group_of(given: object) -> str:
    """The sync group of an instance that could not be read, as far as it says; "" is no group's name."""
    group = given.get("syncGroup") if isinstance(given, Mapping) else None
    return group if isinstance(group, str) and group else _name_of(given)


def _without_unknown(model: type[ModelT], given: object) -> tuple[object, list[Location]]:
    """`given` without the fields that `model` does not know, and their places."""
    try:
        model.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        unknown = [item["loc"] for item in error.errors(include_url=False) if item["type"] == _UNKNOWN]
        if not unknown:
            return given, []
        kept = deepcopy(given)
        for location in unknown:
            _delete(kept, location)
        return kept, unknown
    return given, []


def _delete(given: Any, location: Location) -> None:
    *above, last = location
    for step in above:
        given = given[step]
    del given[last]
