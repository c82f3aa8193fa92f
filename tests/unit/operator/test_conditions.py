"""The status of a VirtualIP, from what is planned and what the nodes say, moment after moment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.conftest import Cluster
from tests.unit.operator.scenery import NOON, Scenery, report

from mooring_api.nodeconfig import CredentialReport, ReportedProblem
from mooring_operator.plan.allocations import adopt
from mooring_operator.plan.planner import plan
from mooring_operator.plan.reading import snapshot_of
from mooring_operator.stage.staging import Waiting
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.conditions import SILENCE_S, status_of
from mooring_operator.tell.held import REPORT_S
from mooring_operator.words.phrases import MESSAGE_LENGTH
from mooring_operator.words.reasons import REASONS

#: At an interval of 1 s: three of them, one of skew, and the reports.
ELECTION_S = 4 + REPORT_S
HOLDS_0, HOLDS_1, HOLDS_NONE = (
    {"web-0": "Active", "web-1": "Backup"},
    {"web-0": "Backup", "web-1": "Active"},
    {"web-0": "Backup", "web-1": "Backup"},
)


@pytest.fixture
def web(dual_master):
    return Scenery.of(dual_master)


@pytest.fixture
def settled(web):
    web.settle()
    return web


def shown(scenery, kind):
    condition = scenery.condition(kind)
    return f"{condition.status} {condition.reason}"


def test_all_of_it_on_a_quiet_day(settled):
    assert [shown(settled, kind) for kind in ("Accepted", "Programmed", "Held")] == [
        "True Accepted",
        "True Programmed",
        "True Held",
    ]
    assert settled.condition("Programmed").message == "runs on lb-1, lb-2"
    assert settled.condition("Held").message == "lb-1 holds web-0; lb-2 holds web-1"
    status = settled.before
    assert (status.observed_generation, status.address_count, status.holder_summary) == (1, 11, "lb-1(6) lb-2(5)")
    assert {c.observed_generation for c in status.conditions} == {1}
    assert {c.last_transition_time for c in status.conditions} == {"2026-01-01T12:00:00Z"}
    first = status.groups[0]
    assert (first.holder, first.held_since_time, first.transitions, first.superseded) == ("lb-1", "then", 1, ())
    assert [(p.node, p.priority) for p in first.order] == [("lb-1", 100), ("lb-2", 80)]
    assert settled.told.again_after_s is None


def test_a_status_that_changes_nothing_is_the_same_object_value_a_day_later(settled):
    before = settled.before
    assert settled.judge(after_s=86_400) == before


# Programmed


def test_before_any_node_has_said_anything_it_waits_for_all(web):
    web.judge()
    assert shown(web, "Programmed") == "Unknown WaitingForNodes"
    message = "waiting for lb-1 to confirm its configuration, lb-2 to confirm its configuration"
    assert web.condition("Programmed").message == message
    assert web.told.again_after_s == min(SILENCE_S, ELECTION_S)


def test_silence_is_patience_first_and_then_wants_a_person(web):
    web.say("lb-1", HOLDS_0)
    web.ready.remove("lb-2")
    web.judge()
    assert "lb-2 (its Node is not Ready) to confirm" in web.condition("Programmed").message
    web.judge(after_s=SILENCE_S - 1)
    assert shown(web, "Programmed") == "Unknown WaitingForNodes"
    assert web.told.again_after_s <= 1
    web.judge(after_s=1)
    assert shown(web, "Programmed") == "False NodesSilent"
    assert web.told.again_after_s is None
    web.say("lb-2", HOLDS_1)
    web.judge()
    assert shown(web, "Programmed") == "True Programmed"


def test_a_generation_that_changes_others_only_is_not_waited_for(settled):
    before = settled.before
    settled.give("lb-1")
    assert settled.judge(after_s=60) == before
    settled.say("lb-1", HOLDS_0, observed=1)
    assert settled.judge() == before


def test_a_share_that_changed_is_waited_for(settled, cluster, dual_master):
    dual_master[0]["spec"]["vrrp"]["preemption"] = {"mode": "Never"}
    settled.plan = cluster.plan(dual_master)
    for node in ("lb-1", "lb-2"):
        settled.give(node)
    settled.say("lb-2", HOLDS_1)
    settled.judge()
    assert shown(settled, "Programmed") == "Unknown WaitingForNodes"
    assert settled.condition("Programmed").message == "waiting for lb-1 to confirm its configuration"
    assert shown(settled, "Held") == "True Held"


def test_a_node_that_left_must_let_go_unless_it_is_dead(settled):
    settled.without("lb-2")
    settled.give("lb-2")
    settled.judge()
    assert settled.condition("Programmed").message == "waiting for lb-2 to let go"
    settled.ready.remove("lb-2")
    settled.judge()
    assert shown(settled, "Programmed") == "True Programmed"
    settled.ready.add("lb-2")
    settled.say("lb-2")
    settled.judge()
    assert settled.condition("Programmed").message == "runs on lb-1"


def test_a_change_in_steps_names_the_step_and_turns_into_silence(settled):
    settled.waiting = (Waiting("web", "web-1", ("lb-2",), "lb-2 has not confirmed"), Waiting("x", "x-0", (), "other"))
    settled.moving = frozenset({"web"})
    settled.judge()
    assert shown(settled, "Programmed") == "Unknown ChangingOver"
    assert settled.condition("Programmed").message == "web-1: lb-2 has not confirmed"
    settled.judge(after_s=SILENCE_S)
    assert shown(settled, "Programmed") == "False NodesSilent"


def test_a_step_that_is_under_way_names_who_is_to_confirm_it(settled, cluster, dual_master):
    dual_master[0]["spec"]["vrrp"]["preemption"] = {"mode": "Never"}
    settled.plan = cluster.plan(dual_master)
    settled.moving = frozenset({"web"})
    settled.judge()
    message = settled.condition("Programmed").message
    assert message.startswith("the change goes round in steps; this one waits for lb-1 to confirm")


def test_waiting_again_after_a_pause_is_patience_anew(settled):
    settled.paused = frozenset({"web"})
    settled.judge()
    settled.judge(after_s=3600)
    settled.paused = frozenset()
    settled.waiting = (Waiting("web", "web-1", ("lb-2",), "lb-2 has not confirmed"),)
    settled.judge()
    assert shown(settled, "Programmed") == "Unknown ChangingOver"


def test_a_pause_keeps_what_stands_and_goes_on_to_say_who_holds_it(settled, cluster, dual_master):
    settled.paused = frozenset({"web"})
    dual_master[0]["metadata"]["generation"] = 2
    dual_master[0]["spec"]["addresses"] = dual_master[0]["spec"]["addresses"][:2]
    groups = settled.before.groups
    settled.plan = cluster.plan(dual_master)
    settled.say("lb-1", HOLDS_NONE)
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge()
    assert shown(settled, "Programmed") == "False Paused"
    assert "mooring.dev/paused" in settled.condition("Programmed").message
    assert settled.before.observed_generation == 1
    assert settled.condition("Programmed").observed_generation == 2
    assert [g.addresses for g in settled.before.groups] == [g.addresses for g in groups]
    assert [g.holder for g in settled.before.groups] == ["lb-2", "lb-2"]
    assert shown(settled, "Held") == "True Held"


def test_what_was_paused_from_the_beginning_has_nothing(web):
    web.paused = frozenset({"web"})
    web.judge()
    assert web.before.groups == ()
    assert shown(web, "Held") == "False NoHolder"
    assert web.before.observed_generation is None


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ReportedProblem(instance="web-1", path="spec.instances[1].interface", message="eth9 is missing"), "eth9"),
        (ReportedProblem(instance="web-1", message="no"), "lb-2: web-1: no"),
    ],
)
def test_a_refusal_is_told_with_the_daemons_words(settled, problem, words):
    settled.say("lb-2", HOLDS_1, problems=(problem,))
    settled.judge()
    assert shown(settled, "Programmed") == "False RefusedByNode"
    assert words in settled.condition("Programmed").message


@pytest.mark.parametrize(
    "problem",
    [
        ReportedProblem(instance="other-0", message="no"),
        ReportedProblem(message="an older generation was refused, and what runs is the same"),
        ReportedProblem(path="status", message="64 of 70 Secrets are reported"),
    ],
)
def test_a_problem_of_something_else_is_not_this_ones(settled, problem):
    before = settled.before
    settled.say("lb-2", HOLDS_1, problems=(problem,))
    assert settled.judge() == before


def test_a_whole_configuration_that_is_refused_is_told_by_all_that_wait_for_it(web):
    web.say("lb-1", HOLDS_0)
    web.say("lb-2", {}, observed=None, problems=(ReportedProblem(path="spec", message="two of one name"),))
    web.judge()
    assert shown(web, "Programmed") == "False RefusedByNode"
    assert web.condition("Programmed").message == "lb-2: spec: two of one name"
    web.say("lb-2", {}, observed=None, problems=(ReportedProblem(path="status", message="too many"),))
    web.judge()
    assert shown(web, "Programmed") == "Unknown WaitingForNodes"


def test_a_secret_without_a_key_is_named_with_the_nodes_that_lack_it(settled):
    lacking = (CredentialReport(name="web-vrrp"), CredentialReport(name="of-another"))
    settled.say("lb-1", HOLDS_0, credentials=lacking)
    settled.say("lb-2", HOLDS_1, credentials=lacking, problems=(ReportedProblem(instance="web-0", message="no key"),))
    settled.judge()
    assert shown(settled, "Programmed") == "False SecretMissing"
    assert settled.condition("Programmed").message == (
        "no Secret web-vrrp of type mooring.dev/credentials with the key `password` on lb-1, lb-2; it is read in"
        " Mooring's own namespace (mooring-system, if nobody chose another), and one of another type is not"
    )
    # Of an instance that it does not run a daemon says nothing.
    settled.say("lb-1", {"web-1": "Backup"}, credentials=lacking)
    settled.judge(after_s=ELECTION_S)
    assert "lb-1 does not run it yet (see Programmed)" in settled.condition("Held").message
    held = (CredentialReport(name="web-vrrp", current="7", versions=("7",)),)
    settled.say("lb-1", HOLDS_0, credentials=held)
    settled.say("lb-2", HOLDS_1, credentials=held)
    settled.judge()
    assert shown(settled, "Programmed") == "True Programmed"


def test_what_the_plan_says_against_it_stays_as_it_is(cluster):
    documents = [cluster.virtual_ip("web", ["10.0.5.1/16"]), cluster.node("a", "10.0.1.1")]
    web = Scenery.of(documents)
    web.judge()
    assert shown(web, "Programmed") == "False NotReported"
    assert shown(web, "Held") == "False NoHolder"


def test_nodes_that_have_not_reported_are_named_beside_those_that_run_it(cluster):
    silent = [cluster.node(f"s-{number}", f"10.0.2.{number}") for number in range(1, 8)]
    web = Scenery.of([cluster.virtual_ip("web", ["10.0.5.1/16"]), *cluster.nodes(1), *silent])
    web.settle()
    assert shown(web, "Programmed") == "True Programmed"
    assert web.condition("Programmed").message == (
        "runs on n-1; nothing is planned on s-1, s-2, s-3, s-4, s-5, and 2 more: not reported yet"
    )


def test_an_object_that_cannot_be_read_keeps_its_groups_and_says_who_holds_them(settled, dual_master):
    dual_master[0]["status"] = settled.before.to_wire()
    snapshot = snapshot_of(dual_master)
    allocations = adopt(snapshot.virtual_ips, {})
    dual_master[0]["spec"]["addresses"] = [{"address": "nonsense"}]
    settled.plan = plan(snapshot_of(dual_master), allocations)
    settled.judge()
    assert shown(settled, "Accepted") == "False Invalid"
    assert shown(settled, "Programmed") == "False NotAccepted"
    assert [(g.name, g.virtual_router_id, g.holder) for g in settled.before.groups] == [
        ("web-0", 66, "lb-1"),
        ("web-1", 88, "lb-2"),
    ]


# Held


def test_a_change_of_holder_is_seen_at_the_new_holders_word(settled):
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge(after_s=3)
    group = settled.group("web-0")
    assert (group.holder, group.held_since_time, group.transitions) == ("lb-2", "new", 2)
    assert [(p.node, p.since_time) for p in group.superseded] == [("lb-1", "then")]
    assert settled.before.holder_summary == "lb-2(11)"
    held = settled.condition("Held")
    assert (held.status, held.message, held.last_transition_time) == (
        "True",
        "lb-2 holds web-0, web-1",
        "2026-01-01T12:00:00Z",
    )
    settled.ready.remove("lb-1")
    settled.judge()
    assert settled.condition("Held").message.endswith("; not Ready: lb-1, which said so before")


def test_another_operator_says_the_same_of_a_dead_holder(settled):
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    before = settled.judge()
    settled.restart()
    assert settled.judge() == before


def test_a_lack_is_an_election_for_its_time_and_then_wants_a_person(settled):
    settled.say("lb-1", {"web-0": "Fault", "web-1": "Backup"})
    settled.judge(after_s=1)
    assert shown(settled, "Held") == "Unknown Electing"
    assert settled.condition("Held").message == "nobody holds web-0: lb-1 is Fault, lb-2 is Backup"
    assert settled.told.again_after_s == ELECTION_S
    assert settled.before.holder_summary == "lb-2(5)"
    settled.judge(after_s=ELECTION_S - 1)
    assert shown(settled, "Held") == "Unknown Electing"
    assert settled.told.again_after_s == 1
    settled.judge(after_s=1)
    assert shown(settled, "Held") == "False NoHolder"
    assert settled.told.again_after_s is None
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge()
    assert shown(settled, "Held") == "True Held"
    assert settled.group("web-0").transitions == 2


def test_a_hand_over_of_which_the_end_is_heard_first_is_no_loss(settled):
    settled.say("lb-1", HOLDS_NONE)
    settled.judge()
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge(after_s=1)
    assert shown(settled, "Held") == "True Held"
    assert settled.group("web-0").superseded == ()


def test_two_holders_are_an_election_first_and_then_named(settled):
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge()
    settled.say("lb-1", HOLDS_0, daemon_version="its status is written again")
    settled.judge()
    assert shown(settled, "Held") == "Unknown Electing"
    assert settled.group("web-0").holder is None
    settled.judge(after_s=ELECTION_S)
    assert shown(settled, "Held") == "False TwoHolders"
    assert settled.condition("Held").message == "lb-1, lb-2 each say that they hold web-0"
    settled.restart()
    settled.judge()
    assert shown(settled, "Held") == "False TwoHolders"
    settled.say("lb-1", HOLDS_NONE)
    settled.judge()
    assert shown(settled, "Held") == "True Held"


def test_a_holder_that_is_lost_and_not_replaced_is_unreachable(settled):
    settled.ready.remove("lb-1")
    settled.judge()
    assert shown(settled, "Held") == "Unknown HolderUnreachable"
    assert settled.group("web-0").holder == "lb-1"
    assert settled.condition("Held").message == (
        "by the last reports lb-1 holds web-0; lb-2 holds web-1; not Ready: lb-1, and no other node took over"
    )
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge()
    assert shown(settled, "Held") == "True Held"


def test_a_group_that_no_node_is_to_hold_is_not_waited_for(cluster):
    older = cluster.virtual_ip("old", ["10.0.5.9/16"], vrrp={"virtualRouterIDs": [7]})
    young = cluster.virtual_ip("web", ["10.0.5.1/16"], created=5, vrrp={"virtualRouterIDs": [7]})
    web = Scenery.of([older, young, *cluster.nodes(2)])
    web.judge()
    assert shown(web, "Accepted") == "False VirtualRouterIDConflict"
    assert shown(web, "Programmed") == "False NotAccepted"
    assert shown(web, "Held") == "False NoHolder"
    assert web.condition("Held").message == "nobody holds web-0: no node is to hold it, see Accepted"


def test_a_selector_that_matches_nothing_is_told_by_the_condition_that_is_named(cluster):
    none = cluster.virtual_ip("web", ["10.0.5.1/16"], nodes={"selector": {"matchLabels": {"role": "none"}}})
    web = Scenery.of([none, *cluster.nodes(2)])
    web.judge()
    assert shown(web, "Accepted").startswith("True")
    assert shown(web, "Programmed") == "False NoEligibleNode"
    assert web.condition("Held").message == "nobody holds web-0: no node is to hold it, see Programmed"


def test_a_node_that_could_not_take_over_is_told_while_another_holds_it(settled):
    """A dead node's last word is no news of now."""
    status = report({"web-0": "Fault", "web-1": "Fault"}, 1)
    faults = tuple(each.model_copy(update={"reason": "LinkDown: check the cable"}) for each in status.instances)
    holder = next(g.holder for g in settled.before.groups if g.name == "web-1")
    settled.say(holder, {"web-0": "Active", "web-1": "Active"})
    other = min(settled.scene.shares["web"].keys() - {holder})
    settled.reports.changed(settled.standing(other, status.model_copy(update={"instances": faults})))
    settled.judge()
    held = f"{holder} holds web-0, web-1"
    assert shown(settled, "Held") == "True Held"
    assert settled.condition("Held").message == f"{held}; can't take over: {other} is Fault (LinkDown: check the cable)"
    settled.ready.remove(other)
    settled.judge()
    assert settled.condition("Held").message == held


