"""States on disk. That all states come back as they were, test_machine_properties says."""

import pytest
from tests.unit.lab.kubelet.pods import container, pod

from mooring_lab.kubelet import codec
from mooring_lab.kubelet.rules import begin


def test_a_pod_comes_back() -> None:
    state = begin(pod(container("a"), initContainers=[container("b")]), "not here")
    assert codec.of_json(codec.to_json(state)) == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"is": "Nothing"}',
        '{"is": "Ending", "kill": 1}',
        '{"is": "Pod"}',
        '{"is": "Pod", "x": 1}',
    ],
)
def test_what_is_no_pod_raises_what_the_worker_expects(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        codec.of_json(text)
