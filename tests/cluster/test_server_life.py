"""A real API server starts, is found again, survives what tests do to it, and leaves nothing."""

from mooring_lab.api.kubectl import Kubectl
from mooring_lab.api.real import RealApi


def test_it_answers(real_api: RealApi, kubectl: Kubectl) -> None:
    assert kubectl("get", "vip").stderr.strip() == "No resources found"