def test_the_families_of_a_sync_group_have_one_name_in_sentences(cluster):
    web = Scenery.of([cluster.virtual_ip("web", ["10.0.5.1/16", "2001:db8::10/64"]), *cluster.nodes(2)])
    web.settle()
    holder = web.before.groups[0].holder
    assert [g.name for g in web.before.groups] == ["web-0-ipv4", "web-0-ipv6"]
    assert web.condition("Held").message == f"{holder} holds web-0"
    assert web.before.holder_summary == f"{holder}(2)"
    web.say(holder, {"web-0-ipv4": "Fault", "web-0-ipv6": "Fault"})
    web.judge()
    assert web.condition("Held").message.count("nobody holds web-0:") == 1


def test_a_slow_interval_gives_an_election_its_time(cluster):
    vrrp = {"advertisementInterval": "40s", "activeDownFactor": 5}
    web = Scenery.of([cluster.virtual_ip("web", ["10.0.5.1/16"], vrrp=vrrp), *cluster.nodes(2)])
    for node in ("n-1", "n-2"):
        web.say(node, {"web-0": "Backup"})
    web.judge()
    assert web.told.again_after_s == 6 * 40 + REPORT_S


def test_the_reason_of_a_state_is_told_and_a_node_without_one_as_well(settled):
    status = report({"web-0": "Fault", "web-1": "Backup"}, 1)
    fault = status.instances[0].model_copy(update={"reason": "InterfaceDown: check the cable " + "x" * 500})
    status = status.model_copy(update={"instances": (fault, status.instances[1])})
    settled.reports.changed(settled.standing("lb-1", status))
    settled.reports.gone("lb-2")
    settled.ready.remove("lb-2")
    settled.judge()
    message = settled.condition("Held").message
    assert "lb-1 is Fault (InterfaceDown: check the cable xxx" in message
    assert "lb-2 (its Node is not Ready) has not reported" in message
    assert len(message) < 500


