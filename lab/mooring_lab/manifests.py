"""Manifests to the nodes' configuration files: the planner's answer, with passwords filled in. Pure."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mooring_api.nodeconfig import InstanceAuthentication, InterfaceReport, NodeConfig
from mooring_api.problems import InvalidObject, Problem
from mooring_api.secret import SECRET_TYPE
from mooring_api.wire import API_VERSION, parse_object

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of the lab as it is: what a daemon would report, and the configuration that it has."""

    name: str
    address: str
    interfaces: tuple[InterfaceReport, ...]
    config: NodeConfig | None = None
    ready: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    """What it has where the manifests have no Node of its name."""


def planner_documents(documents: Sequence[Document], nodes: Iterable[LabNode]) -> list[dict[str, Any]]:
    """What the planner reads: the manifests, with the lab's nodes in place of those that the manifests name.

    Labels and cordons come from a Node of the same name in the manifests; what a NodeConfig there reports is
    left out, because the lab's nodes report themselves.
    """
    named = {_name(d): d for d in documents if d.get("kind") == "Node"}
    found = [dict(d) for d in documents if d.get("kind") not in ("Node", "NodeConfig")]
    for node in nodes:
        given = named.get(node.name, {})
        own = (_mapping(given, "metadata").get("labels") or {}) if given else node.labels
        labels = {"kubernetes.io/hostname": node.name, **own}
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": node.name, "labels": labels},
                "spec": {"unschedulable": bool(_mapping(given, "spec").get("unschedulable"))},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": node.address}],
                    "conditions": [{"type": "Ready", "status": str(node.ready)}],
                },
            }
        )
        report: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "NodeConfig",
            "metadata": {"name": node.name},
            "status": {"interfaces": [report.to_wire() for report in node.interfaces]},
        }
        if node.config:
            report["spec"] = node.config.spec.to_wire()
        found.append(report)
    return found


def passwords(documents: Iterable[Document]) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The password in each Secret of our type, by the Secret's name, and what is wrong with such Secrets."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for document in documents:
        if document.get("kind") != "Secret" or document.get("type") != SECRET_TYPE:
            continue
        name = _name(document)
        try:
            found[name] = _password(document)
        except KeyError:
            problems.append(Problem(f"Secret/{name}", "stringData.password", "is required; add it"))
        except (binascii.Error, UnicodeDecodeError, TypeError, AttributeError):
            problems.append(
                Problem(f"Secret/{name}", "data.password", "is not text in base64; correct it, or use stringData")
            )
    return found, tuple(problems)


def _password(secret: Document) -> str:
    """stringData wins, as in the API server."""
    plain = _mapping(secret, "stringData").get("password")
    if plain is not None:
        return str(plain)
    return base64.b64decode(_mapping(secret, "data")["password"], validate=True).decode()


def with_passwords(config: NodeConfig, known: Mapping[str, str]) -> tuple[NodeConfig, tuple[Problem, ...]]:
    """The configuration as a file has it; an instance whose Secret is missing is left out and reported."""
    instances = []
    problems = []
    for instance in config.spec.instances:
        asked = instance.authentication
        if asked and asked.password is None and asked.secret_ref:
            password = known.get(asked.secret_ref.name)
            if password is None:
                message = f"there is no Secret {asked.secret_ref.name!r} of type {SECRET_TYPE}; add it to the manifests"
                blamed = f"VirtualIP/{instance.virtual_ip or instance.name}"
                problems.append(Problem(blamed, "spec.vrrp.authentication.secretRef", message))
                continue
            secret = f"Secret/{asked.secret_ref.name}"
            try:
                filled = parse_object(InstanceAuthentication, {"type": asked.type, "password": password}, secret)
            except InvalidObject as error:
                # Its own words would show the password.
                path = "stringData.password"
                message = "cannot be used; VRRP version 2 takes 1 to 8 printable ASCII characters, no blank"
                problems.extend(Problem(secret, path, message) for _ in error.problems[:1])
                continue
            instances.append(instance.model_copy(update={"authentication": filled}))
        else:
            instances.append(instance)
    spec = config.spec.model_copy(update={"instances": tuple(instances)})
    return config.model_copy(update={"spec": spec, "status": None}), tuple(problems)


def _name(document: Document) -> str:
    return str(_mapping(document, "metadata").get("name", ""))


def _mapping(document: Document, key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}
