"""What the operator may not do without: the resources of Mooring, and its rights, looked at before anything else.

kopf waits for ever, and without a word, for what it is not allowed to see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mooring_kube.client import Client
from mooring_kube.errors import ApiError, BadRequest, Forbidden, Invalid, NotFound
from mooring_kube.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODE_CONFIGS,
    NODES,
    PODS,
    VIRTUAL_IPS,
    VIRTUAL_SERVERS,
    Resource,
)
from mooring_operator.cluster.sample import SAMPLE

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#: As k8s.io/apiserver words a webhook's refusal, one that does not answer, and a policy's refusal.
_ADMISSION = ("admission webhook ", "calling webhook ", "ValidatingAdmissionPolicy ")


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a resource; `namespace` is None for cluster-scoped ones and for all namespaces."""

    verb: str
    resource: Resource
    subresource: str = ""
    namespace: str | None = None
    name: str = ""
    """Of the one object that it is about; "": all."""

    def __str__(self) -> str:
        """As `kubectl auth can-i` takes it."""
        plural = f"{self.resource.plural}.{self.resource.group}" if self.resource.group else self.resource.plural
        below = f" --subresource={self.subresource}" if self.subresource else ""
        plural += f"/{self.name}" if self.name else ""
        return f"{self.verb} {plural}{below}{f' -n {self.namespace}' if self.namespace else ''}"


def needed(namespace: str, lease: str) -> tuple[Right, ...]:
    """All rights that the operator uses; `lease` is its Lease in `namespace`."""
    return (
        *(Right(verb, kind) for kind in (VIRTUAL_IPS, VIRTUAL_SERVERS) for verb in ("get", "list", "watch")),
        *(Right("patch", kind, "status") for kind in (VIRTUAL_IPS, VIRTUAL_SERVERS)),
        *(Right(verb, NODE_CONFIGS) for verb in ("get", "list", "watch", "create", "patch", "delete")),
        *(Right(verb, kind) for kind in (NODES, NAMESPACES, PODS, ENDPOINT_SLICES) for verb in ("list", "watch")),
        Right("create", LEASES, namespace=namespace),
        *(Right(verb, LEASES, namespace=namespace, name=lease) for verb in ("get", "update")),
        *(Right(verb, EVENTS) for verb in ("create", "patch")),
    )


def lacking(client: Client, namespace: str, lease: str) -> str:
    """What is missing, in words with the remedy; "" when nothing is. Raises a KubeError when nobody can tell."""
    absent = [
        resource.plural for resource in (VIRTUAL_IPS, VIRTUAL_SERVERS, NODE_CONFIGS) if not _served(client, resource)
    ]
    if absent:
        return f"the API server does not know {' and '.join(absent)} of mooring.dev/v1alpha1: kubectl apply -f crds/"
    refused = [str(right) for right in _refused(client, namespace, lease)]
    if refused:
        return f"rights are missing: kubectl apply -f deploy/ (kubectl auth can-i {'; '.join(refused)})"
    return _untaken(client)


def _untaken(client: Client) -> str:
    """Why the API server takes no NodeConfig with all fields of ours, in words with the remedy; it stores nothing.

    Server-side apply of a field that it does not know fails altogether, so everything that is written would be refused.
    What an admission policy refuses here it refuses of every NodeConfig: the sample has no label that those lack.
    """
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        client.request("POST", NODE_CONFIGS.path(), query=query, body=SAMPLE)
    except ApiError as error:
        if _names_fields(error):
            return (
                f"the definitions of mooring.dev are older than this operator: kubectl apply -f crds/ ({error.message})"
            )
        if isinstance(error, BadRequest | Forbidden | Invalid) or _by_admission(error):
            return (
                "an admission policy or webhook of this cluster refuses NodeConfigs: exempt nodeconfigs.mooring.dev, or"
                f" the operator's service account, from it ({error.message})"
            )
        raise
    return ""


def _names_fields(error: ApiError) -> bool:
    """Whether it is the schema that refuses: fields that it does not know, or values of known ones.

    A policy says only what it was told to say, and names no field of the spec as a cause.
    """
    if _by_admission(error):
        return False
    if isinstance(error, BadRequest):
        return "unknown field" in error.message
    causes = error.details.get("causes") or ()
    fields = [str(cause.get("field") or "") for cause in causes if isinstance(cause, dict)]
    return isinstance(error, Invalid) and any(field.startswith("spec") for field in fields)


def _by_admission(error: ApiError) -> bool:
    return any(words in error.message for words in _ADMISSION)


def _served(client: Client, resource: Resource) -> bool:
    try:
        found = client.request("GET", f"/apis/{resource.group}/{resource.version}")
    except NotFound:
        return False
    return any(isinstance(each, dict) and each.get("name") == resource.plural for each in found.get("resources") or ())


def _refused(client: Client, namespace: str, lease: str) -> Iterator[Right]:
    for right in needed(namespace, lease):
        asked = {
            "verb": right.verb,
            "group": right.resource.group,
            "resource": right.resource.plural,
            "subresource": right.subresource,
            "namespace": right.namespace or "",
            "name": right.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        try:
            reply = client.request("POST", _REVIEWS, body=review)
        except (NotFound, Forbidden):
            # Who may not ask, or has nobody to ask, learns it from the first request that is refused.
            return
        if not (reply.get("status") or {}).get("allowed"):
            yield right
