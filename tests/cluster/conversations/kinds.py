"""What the embedded server must know of the built-in kinds (builtin.json), taken from a real server and its modules."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster.conversations import Send

ROOT = Path(__file__).parents[3]
FILE = ROOT / "lab/mooring_lab/api/embedded/builtin.json"
WANTED = {
    "": ("namespaces", "nodes", "secrets", "configmaps", "serviceaccounts", "pods", "services", "events"),
    "discovery.k8s.io": ("endpointslices",),
    "events.k8s.io": ("events",),
    "coordination.k8s.io": ("leases",),
    "apiextensions.k8s.io": ("customresourcedefinitions",),
    "rbac.authorization.k8s.io": ("clusterroles", "clusterrolebindings", "roles", "rolebindings"),
    "admissionregistration.k8s.io": ("validatingadmissionpolicies", "validatingadmissionpolicybindings"),
    "authentication.k8s.io": ("selfsubjectreviews",),
    "authorization.k8s.io": ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
}
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
ROOTS = (
    *(META + name for name in ("DeleteOptions", "ListMeta", "Patch", "Status")),
    "io.k8s.api.authentication.v1.TokenRequest",
)
FREE = (META + "FieldsV1", "io.k8s.apimachinery.pkg.runtime.RawExtension")
REFERENCE = "#/components/schemas/"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#: Modules with the protobuf numbers of fields.
MODULES = ("k8s.io/api", "k8s.io/apimachinery")

SELECTABLE = {
    "pods": "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
    "status.phase status.podIP status.nominatedNodeName",
    "nodes": "spec.unschedulable",
    "secrets": "type",
    "namespaces": "status.phase",
    "services": "spec.clusterIP spec.type",
    "events": "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
    "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason reportingComponent "
    "source type",
}

#: How the embedded server fills columns: a way of mooring_lab.api.embedded.tables and JSONPaths.
_ANY = {
    "Name": "first .metadata.name",
    "Age": "age .metadata.creationTimestamp",
    "Created At": "first .metadata.creationTimestamp",
}
_BINDING = {
    "Role": "role",
    "Users": "subjects User",
    "Groups": "subjects Group",
    "ServiceAccounts": "subjects ServiceAccount",
}
CELLS: dict[str, dict[str, str]] = {
    "configmaps": {"Data": "length .data .binaryData"},
    "secrets": {"Type": "first .type", "Data": "length .data"},
    "serviceaccounts": {},
    "namespaces": {"Status": "first .status.phase"},
    "leases": {"Holder": "first .spec.holderIdentity"},
    "nodes": {
        "Status": "node-status",
        "Roles": "node-roles",
        "Version": "first .status.nodeInfo.kubeletVersion",
        "Internal-IP": 'none .status.addresses[?(@.type=="InternalIP")].address',
        "External-IP": 'none .status.addresses[?(@.type=="ExternalIP")].address',
        "OS-Image": "unknown .status.nodeInfo.osImage",
        "Kernel-Version": "unknown .status.nodeInfo.kernelVersion",
        "Container-Runtime": "unknown .status.nodeInfo.containerRuntimeVersion",
    },
    "pods": {
        "Ready": "pod-ready",
        "Status": "pod-status",
        "Restarts": "total .status.containerStatuses[*].restartCount",
        "IP": "none .status.podIP",
        "Node": "none .spec.nodeName",
        "Nominated Node": "none .status.nominatedNodeName",
        "Readiness Gates": "none .spec.nothing",
    },
    "services": {
        "Type": "first .spec.type",
        "Cluster-IP": "none .spec.clusterIP",
        "External-IP": "service-external",
        "Port(s)": "service-ports",
        "Selector": "service-selector",
    },
    "endpointslices": {
        "AddressType": "first .addressType",
        "Ports": "slice-ports",
        "Endpoints": "slice-endpoints",
    },
    "events": {
        "Last Seen": "age .series.lastObservedTime .lastTimestamp .eventTime .firstTimestamp",
        "Type": "first .type",
        "Reason": "first .reason",
        "Object": "event-object",
        "Subobject": "first .involvedObject.fieldPath",
        "Source": "event-source",
        "Message": "first .message",
        "First Seen": "age .firstTimestamp .eventTime",
        "Count": "event-count",
    },
    "customresourcedefinitions": {
        "Scope": "first .spec.scope",
        "Versions": "definition-versions",
        "Group": "first .spec.group",
        "Kind": "first .spec.names.kind",
        "ShortNames": "join .spec.names.shortNames[*]",
        "Established": 'true .status.conditions[?(@.type=="Established")].status',
    },
    "clusterroles": {},
    "roles": {},
    "clusterrolebindings": _BINDING,
    "rolebindings": _BINDING,
    "validatingadmissionpolicies": {
        "Validations": "length .spec.validations",
        "ParamKind": "unset .spec.paramKind.kind",
    },
    "validatingadmissionpolicybindings": {
        "PolicyName": "first .spec.policyName",
        "ParamRef": "unset .spec.paramRef.name",
    },
}

#: Defaults that are in the server's code, not in its OpenAPI document.
DEFAULTS: dict[str, dict[str, Any]] = {
    "core.v1.Secret": {"type": "Opaque"},
    "core.v1.Event": dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")),
    "events.v1.Event": dict.fromkeys(("eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp")),
    "core.v1.NodeCondition": dict.fromkeys(("lastHeartbeatTime", "lastTransitionTime")),
    "core.v1.ServiceSpec": {"sessionAffinity": "None", "type": "ClusterIP", "internalTrafficPolicy": "Cluster"},
    "discovery.v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "core.v1.PodCondition": dict.fromkeys(("lastProbeTime", "lastTransitionTime")),
    "core.v1.ContainerStateRunning": {"startedAt": None},
    "core.v1.Container": {
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    },
    "core.v1.PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    },
}


def extract(send: Send) -> dict[str, Any]:
    """Resources and schemas, without descriptions."""

    def get(path: str, accept: str = "application/json") -> Any:
        return json.loads(str(send("GET", path, {"Accept": accept}, b"", 0).body))

    schemas: dict[str, Any] = {}
    resources = []
    for group, plurals in WANTED.items():
        base = f"/apis/{group}/v1" if group else "/api/v1"
        known = get(f"/openapi/v3{base}")["components"]["schemas"]
        schemas |= known
        found = get("/apis" if group else "/api", DISCOVERY)["items"]
        (entry,) = (one for one in found if one["metadata"].get("name", "") == group)
        (version,) = (one for one in entry["versions"] if one["version"] == "v1")
        for one in version["resources"]:
            if one["resource"] in plurals:
                columns = get(f"{base}/{one['resource']}", TABLE)["columnDefinitions"] if "list" in one["verbs"] else []
                resources.append(_resource(group, one, columns, known))
    names = [one["schema"] for one in resources] + [*ROOTS]
    kept: dict[str, Any] = {}
    while names:
        name = names.pop()
        if name not in kept:
            kept[name] = _bare(schemas[name]) | ({"x-kubernetes-preserve-unknown-fields": True} if name in FREE else {})
            names += _references(kept[name])
    for name, defaults in DEFAULTS.items():
        for key, value in defaults.items():
            kept[f"io.k8s.api.{name}"]["properties"][key]["x-default"] = value
    return {"resources": resources, "definitions": dict(sorted(kept.items()))}


def _resource(group: str, one: dict[str, Any], columns: list[dict[str, Any]], known: dict[str, Any]) -> dict[str, Any]:
    plural, kind = one["resource"], one["responseKind"]["kind"]
    named = {"group": group, "version": "v1", "kind": kind}
    cells = {**_ANY, **CELLS.get(plural, {})}
    (schema,) = (name for name, node in known.items() if named in node.get("x-kubernetes-group-version-kind", ()))
    return {
        **named,
        "plural": plural,
        "singular": one["singularResource"],
        "namespaced": one["scope"] == "Namespaced",
        "status": any(part["subresource"] == "status" for part in one.get("subresources", ())),
        "short_names": one.get("shortNames", []),
        "categories": one.get("categories", []),
        "selectable": SELECTABLE.get(plural, "").split(),
        "schema": schema,
        "columns": [
            [each["name"], each["type"], each["format"], each["priority"], cells[each["name"]]] for each in columns
        ],
    }


def _bare(node: Any) -> Any:
    """A schema without descriptions; a reference with what stood beside it, not in allOf."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: value for key, value in node.items() if key != "description" or not isinstance(value, str)}
    if [*map(list, node.get("allOf", ()))] == [["$ref"]]:
        node |= node.pop("allOf")[0]
    if isinstance(node.get("$ref"), str):
        node["$ref"] = node["$ref"].removeprefix(REFERENCE)
    return {key: _bare(value) for key, value in node.items()}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for below in node.values():
            yield from _references(below)


