"""The manifests of examples/ can be applied together: none writes over another's object, or takes its address."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mooring_api.documents import parse_documents

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
#: What no cluster is given: files of daemons and of kubelet, and what `mooring plan` is told of nodes.
NOT_APPLIED = tuple(EXAMPLES / each for each in ("node", "static-pod", "dual-master/offline"))
FILES = sorted(path for path in EXAMPLES.rglob("*.yaml") if not any(path.is_relative_to(each) for each in NOT_APPLIED))

Document = dict[str, Any]


def documents() -> Iterator[Document]:
    for path in FILES:
        yield from parse_documents(path.read_text(encoding="utf-8"), path.name)


def virtual_ips() -> Iterator[Document]:
    yield from (document["spec"] for document in documents() if document["kind"] == "VirtualIP")


def several(found: Iterable[object]) -> list[object]:
    """What is there more than once."""
    return [each for each, count in Counter(found).items() if count > 1]


def test_each_object_has_a_name_of_its_own() -> None:
    names = [(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in documents()]
    assert {kind for kind, *_ in names} >= {"Namespace", "Secret", "Service", "VirtualIP", "VirtualServer"}
    assert several(names) == []


def test_each_address_and_virtual_router_id_is_of_one_virtual_ip() -> None:
    addresses = [each["address"].partition("/")[0] for spec in virtual_ips() for each in spec["addresses"]]
    assert len(addresses) > len(FILES)
    assert several(addresses) == []
    chosen = [number for spec in virtual_ips() for number in spec.get("vrrp", {}).get("virtualRouterIDs", ())]
    assert several(chosen) == []
