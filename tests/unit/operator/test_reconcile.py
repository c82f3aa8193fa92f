"""What is written, and that whoever dies in the middle leaves work that another finishes alike."""

from typing import Any

import pytest
from tests.unit.operator.balanced import node
from tests.unit.operator.fake_api import FakeApi, Killed, lost_reply
from tests.unit.operator.running import START, Running

from mooring_api.virtualip import PAUSED
from mooring_operator.cluster.store import Store
from mooring_operator.cluster.view import KINDS
from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.plan.pods import PodSelection
from mooring_operator.reconcile import Reconciler
from mooring_operator.stage.departed import GRACE_S

Document = dict[str, Any]
NAMES = ("n1", "n2", "n3")


def virtual_ip(name: str, *addresses: str, annotations: dict[str, str] | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": name, "annotations": annotations or {}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"addresses": [{"address": each} for each in addresses], **spec},
    }


def confirm(api: FakeApi) -> bool:
    """Every daemon reports its interface and runs what it was given; whether one had something new to say."""
    news = False
    for name, document in api.all("NodeConfig").items():
        given = document["metadata"]["generation"]
        if document.get("status", {}).get("observedGeneration") != given:
            api.report(name, {"eth0": [f"10.0.0.{name[1:]}/24"]})
            news = True
    return news


def bring_up(api: FakeApi) -> Running:
    """One operator and the daemons, until nobody has anything to do."""
    running = Running(api).settle()
    while confirm(api):
        running.settle()
    return running


@pytest.fixture
def api() -> FakeApi:
    return FakeApi([*map(node, NAMES), virtual_ip("web", "10.0.0.100/24")])


def instances(api: FakeApi, name: str) -> list[str]:
    return [instance["name"] for instance in api.get("NodeConfig", name)["spec"]["instances"]]


def test_a_node_gets_a_config_that_says_nothing_before_it_has_reported_and_its_share_after(api: FakeApi) -> None:
    Running(api).settle()
    assert {name: api.get("NodeConfig", name)["spec"] for name in NAMES} == {name: {} for name in NAMES}
    confirm(api)
    bring_up(api)
    assert {name: instances(api, name) for name in NAMES} == {name: ["web-0"] for name in NAMES}


def test_nothing_is_worked_out_before_everything_was_listed(api: FakeApi) -> None:
    store = Store()
    for kind in KINDS[:-1]:
        listing = api.list(kind)
        store.replace(kind, listing.items, listing.resource_version)
    assert not store.complete


def test_an_operator_with_an_empty_memory_writes_nothing(api: FakeApi) -> None:
    bring_up(api)
    before, written = dict(api.objects), len(api.log)
    Running(api).settle()
    assert len(api.log) == written
    assert api.objects == before


def test_what_the_server_fills_in_is_no_difference(api: FakeApi) -> None:
    bring_up(api)
    document = api.get("NodeConfig", "n1")
    for instance in document["spec"]["instances"]:
        instance["aFieldOfTomorrow"] = True
        # Written as another client would: the same duration, with another unit.
        instance["advertisementInterval"] = "1000ms"
    api.add(document)
    confirm(api)
    written = len(api.log)
    Running(api).settle()
    assert [str(write) for write in api.log[written:]] == []


def test_only_candidates_are_written_when_one_virtual_ip_changes() -> None:
    names = [f"n{i}" for i in range(1, 21)]
    api = FakeApi([*map(node, names), virtual_ip("web", "10.0.0.200/24"), virtual_ip("api", "10.0.0.201/24")])
    bring_up(api)
    before = {name: document["metadata"]["generation"] for name, document in api.all("NodeConfig").items()}
    candidates = {name for name in names if "api-0" in instances(api, name)}
    assert len(candidates) == 8
    spec = {"addresses": [{"address": "10.0.0.201/24"}, {"address": "10.0.0.202/24"}]}
    api.add(api.get("VirtualIP", "api") | {"spec": spec})
    bring_up(api)
    after = {name: document["metadata"]["generation"] for name, document in api.all("NodeConfig").items()}
    assert {name for name in names if after[name] != before[name]} == candidates


def peers(api: FakeApi, name: str) -> set[str]:
    return {p for i in api.get("NodeConfig", name)["spec"]["instances"] for p in i["transport"].get("peers", ())}


