"""What a client meets when the API server forgets, restarts, or waits for its etcd; all of it on a real one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring_kube.client import Client
from mooring_kube.connection import from_kubeconfig
from mooring_kube.errors import Gone, KubeError, TooManyRequests, Unreachable
from mooring_kube.resources import CONFIG_MAPS, VIRTUAL_IPS
from mooring_kube.watch import Watch
from mooring_lab.api.real import RealApi
from mooring_lab.wait import wait_until

#: In issue 4: so long etcd stands still.
PAUSE_SECONDS = 30.0


@pytest.fixture
def own_client(own_api: RealApi) -> Iterator[Client]:
    """An administrator who gives up after ten seconds, as ours do."""
    with closing(Client(from_kubeconfig(own_api.kubeconfig))) as client:
        yield client


def _write(client: Client, value: str, name: str = "a") -> str:
    """Set the ConfigMap's value; its new resourceVersion."""
    document = {"metadata": {"name": name}, "data": {"value": value}}
    applied = client.apply(CONFIG_MAPS, document, manager="tests", namespace="default")
    return str(applied["metadata"]["resourceVersion"])


def _value(client: Client) -> str:
    return str(client.get(CONFIG_MAPS, "a", "default")["data"]["value"])


class _Follower(threading.Thread):
    """Reads a watch to its end: what the ConfigMap `a` says. The server's own controllers write some beside it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.values: list[str] = []
        self.ended_by: KubeError | None = None
        self._watch = watch
        self.start()

    def run(self) -> None:
        try:
            for event in self._watch:
                if event.type in ("ADDED", "MODIFIED") and event.object["metadata"]["name"] == "a":
                    self.values.append(event.object["data"]["value"])
        except KubeError as error:
            self.ended_by = error


def _watched(client: Client, version: str, seconds: int = 1) -> list[str]:
    watch = client.watch(CONFIG_MAPS, resource_version=version, namespace="default", timeout_s=seconds)
    return [event.type for event in watch if event.type != "BOOKMARK"]


def _patiently(ask: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Ask until the server is no longer busy with its own start."""

    def answer() -> list[Any]:
        try:
            return [ask()]
        except TooManyRequests:
            return []

    return wait_until(answer, seconds, "a server that has read its storage", every=0.1)[0]


# -- a version that is forgotten


def test_a_watch_from_before_the_servers_memory_is_gone(client: Client) -> None:
    """Of a custom resource the server remembers nothing from before its CRD."""
    with pytest.raises(Gone, match="too old resource version: 1 "):
        _patiently(lambda: list(client.watch(VIRTUAL_IPS, resource_version="1")))


def test_after_a_compaction_an_old_watch_is_gone_and_a_new_list_goes_on(tmp_path: Path) -> None:
    """Without the watch cache, which remembers longer than etcd does."""
    api = RealApi(tmp_path / "api", server_flags=("--watch-cache=false",))
    api.start()
    try:
        with closing(Client(from_kubeconfig(api.kubeconfig))) as client:
            old = _write(client, "0")
            for value in ("1", "2"):
                _write(client, value)
            assert _watched(client, old) == ["MODIFIED", "MODIFIED"]
            first = client.request("GET", CONFIG_MAPS.path("kube-system"), query={"limit": 1})["metadata"]
            assert first["continue"]
            api.compact_etcd()
            with pytest.raises(Gone, match="too old"):
                _watched(client, old)
            listed = client.list(CONFIG_MAPS, "default")
            assert "2" in [item["data"].get("value") for item in listed.items]
            assert _watched(client, listed.resource_version) == []
            _write(client, "3")
            api.compact_etcd()
            with pytest.raises(Gone, match="The provided continue parameter is too old"):
                client.request(
                    "GET", CONFIG_MAPS.path("kube-system"), query={"limit": 1, "continue": first["continue"]}
                )
    finally:
        api.stop()


# -- a server that restarts


def test_a_restarted_server_has_all_its_data_and_none_of_its_watches(own_api: RealApi, own_client: Client) -> None:
    version = _write(own_client, "before")
    token_of_before, url = own_api.token("default", namespace="default"), own_api.url
    watch = own_client.watch(CONFIG_MAPS, resource_version=version, namespace="default")
    follower = _Follower(watch)
    own_api.kill_server()
    follower.join(20)
    assert isinstance(follower.ended_by, Unreachable)
    with pytest.raises(Unreachable):
        _value(own_client)

    own_api.restart_server()
    assert own_api.url == url
    assert _value(own_client) == "before"
    after = _write(own_client, "after")
    assert int(after) > int(version)
    # What it has not seen itself it cannot tell: a watch goes on from where etcd was at its start, or is gone.
    with pytest.raises(Gone):
        _patiently(lambda: _watched(own_client, "1"))
    assert _patiently(lambda: _watched(own_client, after)) == []
    # Keys are the same: who had a token still has it.
    with closing(Client(from_kubeconfig(own_api.kubeconfig_for(token_of_before, own_api.folder / "t")))) as holder:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = holder.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        assert said["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"


# -- an etcd that stands still


class _Asked(threading.Thread):
    """One call in a thread of its own: what became of it, and after how many seconds."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.result: object = None
        self.error: KubeError | None = None
        self.seconds = 0.0
        self._call = call
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        try:
            self.result = self._call()
        except KubeError as error:
            self.error = error
        self.seconds = time.monotonic() - began


@pytest.mark.timeout(180)
def test_while_etcd_stands_still_nobody_waits_for_ever_and_then_all_goes_on(
    own_api: RealApi, own_client: Client
) -> None:
    version = _write(own_client, "before")
    follower = _Follower(own_client.watch(CONFIG_MAPS, resource_version=version, namespace="default"))
    with closing(Client(from_kubeconfig(own_api.kubeconfig), timeout_s=60.0)) as patient:
        own_api.pause_etcd()
        began = time.monotonic()
        calls = {
            "read": _Asked(lambda: _value(own_client)),
            "write": _Asked(lambda: _write(own_client, "impatient", "b")),
            "patient read": _Asked(lambda: _value(patient)),
            "patient write": _Asked(lambda: _write(patient, "during")),
        }
        # What the server itself remembers it goes on telling.
        cached = own_client.request("GET", CONFIG_MAPS.path("default"), query={"resourceVersion": "0"})
        assert "before" in [item["data"].get("value") for item in cached["items"]]
        for name in ("read", "write"):
            calls[name].join(60)
            assert isinstance(calls[name].error, Unreachable), name
            assert calls[name].seconds < PAUSE_SECONDS, name
        assert follower.is_alive(), "a watch does not break; it is silent"
        assert follower.values == []

        time.sleep(max(0.0, began + PAUSE_SECONDS - time.monotonic()))
        own_api.resume_etcd()
        for name in ("patient read", "patient write"):
            calls[name].join(60)
            assert calls[name].error is None, (name, calls[name].error)
            assert calls[name].seconds >= PAUSE_SECONDS - 1, name
    assert calls["patient read"].result in ("before", "during")
    wait_until(lambda: follower.values == ["during"], 20, "the watch to go on where it was")
    last = _write(own_client, "after")
    assert _value(own_client) == "after"
    wait_until(lambda: follower.values == ["during", "after"], 20, "the watch to tell what comes")
    assert int(last) > int(version)
    own_api.stop()
    follower.join(20)
    assert not follower.is_alive()
