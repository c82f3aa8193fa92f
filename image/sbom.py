#!/usr/bin/env python3
"""Write an image's bill of materials: what cyclonedx-py found of Python, and the root's Debian packages beside it.

    sbom.py PYTHON.cdx.json ROOT VERSION >IMAGE.cdx.json

CycloneDX 1.6, checked against its schema. Runs in the Dockerfile's build stage, where cyclonedx-python-lib is.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from email.parser import Parser
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_LICENSE = re.compile(r"^License:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_MACHINE_READABLE = re.compile(r"^Format:\s*\S*copyright-format", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    python, root = Path(arguments[0]), Path(arguments[1])
    bom: Bom = Bom.from_json(json.loads(python.read_text()))
    bom.metadata.timestamp = None  # or no two builds are the same
    # cyclonedx-py does not follow pyproject.toml to where the project's version is.
    assert bom.metadata.component
    bom.metadata.component.version = arguments[2]
    release = dict(line.split("=", 1) for line in (root / "etc/os-release").read_text().splitlines() if "=" in line)
    distribution = release["ID"].strip('"'), release["VERSION_ID"].strip('"')
    bom.components.add(
        Component(type=ComponentType.OPERATING_SYSTEM, name=distribution[0], version=distribution[1], bom_ref="os")
    )
    bom.components.update(debian(root, "-".join(distribution)))
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong:
        print(f"sbom: not as CycloneDX wants it: {wrong}", file=sys.stderr)
        return 1
    print(text)
    return 0


def debian(root: Path, distribution: str) -> Iterator[Component]:
    """A component for each package of the root's database."""
    for paragraph in filter(str.strip, (root / "var/lib/dpkg/status").read_text().split("\n\n")):
        fields = Parser().parsestr(paragraph)
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        qualifiers: Mapping[str, str] = {"arch": architecture, "distro": distribution}
        purl = PackageURL("deb", "debian", name, version, dict(qualifiers))
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=purl,
            bom_ref=str(purl),
            licenses=[DisjunctiveLicense(name=each) for each in licences(root, name)],
        )


def licences(root: Path, package: str) -> list[str]:
    """As its copyright file names them, where a machine can read that; else where to look."""
    path = root / "usr/share/doc" / package / "copyright"
    text = path.read_text(errors="replace")
    named = sorted({each.split(" with ")[0] for each in _LICENSE.findall(text) if len(each) < 100})
    if named and _MACHINE_READABLE.search(text):
        return named
    return [f"see /{path.relative_to(root)}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
