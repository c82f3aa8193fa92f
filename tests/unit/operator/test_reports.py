"""What the nodes said, with the order in which it came; and that the order finds the holder."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.scenery import report

from mooring_api.virtualip_status import GroupStatus
from mooring_operator.stage.standing import Standing
from mooring_operator.tell.held import with_holder
from mooring_operator.tell.holders import Holding, verdict_on
from mooring_operator.tell.reports import AT_START, Claim, Reports

GROUP = GroupStatus(name="web-0", family="IPv4", virtual_router_id=1)


def standing(node, states, generation=1, observed=1, instances=()):
    return Standing(node, tuple(instances), generation, report(states, observed))


@pytest.fixture
def instances(cluster, dual_master):
    made = cluster.plan(dual_master)
    return made.node_configs["lb-1"].spec.instances


@pytest.fixture
def reports():
    found = Reports()
    found.listed([standing("a", {"web-0": "Active"}), standing("b", {"web-0": "Backup"})])
    return found


def test_what_was_there_at_the_start_has_no_order(reports):
    reports.listed([standing("a", {"web-0": "Active"}), standing("b", {"web-0": "Backup"})])
    assert reports.claims("web-0") == (Claim("a", "then", AT_START, AT_START),)
    assert reports.claims("other") == ()


def test_a_claim_keeps_its_number_for_as_long_as_the_stay_lasts(reports):
    reports.changed(standing("b", {"web-0": ("Active", "now")}))
    reports.changed(standing("b", {"web-0": ("Active", "now"), "web-1": "Backup"}))
    first, second = reports.claims("web-0")
    assert first == Claim("a", "then", AT_START, AT_START)
    assert (second.node, second.claimed) == ("b", AT_START + 1)
    assert second.heard > second.claimed
    reports.changed(standing("b", {"web-0": ("Active", "again!")}))
    assert reports.claims("web-0")[1].claimed > second.heard


def test_the_same_again_is_nothing_new(reports):
    reports.changed(standing("b", {"web-0": "Active"}))
    claims = reports.claims("web-0")
    reports.changed(standing("b", {"web-0": "Active"}))
    reports.listed([standing("a", {"web-0": "Active"}), standing("b", {"web-0": "Active"})])
    assert reports.claims("web-0") == claims


def test_a_list_after_a_gap_is_newer_than_all_before_it_and_has_no_order_in_itself(reports):
    reports.changed(standing("b", {"web-0": "Active"}))
    reports.listed([standing(node, {"web-0": ("Active", "later")}) for node in ("b", "c")])
    b, c = reports.claims("web-0")
    assert b.claimed == c.claimed > AT_START + 1
    assert reports.status("a") is None


def test_who_lets_go_or_is_gone_claims_no_more(reports):
    reports.changed(standing("a", {"web-0": "Fault"}))
    assert reports.claims("web-0") == ()
    assert reports.state("a", "web-0").state == "Fault"
    reports.changed(standing("a", {"web-0": "Active"}))
    reports.gone("a")
    reports.gone("a")
    assert reports.claims("web-0") == ()
    assert reports.state("a", "web-0") is None
    assert reports.running("web") == {}


def test_a_status_that_was_taken_away_says_nothing(reports):
    reports.changed(replace(standing("a", {}), status=None))
    assert reports.status("a") is None
    assert reports.claims("web-0") == ()


def test_a_node_runs_what_it_confirmed_last(reports, instances):
    reports.changed(standing("a", {}, 4, 4, instances))
    assert reports.running("web") == {"a": instances}
    reports.changed(standing("a", {}, 5, 4, instances[:1]))
    assert reports.running("web") == {"a": instances}
    reports.changed(standing("a", {"web-0": "Fault"}, 5, 4, instances[:1]))
    assert reports.running("web") == {"a": instances}
    reports.changed(standing("a", {}, 5, 5, instances[:1]))
    assert reports.running("web") == {"a": instances[:1]}
    reports.changed(standing("a", {}, 6, 6, ()))
    assert reports.running("web") == {}


@pytest.mark.parametrize("observed", [3, None])
def test_who_runs_something_older_than_it_confirmed_runs_nothing_that_is_known(reports, instances, observed):
    reports.changed(standing("a", {}, 4, 4, instances))
    reports.changed(standing("a", {}, 4, observed, instances))
    assert reports.running("web") == {}


def test_a_node_config_that_was_made_anew_begins_anew(reports, instances):
    reports.changed(replace(standing("a", {}, 4, 4, instances), uid="one"))
    reports.changed(replace(standing("a", {}, 4, 4, instances[:1]), uid="two"))
    assert reports.running("web") == {"a": instances[:1]}


@dataclass
class World:
    """What is true on the wire, what each node has told of it, and what the operator makes of that."""

    states: dict = field(default_factory=lambda: dict.fromkeys("abc", ("Backup", "t0")))
    dead: set = field(default_factory=set)
    stays: int = 0
    reports: Reports = field(default_factory=Reports)
    told: dict = field(default_factory=dict)
    group: GroupStatus = GROUP

    def __post_init__(self):
        self.reports.listed([])

    def take(self, node):
        """`node` takes the role; whoever lives and had it hears that and lets go."""
        if node in self.dead:
            return
        self.stays += 1
        for other in self.states.keys() - self.dead - {node}:
            self.states[other] = ("Backup", f"t{self.stays}")
        self.states[node] = ("Active", f"t{self.stays}")

    def tell(self, node):
        if node not in self.dead:
            self.told[node] = standing(node, {"web-0": self.states[node]})
            self.reports.changed(self.told[node])

    def verdict(self):
        found = verdict_on(self.reports.claims("web-0"), frozenset("abc"), self.group)
        self.group = with_holder(self.group, found, self.group)
        return found

    def die(self, node):
        """Its daemon does, without a word; one node always lives."""
        if len(self.dead) < 2:
            self.dead.add(node)

    def fail_over(self, node):
        """The holder is lost with its last word Active, and `node` takes over and says so."""
        if self.holder:
            self.die(self.holder)
        self.take(node)
        self.tell(node)

    def hand_over(self, node):
        """`node` takes over and says so before the one that it took from."""
        self.take(node)
        self.tell(node)

    def restart(self, _):
        """Another operator lists what was told."""
        self.reports = Reports()
        self.reports.listed(list(self.told.values()))

    def judge(self, _):
        self.verdict()

    @property
    def holder(self):
        return next((n for n in self.states if n not in self.dead and self.states[n][0] == "Active"), None)


VERBS = ["take", "tell", "die", "judge", "restart", "restart", "fail_over", "hand_over"]
STEPS = st.lists(st.tuples(st.sampled_from(VERBS), st.sampled_from("abc")), min_size=3, max_size=25)


@settings(max_examples=400, deadline=None)
@given(STEPS, st.booleans())
def test_when_all_that_live_have_told_it_the_holder_is_known(steps, judged_always):
    """Daemons die with their Nodes Ready and their last word Active, operators come and go, reports are late."""
    world = World()
    for verb, node in steps:
        getattr(world, verb)(node)
        if judged_always:
            world.verdict()
    if world.holder is None:
        world.take(min(world.states.keys() - world.dead))
    for node in world.states:
        world.tell(node)
        if judged_always:
            world.verdict()
    verdict = world.verdict()
    assert world.holder in verdict.claimants
    assert not judged_always or verdict.holding is Holding.ONE
