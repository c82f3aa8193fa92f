"""A real API server starts, is found again, survives what tests do to it, and leaves nothing."""

from mooring_lab.api.kubectl import Kubectl


def test_it_answers(kubectl: Kubectl) -> None:
    assert kubectl("get", "vip").stderr.strip() == "No resources found"
