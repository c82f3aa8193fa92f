"""What the operator says that it lacks: definitions that are older, and an admission policy, are told apart."""

from typing import Any

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import Connection
from mooring_kube.errors import ApiError, ServerError, api_error
from mooring_operator.cluster.rights import lacking

DISCOVERY = "/apis/mooring.dev/v1alpha1"
CONFIGS = "/apis/mooring.dev/v1alpha1/nodeconfigs"
KINDS = ("virtualips", "virtualservers", "nodeconfigs")
OLDER = "the definitions of mooring.dev are older than this operator: kubectl apply -f crds/ ("
ADMISSION = "an admission policy or webhook of this cluster refuses NodeConfigs: exempt nodeconfigs.mooring.dev, or"
NAME = 'nodeconfigs.mooring.dev "mooring-operator-asks"'
STRICT = (
    'NodeConfig in version "v1alpha1" cannot be handled as a NodeConfig: strict decoding error: unknown field "spec.x"'
)


class Cluster(Client):
    """All is there and allowed; a NodeConfig is answered by `refusal`."""

    def __init__(self, refusal: ApiError | None = None) -> None:
        super().__init__(Connection("http://192.0.2.1"))
        self.refusal = refusal

    def request(self, method: str, path: str, **asked: Any) -> dict[str, Any]:
        if path == DISCOVERY:
            return {"resources": [{"name": kind} for kind in KINDS]}
        if path == CONFIGS:
            assert method == "POST"
            assert asked["query"] == {"dryRun": "All", "fieldValidation": "Strict"}, "nothing is stored"
            if self.refusal:
                raise self.refusal
        return {"status": {"allowed": True}}


def refused(status: int, message: str, reason: str = "", field: str | None = None) -> ApiError:
    causes = [] if field is None else [{"field": field, "message": "not so"}]
    return api_error(status, {"reason": reason, "message": message, "details": {"causes": causes}})


def said(refusal: ApiError | None) -> str:
    return lacking(Cluster(refusal), "mooring-system", "mooring-operator")


def test_nothing_is_missing() -> None:
    assert said(None) == ""


@pytest.mark.parametrize(
    "refusal",
    [
        refused(400, STRICT, "BadRequest"),
        refused(422, "is invalid", "Invalid", field="spec.instances[0].version"),
    ],
    ids=["an unknown field", "an unknown value"],
)
def test_definitions_that_are_older(refusal: ApiError) -> None:
    assert said(refusal) == f"{OLDER}{refusal.message})"


@pytest.mark.parametrize(
    "refusal",
    [
        refused(403, 'admission webhook "validation.gatekeeper.sh" denied the request: [owner] label', "Forbidden"),
        refused(400, 'admission webhook "validate.kyverno.svc-fail" denied the request: the label owner is required'),
        refused(400, 'admission webhook "w" denied the request: unknown field "owner"', "BadRequest"),
        refused(
            422, f"{NAME} is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: x", "Invalid"
        ),
        refused(422, "ValidatingAdmissionPolicy 'p' denied request: x", "Invalid", field="spec"),
        refused(422, f"{NAME} is invalid", "Invalid", field="metadata.labels"),
        refused(403, f"{NAME} is forbidden: something else", "Forbidden"),
        refused(406, 'admission webhook "w" denied the request: no', "NotAcceptable"),
        refused(500, 'Internal error occurred: failed calling webhook "w": connection refused', "InternalError"),
    ],
    ids=[
        "Gatekeeper",
        "Kyverno",
        "words of ours",
        "policy",
        "cause",
        "a label",
        "forbidden",
        "a code of theirs",
        "away",
    ],
)
def test_a_refusal_by_admission_has_its_own_remedy(refusal: ApiError) -> None:
    words = said(refusal)
    assert words.startswith(ADMISSION)
    assert words.endswith(f" ({refusal.message})"), "the words of the API server are passed on"


def test_trouble_of_the_server_is_no_refusal() -> None:
    with pytest.raises(ServerError):
        said(refused(503, "etcdserver: leader changed"))
