"""What becomes an event: only what became otherwise."""

import pytest
from tests.unit.operator.scenery import Scenery

from mooring_api.virtualip import Condition
from mooring_operator.tell.conditions import SILENCE_S
from mooring_operator.tell.news import EVENT_LENGTH, News, news_of
from mooring_operator.words.kinds import EventType
from mooring_operator.words.reasons import EVENTS, EventReason, Reason


@pytest.fixture
def web(dual_master):
    found = Scenery.of(dual_master)
    found.judge()
    return found


@pytest.fixture
def settled(web):
    web.settle()
    return web


def told(scenery, after_s=0.0):
    before = scenery.before
    return [f"{n.type} {n.reason}: {n.message}" for n in news_of(before, scenery.judge(after_s))]


def test_the_first_day(dual_master):
    web = Scenery.of(dual_master)
    assert news_of(None, web.judge()) == ()
    before = web.before
    assert [f"{n.type} {n.reason}: {n.message}" for n in news_of(before, web.settle())] == [
        "Normal Programmed: runs on lb-1, lb-2",
        "Normal HolderChanged: lb-1 holds web-0",
        "Normal HolderChanged: lb-2 holds web-1",
    ]


def test_a_start_tells_nothing_of_what_stood_before(settled):
    settled.restart()
    assert told(settled, after_s=60) == []


def test_a_start_tells_what_has_become_otherwise_while_nobody_looked(settled):
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.restart()
    assert told(settled) == ["Normal HolderChanged: lb-2 holds web-0, before it lb-1"]


def test_a_lost_node_is_one_event_for_all_that_moves_the_same_way(settled):
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    settled.judge()
    settled.say("lb-1", {"web-0": ("Active", "back"), "web-1": ("Active", "back")})
    assert told(settled) == ["Normal HolderChanged: lb-1 holds web-0, web-1, before it lb-2"]


def test_an_election_is_no_news_and_its_failure_is(settled):
    settled.say("lb-1", {"web-0": "Fault", "web-1": "Backup"})
    assert told(settled) == []
    assert told(settled, after_s=60) == ["Warning NoHolder: nobody holds web-0: lb-1 is Fault, lb-2 is Backup"]
    assert told(settled, after_s=60) == []
    settled.say("lb-1", {"web-0": ("Active", "new"), "web-1": "Backup"})
    assert told(settled) == [
        "Normal Held: lb-1 holds web-0; lb-2 holds web-1",
        "Normal HolderChanged: lb-1 holds web-0",
    ]


def test_the_end_of_an_election_is_told_by_the_holder_alone(settled):
    settled.say("lb-1", {"web-0": "Backup", "web-1": "Backup"})
    settled.judge()
    settled.say("lb-2", {"web-0": ("Active", "new"), "web-1": "Active"})
    assert told(settled) == ["Normal HolderChanged: lb-2 holds web-0"]


def test_a_pause_and_its_end(settled):
    settled.paused = frozenset({"web"})
    (pause,) = told(settled)
    assert pause.startswith("Normal Paused: ")
    settled.paused = frozenset()
    assert told(settled) == [
        "Normal Resumed: the pause is over: its plan is brought up to date",
        "Normal Programmed: runs on lb-1, lb-2",
    ]


def test_silence_is_told_once_and_what_is_under_way_is_not(settled):
    settled.moving = frozenset({"web"})
    assert told(settled) == []
    (silence,) = told(settled, after_s=SILENCE_S)
    assert silence.startswith("Warning NodesSilent: ")
    assert told(settled, after_s=SILENCE_S) == []


def test_a_reason_of_another_version_was_another_one(settled):
    conditions = (Condition(type="Held", status="False", reason="SplitBrain", message="x"),)
    before = settled.before.model_copy(update={"conditions": conditions})
    assert [n.reason for n in news_of(before, settled.before)] == [Reason.PROGRAMMED]


def test_what_is_not_accepted_is_told_once_and_not_again_by_another_condition(settled):
    first, *others = settled.before.conditions
    wrong = first.model_copy(update={"status": "False", "reason": "Invalid", "message": "spec: no"})
    none = others[0].model_copy(update={"status": "False", "reason": "NotAccepted"})
    after = settled.before.model_copy(update={"conditions": (wrong, none, others[1])})
    assert news_of(settled.before, after) == (News(EventType.WARNING, Reason.INVALID, "spec: no"),)


def test_a_message_fits_into_an_event(settled):
    first = settled.before.conditions[0]
    wrong = first.model_copy(update={"status": "False", "reason": "Invalid", "message": "words " * 500})
    after = settled.before.model_copy(update={"conditions": (wrong,)})
    (news,) = news_of(settled.before, after)
    assert len(news.message) <= EVENT_LENGTH


def test_each_reason_that_wants_a_person_is_told_or_follows_from_one_that_is():
    told_of = {reason for reason in Reason if reason in EVENTS}
    wants_a_person = {reason for reason in Reason if reason.status == "False"}
    assert wants_a_person - told_of == {Reason.NOT_ACCEPTED}
    assert set(EventReason) <= EVENTS.keys()