# Whatever the time is


@pytest.mark.parametrize("time", [None, "yesterday", "2026-01-01T13:00:00Z", "2026-01-01T11:00:00"])
def test_a_time_that_cannot_be_right_ends_no_patience_for_good(settled, time):
    """What is no time, what is of the future (another operator's clock), and one without a zone, which is UTC's."""
    settled.say("lb-1", HOLDS_NONE)
    settled.judge()
    conditions = tuple(c.model_copy(update={"last_transition_time": time}) for c in settled.before.conditions)
    settled.before = settled.before.model_copy(update={"conditions": conditions})
    settled.judge()
    old = time == "2026-01-01T11:00:00"
    assert shown(settled, "Held") == ("False NoHolder" if old else "Unknown Electing")
    kept = "2026-01-01T11:00:00Z" if old else "2026-01-01T12:00:00Z"
    assert settled.condition("Programmed").last_transition_time == kept


def test_messages_stay_short_whatever_the_nodes_say(cluster):
    addresses = [f"10.0.5.{number}/16" for number in range(1, 31)]
    documents = [cluster.virtual_ip("web", addresses, distribution="Balanced"), *cluster.nodes(30)]
    web = Scenery.of(documents)
    web.judge()
    web.judge(after_s=100)
    long = tuple(ReportedProblem(instance=f"web-{n}", message="word " * 1000) for n in range(30))
    for version in ("1", "2"):
        for node in web.plan.node_configs:
            states = {f"web-{n}": "Active" for n in range(30)}
            web.say(node, states, problems=long, daemon_version=version)
    web.judge()
    web.judge(after_s=100)
    assert shown(web, "Held") == "False TwoHolders"
    assert shown(web, "Programmed") == "False RefusedByNode"
    assert all(len(c.message) <= MESSAGE_LENGTH for c in web.before.conditions)


