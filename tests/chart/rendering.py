"""What a chart renders to, as documents that a test asks for by kind and name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mooring_lab.charts import MOORING
from mooring_lab.charts.helm import Helm

Document = dict[str, Any]
Values = Mapping[str, Any]


@dataclass
class Rendered:
    """The documents of one rendering, in Helm's order; shared by the tests, so not to be changed."""

    text: str

    @cached_property
    def documents(self) -> list[Document]:
        return [document for document in yaml.load_all(self.text, yaml.CSafeLoader) if document]

    def all(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Document:
        (found,) = (d for d in self.all(kind) if name in (None, d["metadata"]["name"]))
        return found

    def pod(self, kind: str) -> Document:
        """The template of the pods of the one Deployment or DaemonSet."""
        found: Document = self.one(kind)["spec"]["template"]
        return found

    def container(self, kind: str) -> Document:
        (found,) = self.pod(kind)["spec"]["containers"]
        return dict(found)


class Renderer:
    """Renders with one Helm; `values` are those of a values file."""

    def __init__(self, helm: Helm, folder: Path) -> None:
        self.helm = helm
        self._folder = folder
        self._known: dict[str, Rendered] = {}

    def __call__(self, values: Values | None = None, *words: str, chart: Path = MOORING, **names: str) -> Rendered:
        """`names` are release and namespace. HelmError when the chart refuses."""
        key = json.dumps([values, words, str(chart), names])
        if key not in self._known:
            self._known[key] = Rendered(self.helm.template(chart, *self.flags(values), *words, **names))
        return self._known[key]

    def flags(self, values: Values | None) -> tuple[str, ...]:
        """What hands these values to Helm."""
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values or {})))
        return ("--values", str(file))
