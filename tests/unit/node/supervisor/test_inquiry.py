"""Answers gathered from the children."""

from typing import Any

from mooring_node.supervisor.inquiry import Inquiry


def asked() -> tuple[Inquiry, list[dict[str, Any]]]:
    replies: list[dict[str, Any]] = []
    return Inquiry(7, 100, replies.append), replies


def test_all_that_belongs_to_it_is_put_together() -> None:
    inquiry, replies = asked()
    inquiry.take({"id": 7, "part": [{"name": "a"}]})
    inquiry.take({"id": 7, "part": [{"name": "b"}]})
    inquiry.take({"id": 7, "end": {"generation": 3}})
    assert not inquiry.complete
    inquiry.take({"id": 7, "agent": {"version": "1"}})
    assert inquiry.complete
    inquiry.finish({"pid": 1})
    assert replies == [
        {
            "pid": 1,
            "silent": [],
            "groups": [{"name": "a"}, {"name": "b"}],
            "vrrp": {"generation": 3},
            "agent": {"version": "1"},
            "checks": {},
        }
    ]


def test_another_inquiry_s_answer_is_not_its_own() -> None:
    inquiry, replies = asked()
    inquiry.take({"id": 6, "part": [{"name": "old"}]})
    inquiry.take({"id": 6, "end": {}})
    inquiry.take({"configured": 3})
    inquiry.finish({})
    assert replies[0]["groups"] == []
    assert replies[0]["silent"] == ["vrrp", "agent"]


def test_only_who_was_asked_is_waited_for() -> None:
    replies: list[dict[str, Any]] = []
    inquiry = Inquiry(7, 100, replies.append, ["agent", "checks"])
    inquiry.take({"id": 7, "agent": {"version": "1"}})
    assert not inquiry.complete
    inquiry.take({"id": 7, "checks": {"servers": 3}})
    assert inquiry.complete
    inquiry.finish({})
    assert replies[0]["silent"] == []
    assert replies[0]["checks"] == {"servers": 3}


def test_who_did_not_answer_is_named() -> None:
    inquiry, replies = asked()
    inquiry.take({"id": 7, "agent": {"version": "1"}})
    inquiry.finish({})
    assert replies[0]["silent"] == ["vrrp"]
    assert replies[0]["vrrp"] == {}