def test_many_holders_fit_into_a_column(cluster):
    addresses = [f"10.0.5.{number}/16" for number in range(1, 13)]
    web = Scenery.of([cluster.virtual_ip("web", addresses, distribution="Balanced"), *cluster.nodes(12)])
    web.settle()
    assert len({g.holder for g in web.before.groups}) == 12
    summary = web.before.holder_summary.split()
    assert len(summary) == 9
    assert summary[-1] == "+4"
    assert summary[0] == f"{web.before.groups[0].order[0].node}(1)"


# Whatever happens

STATES = st.sampled_from(["Active", "Backup", "Fault", ("Active", "later"), ("Active", "latest")])
STEP = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["lb-1", "lb-2"]), STATES, STATES),
    st.tuples(st.just("give"), st.sampled_from(["lb-1", "lb-2"])),
    st.tuples(st.just("ready"), st.sampled_from(["lb-1", "lb-2"])),
    st.tuples(st.just("pause")),
    st.tuples(st.just("move")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 31])),
)


def _take(web, step):
    match step:
        case "say", node, first, second:
            web.say(node, {"web-0": first, "web-1": second})
        case "give", node:
            web.give(node)
        case "ready", node:
            web.ready ^= {node}
        case ("pause",):
            web.paused ^= {"web"}
        case ("move",):
            web.moving ^= {"web"}
        case ("restart",):
            web.restart()
        case "wait", seconds:
            web.judge(after_s=seconds)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=20))