def test_a_node_that_goes_lets_go_and_then_takes_its_config_with_it(api: FakeApi) -> None:
    running = bring_up(api)
    api.remove("Node", "n2")
    running.settle()
    (leaver,) = api.get("NodeConfig", "n2")["spec"]["instances"]
    assert not leaver["eligible"]
    assert "10.0.0.2" in peers(api, "n1"), "what a daemon may still say is heard"
    while confirm(api):
        running.settle()
    assert set(api.all("NodeConfig")) == {"n1", "n3"}
    assert "10.0.0.2" not in peers(api, "n1")


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_node_that_goes_is_waited_for_a_minute_though_the_calendar_is_set(api: FakeApi, step_s: float) -> None:
    running = bring_up(api)
    api.remove("Node", "n2")
    running.settle()
    running.calendar_ahead_s = step_s
    running.settle()
    assert "10.0.0.2" in peers(api, "n1"), "what a daemon may still say is heard"
    assert 0 < (running.turn().again_after_s or 0) <= GRACE_S
    api.now += GRACE_S
    running.settle()
    assert set(api.all("NodeConfig")) == {"n1", "n3"}


def test_a_node_that_goes_and_says_nothing_is_waited_for_a_minute(api: FakeApi) -> None:
    running = bring_up(api)
    api.remove("Node", "n2")
    running.settle()
    assert 0 < (running.turn().again_after_s or 0) <= GRACE_S
    api.now += GRACE_S - 5
    running.settle()
    assert set(api.all("NodeConfig")) == {"n1", "n2", "n3"}
    api.now += 10
    running.turn()
    running.settle()
    assert set(api.all("NodeConfig")) == {"n1", "n3"}
    while confirm(api):
        running.settle()
    assert "10.0.0.2" not in peers(api, "n1")


def test_a_node_that_ran_nothing_goes_at_once(api: FakeApi) -> None:
    api.add(node("n9"))
    running = bring_up(api)
    api.add(virtual_ip("web", "10.0.0.100/24", nodes={"selector": {"matchLabels": {"none": "such"}}}))
    bring_up(api)
    running.settle()
    api.remove("Node", "n9")
    running.settle()
    assert "n9" not in api.all("NodeConfig")


def test_a_config_that_somebody_deleted_comes_back_as_it_was(api: FakeApi) -> None:
    running = bring_up(api)
    spec = api.get("NodeConfig", "n2")["spec"]
    api.remove("NodeConfig", "n2")
    running.settle()
    confirm(api)
    running.settle()
    while confirm(api):
        running.settle()
    assert api.get("NodeConfig", "n2")["spec"] == spec


def test_nobody_goes_on_while_a_node_whose_config_was_deleted_is_silent(api: FakeApi) -> None:
    """Its daemon keeps what it ran, which nobody but the others' NodeConfigs tells of any more."""
    running = bring_up(api)
    first = {name: api.get("NodeConfig", name)["spec"] for name in NAMES}
    api.remove("NodeConfig", "n2")
    api.add(
        api.get("VirtualIP", "web")
        | {"spec": virtual_ip("web", "10.0.0.100/24", vrrp={"advertisementInterval": "5s"})["spec"]}
    )
    running.settle()
    confirm_all_but(api, "n2")
    running.settle()
    for name in NAMES:
        (instance,) = api.get("NodeConfig", name)["spec"]["instances"]
        (before,) = first[name]["instances"]
        assert instance["advertisementInterval"] == before["advertisementInterval"] == "1s", name
        assert set(instance["transport"]["peers"]) == set(before["transport"]["peers"])
        assert instance["eligible"]
    while confirm(api):
        running.settle()
    assert {api.get("NodeConfig", n)["spec"]["instances"][0]["advertisementInterval"] for n in NAMES} == {"5s"}


def confirm_all_but(api: FakeApi, silent: str) -> None:
    for name, document in api.all("NodeConfig").items():
        if (
            name != silent
            and document.get("status", {}).get("observedGeneration") != document["metadata"]["generation"]
        ):
            api.report(name, {"eth0": [f"10.0.0.{name[1:]}/24"]})


def test_the_last_that_can_holds_on_while_its_heir_is_not_ready(api: FakeApi) -> None:
    """n1 is to go, n2 has no power any more, n3 listens first: somebody must go on holding."""
    chosen = {"selector": {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]}}
    for name in NAMES:
        api.add(labelled(name, pool="a" if name != "n3" else "b"))
    api.add(virtual_ip("web", "10.0.0.100/24", nodes=chosen))
    running = bring_up(api)
    assert [instances(api, name) for name in NAMES] == [["web-0"], ["web-0"], []]
    api.add(labelled("n2", ready=False, pool="a"))
    api.add(labelled("n1", pool="b"))
    api.add(labelled("n3", pool="a"))
    running.settle()
    for _ in range(5):
        confirm_all_but(api, "n2")
        running.settle()
    (holder,) = api.get("NodeConfig", "n1")["spec"]["instances"]
    assert holder["eligible"]


