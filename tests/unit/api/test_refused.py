"""What breaks a rule of the CRDs breaks the model, too, at the same field; a real API server gets the same objects."""

import pytest
from tests.refused import VALID, Refused, refused

from mooring_api.problems import InvalidObject
from mooring_api.wire import parse_object

CASES = refused()
MODELS = {case.resource.kind: case.resource.model for case in CASES}


@pytest.mark.parametrize("kind", VALID)
def test_the_objects_that_the_cases_change_are_valid(kind: str) -> None:
    parse_object(MODELS[kind], VALID[kind], kind)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_model_refuses_and_blames_the_same_field(case: Refused) -> None:
    with pytest.raises(InvalidObject) as error:
        parse_object(case.resource.model, case.document, "it")
    assert case.field in {problem.path or "" for problem in error.value.problems} | _named_by_python(error.value)


def _named_by_python(error: InvalidObject) -> set[str]:
    """The API server takes no field path below metadata, and the model names it."""
    return {"" for problem in error.problems if problem.path == "metadata.name"}