def test_what_holds_of_every_status(steps):
    """Judging twice is judging once (Scenery does), reasons are the listed ones, and nobody holds what is disputed."""
    web = Scenery.of(_dual_master())
    for step in steps:
        _take(web, step)
        before = web.before
        status = web.judge()
        assert [c.type for c in status.conditions] == ["Accepted", "Programmed", "Held"]
        for condition in status.conditions:
            reason = REASONS[condition.reason]
            assert (reason.condition, reason.status) == (condition.type, condition.status)
            known = {c.type: c for c in before.conditions}.get(condition.type) if before else None
            if known and known.status is condition.status:
                assert known.last_transition_time == condition.last_transition_time
        held = status.conditions[2]
        for group in status.groups:
            if held.status == "True":
                assert group.holder in web.ready
            past = {g.name: g for g in before.groups}.get(group.name) if before else None
            counted = group.transitions - ((past.transitions if past else 0) or 0)
            assert counted == int(group.holder is not None and group.holder != (past.holder if past else None))


def _dual_master():
    vrrp = {"virtualRouterIDs": [66, 88], "version": 2}
    preferred = [{"node": "lb-1"}, {"node": "lb-2"}]
    spec = {"distribution": "Balanced", "vrrp": vrrp, "nodes": {"preferred": preferred}}
    documents = [Cluster.virtual_ip("web", ["10.0.0.100/16", "10.0.0.101/16"], **spec)]
    for number, name in enumerate(("lb-1", "lb-2"), 1):
        documents.append(Cluster.node(name, f"10.0.1.{number}"))
        documents.append(Cluster.report(name, {"eth0": [f"10.0.1.{number}/16"]}))
    return documents


def test_a_virtual_ip_that_nobody_has_judged_yet_begins_now(web):
    told = status_of(web.scene, "web", None, NOON)
    assert {c.last_transition_time for c in told.status.conditions} == {"2026-01-01T12:00:00Z"}


def test_a_node_without_a_node_config_is_waited_for(web):
    web.say("lb-1", HOLDS_0)
    web.reports.changed(Standing("lb-2"))
    web.judge()
    assert web.condition("Programmed").message == "waiting for lb-2 to confirm its configuration"
