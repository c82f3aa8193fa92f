"""The password's Secret: missing, of another type, changed, deleted, and what a daemon does with what it knew."""

import pytest
from tests.cluster.whole.scenery import Document, Scene, secret, virtual_ip, with_password

from mooring_lab.api import NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

KEY = "web-key"


@pytest.fixture
def web() -> Document:
    return virtual_ip("web", "10.0.0.100", vrrp=with_password(KEY), interval="1s")


def until_it_asks_for_the_secret(scene: Scene) -> Document:
    return scene.until_condition("web", "Programmed", "False", saying=f"SecretMissing: no Secret {KEY} of type")


def test_a_missing_secret_is_named_until_it_comes(scene: Scene, web: Document) -> None:
    scene.apply(web)
    told = until_it_asks_for_the_secret(scene)
    scene.until("all three nodes to be named", lambda: all(node in message(scene) for node in scene.names))
    assert scene.lab.holders() == {}
    assert "SecretMissing" in scene.events("web")
    assert scene.line("web")["PLAN"] == told["reason"] == "SecretMissing"
    # The daemons say what to do; a person finds it in the NodeConfig.
    problems = scene.config("lb-1")["status"]["problems"]
    assert f"kubectl -n {NAMESPACE} create secret generic {KEY} --type=mooring.dev/credentials" in str(problems)
    scene.apply(secret(KEY, "one"))
    scene.until_programmed("web")
    scene.until_holder("lb-1", "10.0.0.100")
    scene.until_held("web")


def test_what_lacks_its_secret_is_gone_when_it_is_deleted(scene: Scene, web: Document) -> None:
    """Its daemons refuse it and run nothing of it, so there is nothing that they have yet to let go of."""
    scene.apply(web)
    until_it_asks_for_the_secret(scene)
    scene.until("all nodes to have it", lambda: all(scene.instances(name) for name in scene.names))
    scene.kubectl("delete", "virtualip", "web")
    scene.until("no node to have it", lambda: not any(scene.instances(name) for name in scene.names))


def message(scene: Scene) -> str:
    return str(scene.condition("web", "Programmed").get("message"))


def test_a_secret_of_another_type_is_as_good_as_none(scene: Scene, web: Document) -> None:
    scene.apply(secret(KEY, "one", kind="Opaque"), web)
    until_it_asks_for_the_secret(scene)
    assert scene.lab.holders() == {}
    # A Secret's type never changes: it is made anew.
    scene.kubectl("-n", NAMESPACE, "delete", "secret", KEY)
    scene.apply(secret(KEY, "one"))
    scene.until_programmed("web")
    scene.until_holder("lb-1", "10.0.0.100")


def test_a_secret_that_is_deleted_or_made_useless_takes_nothing_away(scene: Scene, web: Document) -> None:
    """The last good key stays in use, also in a daemon that starts meanwhile."""
    scene.settle(secret(KEY, "one"), web)
    node = scene.lab.node("lb-2")
    with scene.watch(web) as watch:
        scene.apply(secret(KEY, "much too long for version 2"))
        scene.until("the daemons to complain", lambda: complaint(scene, "lb-1"))
        scene.kubectl("-n", NAMESPACE, "delete", "secret", KEY)
        scene.until("the daemons to say that it is gone", lambda: "was deleted" in complaint(scene, "lb-1"))
        node.stop_daemon()
        node.start_daemon()
        scene.until("lb-2 to stand by again", lambda: scene.states("lb-2") == {"web-0": "Backup"})
        scene.until("lb-2 to know the key", lambda: "stays in use" in complaint(scene, "lb-2"))
        scene.until_programmed("web")
    watch.assert_nothing_moved()
    assert scene.refused() == []
    scene.until_condition("web", "Held")


def complaint(scene: Scene, node: str) -> str:
    """What its daemon remarks about Secrets in the API."""
    problems = (scene.config(node).get("status") or {}).get("problems") or []
    return "; ".join(each["message"] for each in problems if KEY in each["message"])
