"""What all resource models share: wire names, frozen values, rules held by Python and API server alike."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mooring_api.addresses import (
    read_group_address,
    read_held_address,
    read_host_address,
    read_interface_address,
    read_plain_address,
    read_unicast_address,
)
from mooring_api.duration import MILLISECOND_PATTERN, PATTERN, Duration
from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.sentences import sentence

GROUP = "mooring.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

#: Where the rules of the API server stand in a schema.
VALIDATIONS = "x-kubernetes-validations"

ModelT = TypeVar("ModelT", bound=BaseModel)
Location = tuple[int | str, ...]

_INITIALISMS = {"id": "ID", "ids": "IDs", "ip": "IP", "ttl": "TTL"}


def wire_name(python_name: str) -> str:
    """`virtual_router_ids` -> `virtualRouterIDs`: Kubernetes' camel case, later initialisms in capitals."""
    first, *rest = python_name.rstrip("_").split("_")
    return first + "".join(_INITIALISMS.get(word, word.capitalize()) for word in rest)


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition across fields, declared once: the API server evaluates `cel`, Python calls `holds`.

    `message` says what to do. `path` is the wire name of the field to blame, relative to the model.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    path: str = ""


#: A check that only Python holds (CEL lacks the means, or would cost too much): the model to pairs of
#: a location relative to the model (wire names and indexes) and a message.
Check = Callable[[Any], Iterable[tuple[Location, str]]]


class Wire(BaseModel):
    """A frozen value with Kubernetes' wire names; unknown fields are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    checks: ClassVar[tuple[Check, ...]] = ()

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        findings = [(rule.path, rule.message) for rule in self.rules if not rule.holds(self)]
        findings += [(path_of(place), message) for check in self.checks for place, message in check(self)]
        if findings:
            text = "; ".join(message for _, message in findings)
            raise PydanticCustomError("rule", "{text}", {"text": text, "findings": tuple(findings)})
        return self

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON values with wire names; fields that are left out (None) are not there."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a duration, both included, and its step; in the CRD they become rules."""

    least: Duration
    most: Duration
    step: Duration | None = None

    def __call__(self, value: Duration) -> Duration:
        """The value itself; ValueError when it is outside."""
        if not self.least <= value <= self.most:
            raise ValueError(f"must be {self.least} to {self.most}; {value} was given")
        if self.step and value % self.step:
            raise ValueError(f"must be a multiple of {self.step}; {value} was given")
        return value

    def read(self, value: Any) -> Duration:
        """A duration within the bounds from its wire form or from a Duration."""
        if isinstance(value, Duration):
            return self(value)
        if isinstance(value, str):
            return self(Duration.parse(value))
        raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 100ms or 1s")

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        bounds = f"duration(self) >= duration('{self.least}') && duration(self) <= duration('{self.most}')"
        validations = [{"rule": bounds, "message": f"must be {self.least} to {self.most}"}]
        if self.step:
            step_ms = self.step // Duration.of(ms=1)
            rule = f"duration(self).getMilliseconds() % {step_ms} == 0"
            validations.append({"rule": rule, "message": f"must be a multiple of {self.step}"})
        return {
            "type": "string",
            "minLength": 2,
            "maxLength": 16,
            "pattern": MILLISECOND_PATTERN if self.step else PATTERN,
            VALIDATIONS: validations,
        }


def duration(least: str, most: str, step: str | None = None) -> Between:
    """The bounds of a duration field: `Annotated[Duration, duration("0s", "10s")]`; a step is whole ms."""
    return Between(Duration.parse(least), Duration.parse(most), Duration.parse(step) if step else None)


