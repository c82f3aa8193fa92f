"""Problems as a person reads them."""

import pytest

from mooring_api.problems import InvalidObject, Problem, Severity


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("NodeConfig lb-1", "spec.x", "is required; add it"), "NodeConfig lb-1: spec.x: is required; add it"),
        (Problem("node.yaml", "", "not an object"), "node.yaml: not an object"),
        (
            Problem("lb-1", "spec.instances[0]", "left out", instance="web-0"),
            "lb-1: spec.instances[0] (instance web-0): left out",
        ),
        (Problem("lb-1", "spec.x", "unknown field", Severity.WARNING), "lb-1: spec.x: warning: unknown field"),
    ],
)
def test_names_object_field_and_remedy(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_an_invalid_object_says_everything_that_is_wrong() -> None:
    error = InvalidObject([Problem("a", "x", "one"), Problem("a", "y", "two")])
    assert str(error) == "a: x: one\na: y: two"
    assert len(error.problems) == 2
