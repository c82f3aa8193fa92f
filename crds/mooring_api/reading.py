"""Reads a NodeConfig so that one bad entry costs only itself, and an instance its sync group.

Whether a configuration with problems is accepted is for the daemon to decide: problems carry their severity
and the name of the entry that they are about.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any, Literal

from pydantic import ValidationError

from mooring_api.levels import needs_more
from mooring_api.node_rules import conflicts
from mooring_api.node_server import (
    MAX_SERVERS,
    BackendAddress,
    ConnectionSync,
    NodeVirtualServer,
    PortGuard,
    server_conflicts,
)
from mooring_api.nodeconfig import MAX_INSTANCES, Instance, Metadata, NodeConfig, NodeConfigSpec, NodeConfigStatus
from mooring_api.problems import CONNECTION_SYNC, InvalidObject, Problem, Severity
from mooring_api.wire import API_VERSION, Location, ModelT, path_of, problems_of, wire_name

Source = Literal["file", "api"]

_UNKNOWN = "extra_forbidden"
_TOP = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_SPEC = frozenset(wire_name(field) for field in NodeConfigSpec.model_fields)
_LONGEST = {"instances": MAX_INSTANCES, "virtualServers": MAX_SERVERS, "backendAddresses": 1024, "portGuards": 1024}


def read_node_config(document: object, *, source: Source) -> tuple[NodeConfig, tuple[Problem, ...]]:
    """What of a NodeConfig can be used, and everything that is wrong with it.

    An entry with an error is left out, and with an instance all members of its sync group. A field that is not
    known is an error in a file, and in an object of the API a remark: the field is dropped, for its writer
    may be newer than this reader. An entry that must not be run without such a field says so by `requiredLevel`,
    and is an error. InvalidObject when nothing can be used.
    """
    head = _head(document)
    name = f"NodeConfig {head.metadata.name}"
    assert isinstance(document, Mapping)
    reader = _Reader(name, source)
    reader.unknown_beside(document, _TOP, ())
    spec = document.get("spec", {})
    if not isinstance(spec, Mapping):
        raise InvalidObject([Problem(name, "spec", "must be a mapping")])
    reader.unknown_beside(spec, _SPEC, ("spec",))
    listed = {field: _list(spec, field, name) for field in _LONGEST}
    if source == "file":
        reader.trackable = _tracked_names(listed["virtualServers"])
    read = NodeConfigSpec.model_construct(
        instances=reader.instances(listed["instances"]),
        virtual_servers=reader.servers(listed["virtualServers"]),
        backend_addresses=reader.entries("backendAddresses", BackendAddress, listed["backendAddresses"], _address_of),
        port_guards=reader.entries("portGuards", PortGuard, listed["portGuards"], guard_name),
        connection_sync=reader.connection_sync(spec.get("connectionSync")),
    )
    status = reader.status(document.get("status"))
    # Every part of the spec is valid, and so is the whole: it need not be read a second time.
    return NodeConfig.model_construct(metadata=head.metadata, spec=read, status=status), tuple(reader.problems)


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


def _list(spec: Mapping[str, Any], field: str, name: str) -> list[object]:
    listed = spec.get(field, ())
    if not isinstance(listed, (list, tuple)):
        raise InvalidObject([Problem(name, f"spec.{field}", "must be a list; write [] for an empty one")])
    if len(listed) > _LONGEST[field]:
        raise InvalidObject([Problem(name, f"spec.{field}", f"takes at most {_LONGEST[field]} items")])
    return list(listed)


class _Reader:
    """Reads the parts of one object and collects what is wrong with them."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self.problems: list[Problem] = []
        self.trackable: frozenset[str] | None = None
        """What instances may track; None: not judged, for the API's writer may be about to add it."""

    def unknown_beside(self, given: Mapping[str, Any], known: frozenset[str], place: Location) -> None:
        """Report the fields of a mapping that are not known; they are left unread."""
        for field in given:
            if field not in known:
                self._unknown((*place, str(field)), "")

    def _unknown(self, place: Location, instance: str) -> None:
        if self._source == "file":
            message, severity = "unknown field; remove it or correct its spelling", Severity.ERROR
        else:
            message, severity = "unknown field; it is not used", Severity.REMARK
        self.problems.append(Problem(self._name, path_of(place), message, severity, instance))

    def status(self, given: object) -> NodeConfigStatus | None:
        """The status, or None: it is this node's own report, and never a reason to refuse the spec."""
        if given is None:
            return None
        # Of the API it may be a newer daemon's, which ran here before this one.
        unknown: Literal["ignore", "forbid"] = "ignore" if self._source == "api" else "forbid"
        try:
            return NodeConfigStatus.model_validate(given, extra=unknown, by_alias=True, by_name=False)
        except ValidationError:
            message = "cannot be read and is not used; the daemon writes it anew"
            self.problems.append(Problem(self._name, "status", message, Severity.WARNING))
            return None

    def instances(self, raw: list[object]) -> tuple[Instance, ...]:
        """Those instances that stand: valid, in no conflict, and in no sync group with one that is not."""
        good = {place: instance for place, given in enumerate(raw) if (instance := self._instance(place, given))}
        refused = {_group_of(given): _name_of(given) for place, given in enumerate(raw) if place not in good}
        places, members = list(good), list(good.values())
        for index, below, message in conflicts(members):
            blamed = members[index]
            good.pop(places[index], None)
            refused.setdefault(blamed.group_name, blamed.name)
            self._error(("instances", places[index], *below), message, blamed.name)
        for place, instance in list(good.items()):
            if instance.group_name in refused:
                del good[place]
                with_whom = refused[instance.group_name]
                if with_whom == instance.name:
                    message = "left out with the other one of this name; correct that one"
                else:
                    message = f"left out with {with_whom} of its sync group; correct that one"
                self._error(("instances", place), message, instance.name)
        return tuple(good.values())

    def servers(self, raw: list[object]) -> tuple[NodeVirtualServer, ...]:
        """Those virtual servers that stand: valid, and in no conflict with an earlier one."""
        prefix: Location = ("spec", "virtualServers")
        good: dict[int, NodeVirtualServer] = {}
        for place, given in enumerate(raw):
            found = self._read(
                NodeVirtualServer, (*prefix, place), given, _name_of(given) or f"virtualServers[{place}]"
            )
            if found is not None:
                good[place] = found
        places, servers = list(good), list(good.values())
        for index, below, message in server_conflicts(servers):
            good.pop(places[index], None)
            self._error(("virtualServers", places[index], *below), message, servers[index].name)
        return tuple(good.values())

    def entries(
        self, field: str, model: type[ModelT], raw: Iterable[object], called: Callable[[object], str]
    ) -> tuple[ModelT, ...]:
        """Those that are valid of a list whose entries have no names."""
        found = [
            self._read(model, ("spec", field, place), given, called(given) or f"{field}[{place}]")
            for place, given in enumerate(raw)
        ]
        return tuple(each for each in found if each is not None)

    def connection_sync(self, given: object) -> ConnectionSync | None:
        if given is None:
            return None
        return self._read(ConnectionSync, ("spec", "connectionSync"), given, CONNECTION_SYNC)

    def _error(self, below: Location, message: str, instance: str) -> None:
        self.problems.append(Problem(self._name, path_of(("spec", *below)), message, instance=instance))

    def _read(self, model: type[ModelT], prefix: Location, given: object, name: str) -> ModelT | None:
        """One entry, or None and what is wrong with it; what the API knows more of than we do is dropped first."""
        if beyond := needs_more(given):
            path = path_of((*prefix, "requiredLevel"))
            self.problems.append(Problem(self._name, path, beyond, instance=name))
            return None
        try:
            return model.model_validate(given, by_alias=True, by_name=False)
        except ValidationError as error:
            unknown = [item["loc"] for item in error.errors(include_url=False) if item["type"] == _UNKNOWN]
            told = problems_of(error, self._name, path_of(prefix), name)
        refused = self._source == "file" or not unknown
        if refused:
            self.problems += told
        if not unknown:
            return None
        kept = deepcopy(given)
        for location in unknown:
            _delete(kept, location)
            if not refused:
                self._unknown((*prefix, *location), name)
        try:
            read = model.model_validate(kept, by_alias=True, by_name=False)
        except ValidationError as error:
            # Rules across fields are looked at only where every field is right: they were hidden by what is unknown.
            found = problems_of(error, self._name, path_of(prefix), name)
            self.problems += [problem for problem in found if not refused or problem not in told]
            return None
        return None if refused else read

    def _instance(self, place: int, given: object) -> Instance | None:
        instance = self._read(Instance, ("spec", "instances", place), given, _name_of(given))
        if instance is None or not self._credentials_fit(place, instance) or not self._trackings_fit(place, instance):
            return None
        return instance

    def _trackings_fit(self, place: int, instance: Instance) -> bool:
        """In a file, what is tracked is there too: a name that is none is a slip of the pen."""
        fits = True
        for index, each in enumerate(instance.tracking):
            tracked = each.virtual_server.name
            if self.trackable is not None and tracked not in self.trackable:
                message = f"there is no virtual server {tracked}; correct the name, or add it to virtualServers"
                below = ("instances", place, "tracking", index, "virtualServer", "name")
                self._error(below, message, instance.name)
                fits = False
        return fits

    def _credentials_fit(self, place: int, instance: Instance) -> bool:
        """A file holds the password itself, the API only names the Secret."""
        credentials = instance.authentication
        if credentials is None:
            return True
        below = ("instances", place, "authentication")
        if self._source == "file" and credentials.secret_ref is not None:
            message = "a Secret needs the Kubernetes API; write password instead"
            self._error((*below, "secretRef"), message, instance.name)
            return False
        if self._source == "api" and credentials.password is not None:
            message = "a password stands only in a file; write secretRef and put it in a Secret"
            self._error((*below, "password"), message, instance.name)
            return False
        return True


def _name_of(given: object) -> str:
    return _text(given, "name")


def _tracked_names(servers: Iterable[object]) -> frozenset[str]:
    """Also of those that cannot be read: what is wrong with them is told at their own place."""
    return frozenset(_text(each, field) for each in servers for field in ("name", "virtualServer"))


def _address_of(given: object) -> str:
    return _text(given, "address")


def _text(given: object, field: str) -> str:
    found = given.get(field) if isinstance(given, Mapping) else None
    return found if isinstance(found, str) else ""


def guard_name(given: object) -> str:
    """What a port guard is called in problems: its first address."""
    addresses = given.get("addresses") if isinstance(given, Mapping) else None
    first = addresses[0] if isinstance(addresses, (list, tuple)) and addresses else None
    return first if isinstance(first, str) else ""


def _group_of(given: object) -> str:
    """The sync group of an instance that could not be read, as far as it says; "" is no group's name."""
    return _text(given, "syncGroup") or _name_of(given)


def _delete(given: Any, location: Location) -> None:
    *above, last = location
    for step in above:
        given = given[step]
    del given[last]