def numbers() -> dict[str, dict[str, int]]:
    """The numbers of the fields in protobuf messages, from the modules that the server was built of."""
    found: dict[str, dict[str, int]] = {}
    for module in MODULES:
        command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
        folder = ROOT / "lab/cluster-tools/kubernetes"
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        for path in sorted(Path(done.stdout.strip()).rglob("generated.proto")):
            text = re.sub(r"//.*", "", path.read_text())
            (package,) = re.findall(r"^package (.*);", text, re.MULTILINE)
            prefix = ".".join(["io.k8s", *package.split(".")[2:]])
            for name, body in re.findall(r"^message (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
                pairs = re.findall(r"(\w+) = (\d+);", body)
                found[f"{prefix}.{name}"] = {field.lower(): int(number) for field, number in pairs}
    return found


def write(data: dict[str, Any]) -> None:
    """Write builtin.json, with the numbers."""
    known = numbers()
    for name, schema in data["definitions"].items():
        for field, below in schema.get("properties", {}).items():
            number = known.get(name, {}).get(field.lower())
            if number is not None:
                below["x-number"] = number
    resources = ",\n".join(json.dumps(one, separators=(",", ":")) for one in data["resources"])
    entries = (
        f"{json.dumps(name)}:{json.dumps(one, separators=(',', ':'))}" for name, one in data["definitions"].items()
    )
    FILE.write_text('{"resources":[\n' + resources + '\n],"definitions":{\n' + ",\n".join(entries) + "\n}}\n")


def without_numbers(node: Any) -> Any:
    """What a server alone can tell."""
    if isinstance(node, list):
        return [without_numbers(item) for item in node]
    if isinstance(node, dict):
        return {key: without_numbers(value) for key, value in node.items() if key != "x-number"}
    return node
