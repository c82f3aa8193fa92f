"""A chart's values.yaml and its page of the reference, both from values.schema.json, so that all stands there once.

A value is documented by `description` and `default`; one without a default is a section, or has no place in
values.yaml (Helm itself sets it).
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Schema = Mapping[str, Any]

_WIDTH = 118
_STEP = "  "


@dataclass(frozen=True)
class Value:
    """One value or one section of values."""

    path: tuple[str, ...]
    description: str
    section: bool
    written: bool
    """Whether values.yaml has it."""
    default: Any = None

    @property
    def name(self) -> str:
        return ".".join(self.path)


def read(chart: Path) -> Schema:
    """The schema of the chart in that folder."""
    found: Schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    return found


def values(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[Value]:
    """All values in the order of the schema, each section before what is in it."""
    for name, each in schema["properties"].items():
        here = (*path, name)
        if "default" in each:
            yield Value(here, each["description"], section=False, written=True, default=each["default"])
        elif "properties" in each:
            yield Value(here, each["description"], section=True, written=True)
            yield from values(each, here)
        else:
            yield Value(here, each["description"], section=False, written=False)


def defaults(schema: Schema) -> dict[str, Any]:
    """What values.yaml says, as Helm reads it."""
    found: dict[str, Any] = {}
    for value in values(schema):
        if value.written:
            *above, name = value.path
            place = found
            for section in above:
                place = place[section]
            place[name] = {} if value.section else value.default
    return found


def values_file(schema: Schema) -> str:
    """The text of values.yaml."""
    lines = [
        "# yaml-language-server: $schema=values.schema.json",
        f"# {schema['title']}, with their defaults.",
        "# Generated from values.schema.json by `python -m mooring_lab.charts`; do not edit.",
    ]
    for value in values(schema):
        if not value.written:
            continue
        margin = _STEP * (len(value.path) - 1)
        if len(value.path) == 1:
            lines.append("")
        lines += textwrap.wrap(
            value.description,
            _WIDTH,
            initial_indent=f"{margin}# ",
            subsequent_indent=f"{margin}# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [f"{margin}{line}" for line in _entry(value)]
    return "\n".join(lines) + "\n"


def _entry(value: Value) -> list[str]:
    key = value.path[-1]
    if value.section:
        return [f"{key}:"]
    return yaml.safe_dump({key: value.default}, sort_keys=False, width=_WIDTH).splitlines()


def table(schema: Schema) -> str:
    """A Markdown table of all values."""
    lines = ["| value | default | what it is |", "| --- | --- | --- |"]
    for value in values(schema):
        default = "" if value.section or not value.written else f"`{json.dumps(value.default)}`"
        name = f"**`{value.name}`**" if value.section else f"`{value.name}`"
        lines.append(f"| {name} | {_cell(default)} | {_cell(value.description)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
