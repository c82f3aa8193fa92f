"""The operator's frame runs on the embedded server: raw events of our resources and of nodes, through a restart."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import kopf
import pytest
from tests.cluster import conversations

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.resources import NODE_CONFIGS, NODES, VIRTUAL_IPS
from mooring_lab.api.embedded_api import EmbeddedApi

PATIENCE_S = 60.0
Seen = set[tuple[str, str, str | None]]


def _vip(name: str) -> dict[str, Any]:
    head = {"apiVersion": "mooring.dev/v1alpha1", "kind": "VirtualIP", "metadata": {"name": name}}
    return {**head, "spec": {"addresses": [{"address": "10.0.0.1/24"}]}}


def _operator(api: EmbeddedApi, seen: Seen, heard: asyncio.Event) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)  # type: ignore[arg-type]
    def login(**_: Any) -> kopf.ConnectionInfo:
        certificate = str(api.folder / "pki/admin.pem")
        return kopf.ConnectionInfo(
            server=api.url, ca_path=str(api.ca), certificate_path=certificate, private_key_path=certificate
        )

    def handler(type: str | None, name: str, resource: kopf.Resource, **_: Any) -> None:
        seen.add((resource.plural, name, type))
        heard.set()

    for resource in (VIRTUAL_IPS, NODE_CONFIGS):
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(handler)  # type: ignore[arg-type]
    kopf.on.event("v1", "nodes", registry=registry)(handler)  # type: ignore[arg-type]
    return registry


async def _until(condition: Callable[[], bool], heard: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            heard.clear()
            await heard.wait()


def test_kopf_hears_of_objects_nodes_and_changes(api: EmbeddedApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="kopf")
    conversations.install(conversations.over_tls(api.url, api.ca, api.folder / "pki/admin.pem"))
    client = Client(from_kubeconfig(api.kubeconfig))
    client.create(NODES, {"metadata": {"name": "n"}})
    client.apply(VIRTUAL_IPS, _vip("a"), manager="test")
    client.apply(VIRTUAL_IPS, _vip("b"), manager="test")

    async def scenario() -> None:
        seen: Seen = set()
        heard, stop = asyncio.Event(), asyncio.Event()
        registry = _operator(api, seen, heard)
        settings = kopf.OperatorSettings()
        settings.networking.error_backoffs = [0.1] * 600
        running = asyncio.create_task(
            kopf.operator(registry=registry, settings=settings, clusterwide=True, stop_flag=stop)
        )
        first = {("nodes", "n", None), ("virtualips", "a", None), ("virtualips", "b", None)}
        await _until(lambda: first <= seen, heard)
        await asyncio.to_thread(client.merge_patch, VIRTUAL_IPS, "a", {"spec": {"interface": "eth0"}})
        await asyncio.to_thread(api.restart_server)
        await asyncio.to_thread(client.delete, VIRTUAL_IPS, "b")
        changes = {("virtualips", "a", "MODIFIED"), ("virtualips", "b", "DELETED")}
        await _until(lambda: changes <= seen, heard)
        stop.set()
        await running

    try:
        asyncio.run(scenario())
    finally:
        client.close()
