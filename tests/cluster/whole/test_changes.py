"""What members must agree on changes while they run: one holder all the time, and no packet is lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.cluster.whole.scenery import Document, Scene, confirmed, secret, virtual_ip, with_password
from tests.cluster.whole.watching import History

from mooring_api.duration import Duration
from mooring_kube.resources import NODE_CONFIGS, SECRETS
from mooring_lab.api import NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

V2, V3 = {"version": 2}, {"version": 3}
FORM = ("virtualRouterID", "version", "advertisementInterval", "authentication", "checksum")


@dataclass(frozen=True)
class Change:
    """A VirtualIP's `vrrp` before and after."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


SECOND = {"advertisementInterval": "1s"}
CHANGES = {
    "vrid": Change(V3 | SECOND | {"virtualRouterIDs": [61]}, V3 | SECOND | {"virtualRouterIDs": [62]}),
    "interval": Change(V3 | SECOND, V3 | {"advertisementInterval": "100ms"}),
    "interval-in-2": Change(V2 | SECOND, V2 | {"advertisementInterval": "2s"}),
    "version": Change(V2 | SECOND, V3 | SECOND),
}


def documents(*, after: bool) -> list[Document]:
    """One VirtualIP for each change, in one of its two states; and one whose Secret changes."""
    return [
        *(
            virtual_ip(name, f"10.0.0.{number}", vrrp=dict(change.after if after else change.before))
            for number, (name, change) in enumerate(CHANGES.items(), start=100)
        ),
        virtual_ip("password", "10.0.0.110", vrrp=with_password("key"), interval="1s"),
    ]


def form(instance: Document) -> dict[str, Any]:
    """What its adverts look like."""
    whole = {field: instance.get(field) for field in FORM}
    return whole | {"advertisementInterval": Duration.parse(instance["advertisementInterval"]).seconds}


def until_all_speak(scene: Scene, name: str, **wanted: Any) -> None:
    """Until every node was given this form and nothing else beside it, and has confirmed that it runs it."""

    def so() -> bool:
        configs = [scene.config(node) for node in scene.names]
        given = [next(i for i in c["spec"]["instances"] if i["name"] == f"{name}-0") for c in configs]
        return all(map(confirmed, configs)) and all(
            form(each) | wanted == form(each) and not each["alsoAccept"] for each in given
        )

    scene.until(f"all to speak {wanted} for {name}", so)


def forms(history: History, node: str, instance: str) -> list[tuple[str, ...]]:
    """What a node was told, step by step: which form it speaks and which it accepts beside it, as letters."""
    letters: dict[str, str] = {}

    def letter(each: Document) -> str:
        return letters.setdefault(str(form(each)), "abcdef"[len(letters)])

    told: list[tuple[str, ...]] = []
    for each in history.instances(node, instance):
        now = (letter(each), *sorted(letter(also) for also in each["alsoAccept"]))
        if not told or told[-1] != now:
            told.append(now)
    return told


#: Speaks the old form; accepts the new one too; speaks the new one and accepts the old one; the new one alone.
ROUND = [("a",), ("a", "b"), ("b", "a"), ("b",)]


def version_of(scene: Scene, name: str) -> str:
    return str(scene.client.get(SECRETS, name, NAMESPACE)["metadata"]["resourceVersion"])


@pytest.mark.parametrize("after", [True, False], ids=["there", "back"])
def test_a_change_goes_round_and_nobody_notices(scene: Scene, after: bool) -> None:
    scene.settle(secret("key", "one"), *documents(after=not after))
    with History(scene.client, NODE_CONFIGS) as history, scene.watch(*documents(after=after), interval_ms=2.0) as watch:
        scene.apply(secret("key", "two"), *documents(after=after))
        scene.until_programmed(*CHANGES)
        until_all_speak(
            scene,
            "password",
            authentication={"type": "Password", "secretRef": {"name": "key"}, "keyVersion": version_of(scene, "key")},
        )
        scene.until_settled()
        seen = {
            f"{name} on {node}": forms(history, node, f"{name}-0")
            for name in (*CHANGES, "password")
            for node in scene.names
        }
    watch.assert_nothing_moved()
    assert seen == dict.fromkeys(seen, ROUND)
    assert scene.refused() == []


SPOKEN = {"virtualRouterID": 62}


@pytest.fixture
def web(scene: Scene) -> Document:
    """A VirtualIP at rest on lb-1, and what it is to become."""
    scene.settle(virtual_ip("web", "10.0.0.100", vrrp={"virtualRouterIDs": [61]}))
    return virtual_ip("web", "10.0.0.100", vrrp={"virtualRouterIDs": [62]})


def until_it_waits_for(scene: Scene, node: str) -> None:
    def waits() -> bool:
        found = scene.condition("web", "Programmed")
        return found.get("status") != "True" and node in found.get("message", "")

    scene.until(f"the condition to name {node}", waits)


def test_a_frozen_daemon_holds_a_change_up_and_nothing_else(scene: Scene, web: Document) -> None:
    node = scene.lab.node("lb-2")
    node.fault_stop(300)
    with scene.watch(web) as watch:
        scene.apply(web)
        until_it_waits_for(scene, "lb-2")
    until_it_waits_for(scene, "lb-2")
    with scene.watch(web) as waking:
        node.heal()
        until_all_speak(scene, "web", **SPOKEN)
        scene.until_programmed("web")
    watch.assert_nothing_moved()
    waking.assert_nothing_moved()


def test_a_holder_that_is_cut_off_the_api_in_the_middle_holds_a_change_up_and_nothing_else(
    scene: Scene, web: Document
) -> None:
    cut: list[str] = []

    def cut_off(config: Document) -> None:
        if not cut and any(each["alsoAccept"] for each in config["spec"]["instances"]):
            cut.append(config["metadata"]["name"])
            scene.cluster.cut("lb-1")

    with History(scene.client, NODE_CONFIGS) as history, scene.watch(web) as watch:
        history.on_change(cut_off)
        scene.apply(web)
        until_it_waits_for(scene, "lb-1")
    assert cut
    until_it_waits_for(scene, "lb-1")
    with scene.watch(web) as mending:
        scene.cluster.mend("lb-1")
        until_all_speak(scene, "web", **SPOKEN)
        scene.until_programmed("web")
    watch.assert_nothing_moved()
    mending.assert_nothing_moved()
