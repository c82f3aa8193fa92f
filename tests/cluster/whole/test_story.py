"""The demo's story on the way of data: applied, held, shown, changed, taken away."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.whole.scenery import POOL, SOON_S, Document, Scene, virtual_ip
from tests.cluster.whole.watching import History

from mooring_kube.resources import NODE_CONFIGS, VIRTUAL_IPS

pytestmark = [pytest.mark.cluster, pytest.mark.netns]

EXAMPLE = Path(__file__).parents[3] / "examples" / "dual-master"
FIRST = [f"10.0.0.{number}" for number in range(100, 106)]
SECOND = [f"10.0.0.{number}" for number in range(106, 111)]


def summary(scene: Scene) -> str:
    """`holderSummary` as the kernels would say it."""
    counts: dict[str, int] = {}
    for (holder,) in scene.lab.holders().values():
        counts[holder] = counts.get(holder, 0) + 1
    return " ".join(f"{node}({count})" for node, count in sorted(counts.items()))


def test_eleven_addresses_are_applied_held_shown_and_taken_away(scene: Scene) -> None:
    scene.kubectl("apply", "-f", str(EXAMPLE))
    scene.until_programmed("web")
    scene.until_holder("lb-1", *FIRST)
    scene.until_holder("lb-2", *SECOND)
    scene.until("the status to say what the kernels say", lambda: status(scene, "holderSummary") == summary(scene))
    scene.until_held("web")
    assert summary(scene) == "lb-1(6) lb-2(5)"
    shown = scene.line("web")
    assert list(shown) == ["NAME", "ADDRESSES", "HOLDERS", "HELD", "SINCE", "ACCEPTED", "PLAN", "AGE"]
    assert shown | {"SINCE": "", "AGE": ""} == {
        "NAME": "web",
        "ADDRESSES": "11",
        "HOLDERS": "lb-1(6) lb-2(5)",
        "HELD": "True",
        "SINCE": "",
        "ACCEPTED": "True",
        "PLAN": "Programmed",
        "AGE": "",
    }
    assert shown["SINCE"]
    assert shown["AGE"]
    assert [scene.lab.client.reach(address) for address in (*FIRST, *SECOND)] == [3] * 11
    scene.kubectl("delete", "-f", str(EXAMPLE))
    scene.until("all addresses to be gone", lambda: not scene.lab.holders())
    scene.until("empty NodeConfigs", lambda: not any(scene.instances(node) for node in scene.names))
    scene.until_settled()
    assert scene.lab.client.reach(FIRST[0]) == 0


def status(scene: Scene, field: str) -> object:
    return scene.virtual_ip("web").get("status", {}).get(field)


def test_a_change_of_holder_is_soon_in_the_status(scene: Scene, figure: Callable[[str], None]) -> None:
    web = virtual_ip("web", "10.0.0.100")
    scene.settle(web)
    with History(scene.client, VIRTUAL_IPS) as history:
        for before, after in (("lb-1", "lb-2"), ("lb-2", "lb-1")):
            scene.lab.node("lb-1").maintenance(before == "lb-1")
            scene.lab.wait_held({after: {"10.0.0.100"}}, SOON_S)
            moved_at = time.monotonic()
            seen_at = history.wait("web", lambda vip, to=after: summary_of(vip) == f"{to}(1)", SOON_S)
            figure(f"{before} to {after}: in the status {1000 * (seen_at - moved_at):.0f} ms after the kernel")
            assert seen_at - moved_at < 5.0
            scene.until_held("web")
    assert scene.line("web")["HOLDERS"] == "lb-1(1)"


def summary_of(virtual_ip: Document) -> str | None:
    """There is none while nobody holds it."""
    found: str | None = virtual_ip["status"].get("holderSummary")
    return found


def test_only_the_candidates_of_what_changes_are_written(scene: Scene) -> None:
    """Three VirtualIPs on three pairs of nodes; one changes."""
    pairs = {"a": ("lb-1", "lb-2"), "b": ("lb-2", "lb-3"), "c": ("lb-1", "lb-3")}
    for name, nodes in pairs.items():
        for node in nodes:
            scene.kubectl("label", "node", node, f"{POOL}{name}=")
    documents = {
        name: virtual_ip(name, f"10.0.0.{number}", nodes={"selector": {"matchLabels": {f"{POOL}{name}": ""}}})
        for number, name in enumerate(pairs, start=100)
    }
    scene.apply(*documents.values())
    scene.until_programmed(*pairs)
    scene.until_held(*pairs)
    scene.until_settled()
    for name, nodes in pairs.items():
        before = scene.generations()
        with History(scene.client, NODE_CONFIGS) as history:
            documents[name]["spec"]["vrrp"]["preemption"] = {"mode": "Never"}
            scene.apply(documents[name])
            scene.until_programmed(name)
            scene.until_settled()
            (other,) = set(scene.names) - set(nodes)
            assert len(history.specs(other)) == 1
        assert {node for node, now in scene.generations().items() if now != before[node]} == set(nodes)
