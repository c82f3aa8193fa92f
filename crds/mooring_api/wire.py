"""What all resource models share: wire names, frozen values, rules that Python and the API server both hold."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mooring_api.duration import PATTERN, Duration
from mooring_api.problems import InvalidObject, Problem

GROUP = "mooring.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

ModelT = TypeVar("ModelT", bound=BaseModel)

_INITIALISMS = {"id": "ID", "ids": "IDs", "ip": "IP", "ttl": "TTL"}


def wire_name(python_name: str) -> str:
    """`virtual_router_ids` -> `virtualRouterIDs`: Kubernetes' camel case, initialisms in capitals but at the start."""
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


class Wire(BaseModel):
    """A frozen value with Kubernetes' wire names; unknown fields are errors (the reader of a file wants to know)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=wire_name, validate_by_name=True, validate_by_alias=True,
        validate_default=True, use_attribute_docstrings=True, arbitrary_types_allowed=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _hold_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                raise PydanticCustomError("rule", "{message}", {"message": rule.message, "path": rule.path})
        return self

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON values with wire names; fields that are left out (None) are not there."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class _DurationSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any) -> Duration:
            if isinstance(value, Duration):
                return value
            if isinstance(value, str):
                return Duration.parse(value)
            raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 100ms or 1s")

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": PATTERN, "maxLength": 32}


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a duration, both included; in the CRD they become a rule."""

    least: Duration
    most: Duration
    step: Duration | None = None

    def __call__(self, value: Duration) -> Duration:
        if not self.least <= value <= self.most:
            raise ValueError(f"{value} is outside {self.least} to {self.most}")
        if self.step and value % self.step:
            raise ValueError(f"{value} is not a multiple of {self.step}")
        return value


WireDuration = Annotated[Duration, _DurationSchema]


def duration(least: str, most: str, step: str | None = None) -> Any:
    """The type of a duration field with its bounds, for use in Annotated[Duration, *duration(...)]."""
    bounds = Between(Duration.parse(least), Duration.parse(most), Duration.parse(step) if step else None)
    return Annotated[Duration, _DurationSchema, AfterValidator(bounds)]


def _interface_address(text: str) -> str:
    """Canonical `address/prefix`: a missing prefix means the host alone (/32, /128)."""
    try:
        return str(ip_interface(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address; write 10.0.0.100/24, or 2001:db8::10 for one host alone") from error


#: An IPv4 or IPv6 address with its prefix, canonical text.
InterfaceAddress = Annotated[str, AfterValidator(_interface_address), Field(min_length=2, max_length=49)]
#: A Linux interface name (15 bytes at most, no blank, no slash).
InterfaceName = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/]+$")]
VirtualRouterID = Annotated[int, Field(ge=1, le=255, strict=True)]


def path_of(location: tuple[int | str, ...], prefix: str = "") -> str:
    """pydantic's location as Kubernetes writes a path: ("spec", "addresses", 2) -> `spec.addresses[2]`."""
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else (f".{step}" if path else step)
    return path


def problems_of(error: ValidationError, name: str, prefix: str = "") -> tuple[Problem, ...]:
    """Every error in pydantic's list as a Problem with the field's path."""
    found = []
    for item in error.errors(include_url=False):
        path = path_of(item["loc"], prefix)
        blamed = item.get("ctx", {}).get("path", "")
        if item["type"] == "rule" and blamed:
            path = f"{path}.{blamed}" if path else blamed
        found.append(Problem(name, path, _sentence(item)))
    return tuple(found)


def _sentence(item: Any) -> str:
    kind, value = item["type"], item.get("input")
    if kind == "extra_forbidden":
        return "unknown field; remove it or correct its spelling"
    if kind == "missing":
        return "is required; add it"
    message = re.sub(r"^(Value error|Assertion failed), ", "", item["msg"])
    if kind in ("rule", "value_error"):
        return message
    shown = repr(value)
    return f"{message[0].lower()}{message[1:]}; {shown if len(shown) <= 60 else shown[:57] + '...'} was given"


def parse_object(model: type[ModelT], document: Mapping[str, Any], name: str) -> ModelT:
    """Read one document as `model`; InvalidObject lists everything that is wrong with it, with paths."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidObject(problems_of(error, name)) from error
