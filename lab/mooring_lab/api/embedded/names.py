"""How names, labels and annotations must be written."""

import json
import re
from collections.abc import Iterator

from mooring_lab.api.embedded.errors import Cause, Object
from mooring_lab.api.embedded.kinds import Kind

_LABEL, _WORD = "[a-z0-9]([-a-z0-9]*[a-z0-9])?", "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN, _VALUE = rf"{_LABEL}(\.{_LABEL})*", f"({_WORD})?"
_LOWER = "must consist of lower case alphanumeric characters"
_MIXED = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_ENDS = "and must start and end with an alphanumeric character"
_SAYS = {
    _LABEL: f"a lowercase RFC 1123 label {_LOWER} or '-', {_ENDS} (e.g. 'my-name',  or '123-abc'",
    _SUBDOMAIN: f"a lowercase RFC 1123 subdomain {_LOWER}, '-' or '.', {_ENDS} (e.g. 'example.com'",
    _WORD: f"name part must {_MIXED} (e.g. 'MyName',  or 'my.name',  or '123-abc'",
    _VALUE: f"a valid label must be an empty string or {_MIXED} (e.g. 'MyValue',  or 'my_value',  or '12345'",
}


def causes(kind: Kind, meta: Object) -> Iterator[Cause]:
    """What is wrong with the metadata of an object that is to be stored."""
    name = meta.get("name", "")
    if not name:
        yield Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    elif not kind.group.startswith("rbac."):
        of_label = kind.well_known == "namespaces"
        yield from _word(_LABEL if of_label else _SUBDOMAIN, name, "metadata.name")
    for part in ("labels", "annotations"):
        for key, value in meta.get(part, {}).items():
            yield from _word(_WORD, key.rpartition("/")[2], f"metadata.{part}", key)
            if part == "labels" and isinstance(value, str):
                yield from _word(_VALUE, value, "metadata.labels")


def _word(pattern: str, text: str, path: str, whole: str = "") -> Iterator[Cause]:
    if not re.fullmatch(pattern, text) or len(text) > (253 if pattern == _SUBDOMAIN else 63):
        why = f"{_SAYS[pattern]}, regex used for validation is '{pattern}')"
        yield Cause("FieldValueInvalid", f"Invalid value: {json.dumps(whole or text)}: {why}", path)