@dataclass(frozen=True, slots=True)
class Checked:
    """A field's own condition: Python calls `read` (canonical value, or ValueError), the API server `cel`.

    `validations` are pairs of a CEL rule on the field and the message that says what to do.
    """

    read: Callable[[str], str]
    validations: tuple[tuple[str, str], ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        if self.validations:
            own = [{"rule": rule, "message": message} for rule, message in self.validations]
            found[VALIDATIONS] = [*found.get(VALIDATIONS, ()), *own]
        return found


def keyed_by(key: str) -> FieldInfo:
    """Marks a list whose items server-side apply tells apart by the wire field `key`; others are atomic."""
    extra: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return cast(FieldInfo, Field(json_schema_extra=extra))


_IS_ADDRESS = ("isIP(self) || isCIDR(self)", "must be an address such as 10.0.0.100/24 or 2001:db8::10")
_IS_HELD = (
    "isIP(self) ? ip(self).isGlobalUnicast() || ip(self).isLinkLocalUnicast()"
    " : !isCIDR(self) || cidr(self).ip().isGlobalUnicast() || cidr(self).ip().isLinkLocalUnicast()",
    "no node can hold a multicast, loopback, broadcast or unspecified address; write a host's",
)
_IS_HOST = ("isIP(self.split('%')[0])", "must be an address such as 10.0.0.28, fe80::28 or fe80::28%eth0")
_IS_PLAIN = ("isIP(self)", "must be an address without a zone, such as 10.0.0.28 or 2001:db8::28")
_IS_GROUP = (
    "self.matches('^(22[4-9]|23[0-9])[.]') || self.matches('^[fF][fF][0-9a-fA-F]{2}:')",
    "must be a multicast address such as 224.0.0.18 or ff02::12",
)
_HOST_FIELD = Field(min_length=2, max_length=62)

#: An IPv4 or IPv6 address with its prefix, canonical text; without one, the host alone.
InterfaceAddress = Annotated[str, Field(min_length=2, max_length=49), Checked(read_interface_address, (_IS_ADDRESS,))]
#: The same, for a virtual address.
VirtualAddress = Annotated[str, Field(min_length=2, max_length=49), Checked(read_held_address, (_IS_ADDRESS, _IS_HELD))]
#: A bare address; IPv6 may name its zone.
HostAddress = Annotated[str, _HOST_FIELD, Checked(read_host_address, (_IS_HOST,))]
#: The address of one node on the wire.
UnicastAddress = Annotated[str, _HOST_FIELD, Checked(read_unicast_address, (_IS_HOST,))]
#: The same without a zone: of what the kernel balances, which it knows by addresses alone.
PlainAddress = Annotated[str, Field(min_length=2, max_length=45), Checked(read_plain_address, (_IS_PLAIN,))]
#: A multicast group.
GroupAddress = Annotated[str, _HOST_FIELD, Checked(read_group_address, (_IS_HOST, _IS_GROUP))]
#: A Linux interface name: 15 bytes at most, no blank, slash or colon.
InterfaceName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[!-.0-9;-~]+$")]
#: Whole numbers and truth values are themselves, never text that looks like them.
Integer = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
VirtualRouterID = Annotated[int, Field(ge=1, le=255, strict=True)]
#: A level of the contract, see levels.py.
Level = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


def path_of(location: Location, prefix: str = "") -> str:
    """pydantic's location as Kubernetes writes a path: ("spec", "addresses", 2) -> `spec.addresses[2]`."""
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else (f".{step}" if path else step)
    return path


def _only_short_by_its_items(finding: Mapping[str, Any], all_findings: list[Any]) -> bool:
    """Whether a list misses its least length merely because pydantic does not count its bad items."""
    if finding["type"] != "too_short" or len(finding["input"]) < finding["ctx"]["min_length"]:
        return False
    place = finding["loc"]
    return any(other["loc"][: len(place)] == place != other["loc"] for other in all_findings)


def problems_of(error: ValidationError, name: str, prefix: str = "", instance: str = "") -> tuple[Problem, ...]:
    """Every error in pydantic's list as a Problem of the object `name` with the field's path."""
    findings: list[Any] = error.errors(include_url=False)
    problems = []
    for item in findings:
        if _only_short_by_its_items(item, findings):
            continue
        path = path_of(item["loc"], prefix)
        if item["type"] == "rule":
            problems += [
                Problem(
                    name, f"{path}.{blamed}" if path and blamed else path or blamed, message, Severity.ERROR, instance
                )
                for blamed, message in item["ctx"]["findings"]
            ]
        else:
            problems.append(Problem(name, path, sentence(item), Severity.ERROR, instance))
    return tuple(problems)


def parse_object(model: type[ModelT], document: Mapping[str, Any], name: str) -> ModelT:
    """Read one document as `model`; InvalidObject lists everything that is wrong with it, with paths."""
    try:
        return model.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidObject(problems_of(error, name)) from error