def test_a_new_group_does_not_wait_for_a_node_without_power(api: FakeApi) -> None:
    """n2 has none; of the others one has changed while the group was planned, and is written again, later."""
    running = bring_up(api)
    api.add(node("n2", ready=False))
    running.settle()
    for number, late in enumerate(("n1", "n3")):
        behind = {late: api.get("NodeConfig", late)}

        def refuse(write: Write, behind: dict[str, Any] = behind) -> None:
            if behind.pop(write.name, None):
                api.report(write.name, {"eth0": [f"10.0.0.{write.name[1:]}/24"]})

        api.before = refuse
        api.add(virtual_ip(f"new{number}", f"10.0.0.12{number}/24"))
        running.settle()
        for _ in range(5):
            confirm_all_but(api, "n2")
            running.settle()
        assert not behind
        for name in ("n1", "n3"):
            found = [i for i in api.get("NodeConfig", name)["spec"]["instances"] if i["name"] == f"new{number}-0"]
            assert [i.get("eligible", True) for i in found] == [True], f"{name}, where {late} came late"


def labelled(name: str, *, ready: bool = True, **labels: str) -> Document:
    made = node(name, ready=ready)
    return made | {"metadata": {"name": name, "labels": labels}}


def test_a_config_made_anew_is_not_deleted_for_the_one_before(api: FakeApi) -> None:
    running = bring_up(api)
    api.remove("Node", "n2")
    running.hear("Node")
    running.turn()
    api.remove("NodeConfig", "n2")
    another = api.add({"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "n2"}})
    running.writer.step()
    assert api.get("NodeConfig", "n2")["metadata"]["uid"] == another["metadata"]["uid"]


def test_a_paused_virtual_ip_keeps_what_runs(api: FakeApi) -> None:
    running = bring_up(api)
    before = {name: document["spec"] for name, document in api.all("NodeConfig").items()}
    paused = virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24", annotations={PAUSED: "true"})
    api.add(paused)
    running.settle()
    assert {name: document["spec"] for name, document in api.all("NodeConfig").items()} == before
    conditions = {c["type"]: c for c in api.get("VirtualIP", "web")["status"]["conditions"]}
    assert conditions["Programmed"]["reason"] == "Paused"
    api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
    bring_up(api)
    (instance,) = api.get("NodeConfig", "n1")["spec"]["instances"]
    assert [each["address"] for each in instance["addresses"]] == ["10.0.0.100/24", "10.0.0.101/24"]


@pytest.mark.parametrize(
    "bad",
    [
        virtual_ip("bad", "not an address"),
        virtual_ip("bad", "10.0.0.150/24") | {"spec": "a word"},
        virtual_ip("bad", "10.0.0.150/24") | {"status": {"groups": 7}},
        node("bad") | {"status": {"addresses": [{"type": "InternalIP", "address": "x"}]}},
        node("bad") | {"metadata": {"name": "bad", "labels": {"a": 7}}},
        {"apiVersion": "mooring.dev/v1alpha1", "kind": "NodeConfig", "metadata": {"name": "n1"}, "spec": 7},
        {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "NodeConfig",
            "metadata": {"name": "n1"},
            "spec": {"instances": [{"name": "web-0"}]},
            "status": {"interfaces": "x"},
        },
    ],
    ids=["address", "spec", "status", "node-address", "label", "config-spec", "config-instance"],
)
def test_one_bad_object_costs_no_other(bad: Document) -> None:
    api = FakeApi([*map(node, NAMES), virtual_ip("web", "10.0.0.100/24"), bad])
    bring_up(api)
    while confirm(api):
        bring_up(api)
    assert "web-0" in instances(api, "n2")
    assert "web-0" in instances(api, "n3")


def test_an_unreadable_virtual_ip_says_so_and_keeps_its_addresses(api: FakeApi) -> None:
    running = bring_up(api)
    before = {name: document["spec"] for name, document in api.all("NodeConfig").items()}
    broken = api.get("VirtualIP", "web")
    broken["spec"]["vrrp"] = {"version": 9}
    api.add(broken)
    running.settle()
    accepted = next(c for c in api.get("VirtualIP", "web")["status"]["conditions"] if c["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "Invalid")
    assert "spec.vrrp.version" in accepted["message"]
    assert {name: document["spec"] for name, document in api.all("NodeConfig").items()} == before


PODS = {"namespace": "shop", "selector": {"matchLabels": {"app": "web"}}}
SELECTION = PodSelection("shop", "app=web")


def test_until_its_pods_are_listed_nothing_changes_for_a_virtual_ip(api: FakeApi) -> None:
    api.add(virtual_ip("web", "10.0.0.100/24", nodes={"pods": PODS}))
    running = Running(api)
    running.pods = {SELECTION: frozenset({"n1", "n2"})}
    running.settle()
    while confirm(api):
        running.settle()
    assert [api.get("NodeConfig", n)["spec"]["instances"][0]["eligible"] for n in NAMES] == [True, True, False]
    before, written = dict(api.objects), len(api.log)
    again = Running(api)
    result = again.turn()
    assert result.pods == {SELECTION}
    again.settle()
    assert (api.objects, len(api.log)) == (before, written)
    # They can't be listed: then all take part, and the condition says why.
    again.pods = {SELECTION: None}
    again.settle()
    while confirm(api):
        again.settle()
    assert [api.get("NodeConfig", n)["spec"]["instances"][0]["eligible"] for n in NAMES] == [True, True, True]


def test_a_new_virtual_ip_says_nothing_before_its_pods_are_listed(api: FakeApi) -> None:
    bring_up(api)
    api.add(virtual_ip("api", "10.0.0.101/24", nodes={"pods": PODS}))
    running = Running(api).settle()
    assert "status" not in api.get("VirtualIP", "api")
    assert instances(api, "n1") == ["web-0"]
    running.pods = {SELECTION: frozenset()}
    running.settle()
    assert "status" in api.get("VirtualIP", "api")


# -- killed, cut off, overtaken


def life(api: FakeApi) -> None:
    """Everything that happens in the tests below: nodes come, report, a VirtualIP is made, changed and deleted."""
    bring_up(api)
    api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
    api.add(virtual_ip("api", "10.0.0.110/24"))
    bring_up(api)
    api.remove("VirtualIP", "api")
    api.remove("Node", "n3")
    bring_up(api)


def start() -> FakeApi:
    return FakeApi([*map(node, NAMES), virtual_ip("web", "10.0.0.100/24")])


def outcome(api: FakeApi) -> dict[str, Any]:
    return {f"{kind}/{name}": document["spec"] for (kind, name), document in api.objects.items() if kind != "Node"}


def spec_writes(api: FakeApi) -> int:
    return sum(write.verb is not Verb.STATUS for write in api.log)


class _KillAt:
    """Kills the process at its n-th write, before or after it is done, once."""

    def __init__(self, api: FakeApi, number: int, *, after: bool) -> None:
        self._left = number
        if after:
            api.after = self
        else:
            api.before = self

    def __call__(self, write: Write) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed(str(write))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_and_started_again_the_end_is_the_same_and_nothing_is_written_twice(after: bool) -> None:
    undisturbed = start()
    life(undisturbed)
    total = len(undisturbed.log)
    assert total > 10
    for number in range(1, total + 1):
        api = start()
        _KillAt(api, number, after=after)
        steps = [bring_up, *_changes()]
        for step in steps:
            try:
                step(api)
            except Killed:
                bring_up(api)
        assert outcome(api) == outcome(undisturbed), f"killed at write {number}"
        assert api.idle == [], f"killed at write {number}"
        # Whoever is not there yet when the others are joins in two steps.
        assert spec_writes(api) <= spec_writes(undisturbed) + 2 * len(NAMES), f"killed at write {number}"


def _changes() -> list[Any]:
    def second(api: FakeApi) -> None:
        api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
        api.add(virtual_ip("api", "10.0.0.110/24"))
        bring_up(api)

    def third(api: FakeApi) -> None:
        api.remove("VirtualIP", "api")
        api.remove("Node", "n3")
        bring_up(api)

    return [second, third]


def test_replies_that_never_come_lead_to_the_same_end() -> None:
    undisturbed, api = start(), start()
    life(undisturbed)
    calls = iter(range(10_000))
    api.after = lambda write: lost_reply(write) if next(calls) % 2 else None
    life(api)
    assert outcome(api) == outcome(undisturbed)
    # What was done though its reply was lost is found, not done again.
    assert api.idle == []
    assert api.all("NodeConfig").keys() == undisturbed.all("NodeConfig").keys()


def test_a_write_from_an_old_view_never_lands(api: FakeApi) -> None:
    """The leader was stopped after it had worked out a write; another leader went on; then it wakes up."""
    bring_up(api)
    api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
    old = Running(api)
    old.turn()
    api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.102/24"))
    bring_up(api)
    settled = outcome(api)
    written = len(api.log)
    while old.writer.step():
        pass
    assert outcome(api) == settled
    assert {result for _, result in old.results} == {"conflict"}
    assert len(api.log) > written


def test_who_lost_the_lease_in_the_middle_writes_nothing_more(api: FakeApi) -> None:
    left = 2

    def may_write() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    running = Running(api, may_write=may_write)
    running.turn()
    while running.writer.step():
        pass
    assert len(api.log) == 2
    assert len(running.writer.wanted) >= 1


def test_a_conflict_is_looked_at_and_worked_out_again(api: FakeApi) -> None:
    running = bring_up(api)
    api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
    running.hear("VirtualIP")
    running.turn()
    for name in NAMES:
        # The daemon reports while we plan: a new version of the same spec.
        api.report(name, {"eth0": [f"10.0.0.{name[1:]}/24"]}, daemonVersion="2")
    bring_up(api)
    while running.writer.step():
        pass
    running.settle()
    (instance,) = api.get("NodeConfig", "n1")["spec"]["instances"]
    assert len(instance["addresses"]) == 2


def test_two_operators_that_both_write_end_where_one_would(api: FakeApi) -> None:
    """Should never happen; the versions keep it from doing harm."""
    undisturbed = start()
    life(undisturbed)
    one, two = Running(api), Running(api)
    for change in (nothing_else, *_apply_only()):
        change(api)
        for _ in range(12):
            for running in (one, two):
                for kind in KINDS:
                    running.hear(kind)
                running.turn()
                api.now += 1.0
                running.writer.step()
                running.writer.step()
            confirm(api)
        bring_up(api)
    assert outcome(api) == outcome(undisturbed)


def nothing_else(api: FakeApi) -> None:
    assert api.objects


def _apply_only() -> list[Any]:
    def second(api: FakeApi) -> None:
        api.add(virtual_ip("web", "10.0.0.100/24", "10.0.0.101/24"))
        api.add(virtual_ip("api", "10.0.0.110/24"))

    def third(api: FakeApi) -> None:
        api.remove("VirtualIP", "api")
        api.remove("Node", "n3")

    return [second, third]


def test_what_somebody_else_wrote_into_a_config_is_told_and_written_over(api: FakeApi) -> None:
    running = bring_up(api)
    document = api.get("NodeConfig", "n1")
    wanted = document["spec"]
    document["spec"] = {"instances": []}
    document["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:instances": {}}}}
    ]
    api.add(document)
    running.settle()
    while confirm(api):
        running.settle()
    assert api.get("NodeConfig", "n1")["spec"] == wanted
    told = [news for write in api.log for news in write.news if write.kind == "NodeConfig"]
    assert told
    assert "kubectl wrote spec.instances" in told[0].message


def test_a_turn_says_when_to_look_again_though_nothing_changes(api: FakeApi) -> None:
    bring_up(api)
    api.add(virtual_ip("api", "10.0.0.110/24"))
    running = Running(api).settle()
    # Nobody holds it yet: an election that lasts too long becomes a lack without anything new coming in.
    again = running.turn().again_after_s
    assert again is not None
    assert again > 0.0


def test_allocations_are_adopted_before_anything_is_allocated(api: FakeApi) -> None:
    bring_up(api)
    (instance,) = api.get("NodeConfig", "n1")["spec"]["instances"]
    # The status is lost; an older VirtualIP that would be given the first ID comes while nobody is looking.
    document = api.get("VirtualIP", "web")
    del document["status"]
    api.add(document)
    older = virtual_ip("aaa", "10.0.0.90/24")
    older["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    api.add(older)
    bring_up(api)
    (after,) = [i for i in api.get("NodeConfig", "n1")["spec"]["instances"] if i["name"] == "web-0"]
    assert after["virtualRouterID"] == instance["virtualRouterID"]


def test_a_reconciler_reads_an_empty_cluster() -> None:
    store = Store()
    for kind in KINDS:
        store.replace(kind, [], "1")
    assert Reconciler().turn(store.view(), START, 0.0).writes == ()
