"""A pause is what somebody means by it in the middle of the night."""

import pytest

from mooring_api.virtualip import PAUSED, VirtualIP
from mooring_api.wire import parse_object


@pytest.mark.parametrize(
    ("annotations", "paused"),
    [
        ({}, False),
        ({PAUSED: "false"}, False),
        ({PAUSED: "true"}, True),
        ({PAUSED: "yes"}, True),
        ({PAUSED: ""}, True),
        ({"example.com/paused": "true"}, False),
    ],
)
def test_any_value_but_false_pauses(annotations: dict[str, str], paused: bool) -> None:
    document = {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": "web", "annotations": annotations},
        "spec": {"addresses": [{"address": "10.0.0.100/24"}]},
    }
    assert parse_object(VirtualIP, document, "web").paused is paused
