"""A real API server refuses what breaks a rule, with our sentence and at the field to blame."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.refused import VALID, Refused, refused

from mooring_kube.client import Client
from mooring_kube.errors import Invalid
from mooring_kube.resources import NODE_CONFIGS, VIRTUAL_IPS, VIRTUAL_SERVERS
from mooring_lab.api.kubectl import Kubectl

RESOURCES = {"VirtualIP": VIRTUAL_IPS, "VirtualServer": VIRTUAL_SERVERS, "NodeConfig": NODE_CONFIGS}
DRY = {"dryRun": "All", "fieldValidation": "Strict"}
CASES = refused()


def _write(client: Client, document: dict[str, Any], status: bool = False) -> None:
    """As a dry run; a status by its subresource, on an object that is there."""
    resource, namespace = RESOURCES[document["kind"]], document["metadata"].get("namespace")
    if status:
        path = resource.path(namespace, document["metadata"]["name"], "status")
        client.request("PATCH", path, query=DRY, body=document, content_type="application/merge-patch+json")
    else:
        client.request(
            "POST", resource.path(namespace), query=DRY, body={k: v for k, v in document.items() if k != "status"}
        )


@pytest.fixture(scope="module")
def stored(client: Client) -> Iterator[None]:
    """The NodeConfig whose status the cases want to write."""
    client.create(NODE_CONFIGS, VALID["NodeConfig"])
    yield
    client.delete(NODE_CONFIGS, "refused")


@pytest.mark.parametrize("kind", VALID)
def test_the_objects_that_the_cases_change_are_accepted(client: Client, kind: str) -> None:
    document = copy.deepcopy(VALID[kind])
    document["metadata"]["name"] = "accepted"
    _write(client, document)


def test_so_is_the_status(client: Client, stored: None) -> None:  # noqa: ARG001
    _write(client, VALID["NodeConfig"], status=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_refused(client: Client, stored: None, case: Refused) -> None:  # noqa: ARG001
    with pytest.raises(Invalid) as error:
        _write(client, case.document, status=case.place.startswith("status"))
    causes = {(cause["field"], cause["message"].partition(": ")[2]) for cause in error.value.details["causes"]}
    field = case.field or "<nil>"
    assert any(at == field and said.endswith(case.message) for at, said in causes), causes


def test_what_kubectl_shows_a_person(kubectl: Kubectl) -> None:
    done = kubectl("create", "-f", "-", stdin=VIRTUAL_IP)
    assert done.returncode == 1
    assert done.stderr == (
        'The VirtualIP "web" is invalid: spec.vrrp.authentication: Invalid value:'
        " a password needs version 2 (RFC 9568 has none); set version: 2 or remove it\n"
    )


VIRTUAL_IP = """
apiVersion: mooring.dev/v1alpha1
kind: VirtualIP
metadata: {name: web}
spec:
  addresses: [{address: 10.0.0.100/24}]
  vrrp: {authentication: {type: Password, secretRef: {name: web-vrrp}}}
"""
