"""Manifests from files, folders and standard input, as `kubectl -f` takes them."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mooring_api.documents import parse_documents

SUFFIXES = (".yaml", ".yml", ".json")
STANDARD_INPUT = "-"


class UnreadableInput(Exception):  # noqa: N818 - it names the state of the input
    """A file that can't be read or holds no manifests; the message names it and says why."""


def read_manifests(sources: Iterable[str]) -> list[dict[str, Any]]:
    """All objects of the sources in order; of a folder the files with YAML's or JSON's suffix directly in it.

    UnreadableInput when a file can't be opened; InvalidObject when its text is not YAML.
    """
    documents: list[dict[str, Any]] = []
    for source in sources:
        for origin, text in _texts(source):
            documents.extend(parse_documents(text, origin))
    return documents


def _texts(source: str) -> Iterable[tuple[str, str]]:
    if source == STANDARD_INPUT:
        return [("standard input", sys.stdin.read())]
    path = Path(source)
    try:
        if not path.is_dir():
            return [(source, path.read_text(encoding="utf-8"))]
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
        if not files:
            raise UnreadableInput(f"{source}: holds no file that ends in {', '.join(SUFFIXES)}")
        return [(str(file), file.read_text(encoding="utf-8")) for file in files]
    except OSError as error:
        raise UnreadableInput(f"{error.filename or source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{source}: is not UTF-8 text (byte {error.start})") from error
