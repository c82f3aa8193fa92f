"""A NodeConfig as a file or the API has it: what of it can be used, and what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mooring_api.nodeconfig import NodeConfig
from mooring_api.problems import InvalidObject, Problem, Severity
from mooring_api.reading import Source, read_node_config
from mooring_node.judge.source import text_of

#: The lists of a NodeConfig and what tells their entries apart.
_KEYS = {"instances": "name", "virtualServers": "name", "backendAddresses": "address"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source says: what of a NodeConfig can be used (None: nothing), and everything that is wrong with it."""

    config: NodeConfig | None
    problems: tuple[Problem, ...] = ()
    places: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Of each entry, by its list and name, in the list as it was written, also where others are left out."""


def read_file(path: Path) -> Reading:
    """The NodeConfig of a file."""
    try:
        return read_text(text_of(path), str(path), "file")
    except InvalidObject as error:
        return Reading(None, error.problems)


def read_text(text: str, where: str, source: Source) -> Reading:
    """The NodeConfig of a file's text (YAML), or of an object of the API (JSON); `where`: see Question."""
    try:
        return _read(json.loads(text) if source == "api" else _only_document(text, where), where, source)
    except InvalidObject as error:
        return Reading(None, error.problems)
    except RecursionError:
        return Reading(None, (Problem(where, "", "is nested too deeply"),))


def _only_document(text: str, where: str) -> Mapping[str, object]:
    from mooring_api.documents import parse_documents  # only here: an object of the API is no YAML

    documents = parse_documents(text, where)
    if len(documents) != 1:
        raise InvalidObject([Problem(where, "", f"holds {len(documents)} documents; write exactly one NodeConfig")])
    return documents[0]


def _read(document: Mapping[str, object], where: str, source: Source) -> Reading:
    config, problems = read_node_config(document, source=source)
    spec = document.get("spec")
    if not isinstance(spec, Mapping) or not isinstance(spec.get("instances"), list):
        # What was cut short must not withdraw everything.
        if source == "api" and spec == {}:
            message = "are not planned yet; what runs goes on until the operator has written them"
            return Reading(None, (*problems, Problem(where, "spec.instances", message, Severity.REMARK)))
        message = "is required; write `instances: []` to hold no address on this node, also where it only balances"
        return Reading(None, (*problems, Problem(where, "spec.instances", message)))
    whole = tuple(each for each in problems if each.severity is Severity.ERROR and not each.instance)
    if whole:
        return Reading(None, whole)
    places = {
        (field, str(each[key])): place
        for field, key in _KEYS.items()
        for place, each in enumerate(spec.get(field, ()))
        if isinstance(each, Mapping) and key in each
    }
    return Reading(config, problems, places=places)
