"""What the VRRP process runs, as it stands on disk."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node.vrrp.config import (
    FORMAT,
    AddressConfig,
    AnnouncementConfig,
    FormConfig,
    GroupConfig,
    MemberConfig,
    NodeRuntime,
    TrackerConfig,
    from_json,
    to_json,
    unread,
)

texts = st.text(max_size=20)
naturals = st.integers(0, 1 << 62)
addresses = st.builds(
    AddressConfig,
    address=texts,
    prefix_length=st.integers(0, 128),
    interface=texts,
    label=st.none() | texts,
    scope=st.integers(0, 254),
    advertise=st.booleans(),
)
forms = st.builds(
    FormConfig,
    virtual_router_id=st.integers(1, 255),
    version=st.sampled_from([2, 3]),
    interval_ns=naturals,
    peers=st.none() | st.lists(texts, max_size=3).map(tuple),
    group=st.none() | texts,
    pseudo_header=st.booleans(),
    password=st.none() | texts,
)
members = st.builds(
    MemberConfig,
    name=texts,
    interface=texts,
    family=st.sampled_from([4, 6]),
    virtual_router_id=st.integers(1, 255),
    version=st.sampled_from([2, 3]),
    addresses=st.lists(addresses, max_size=3).map(tuple),
    source=st.none() | texts,
    peers=st.none() | st.lists(texts, max_size=3).map(tuple),
    alone=st.booleans(),
    group=st.none() | texts,
    minimum_ttl=st.integers(1, 255),
    pseudo_header=st.booleans(),
    password=st.none() | texts,
    announcements=st.builds(AnnouncementConfig, naturals, naturals, naturals, naturals, naturals, naturals),
    accepted=st.lists(forms, max_size=2).map(tuple),
)
groups = st.builds(
    GroupConfig,
    name=texts,
    members=st.lists(members, min_size=1, max_size=2).map(tuple),
    virtual_ip=st.none() | texts,
    priority=st.integers(1, 255),
    interval_ns=naturals,
    active_down_factor=st.integers(1, 100),
    preempt=st.booleans(),
    preempt_delay_ns=naturals,
    eligible=st.booleans(),
    lease_s=naturals,
    keep_on_stop=st.booleans(),
    damping_transitions=naturals,
    damping_window_ns=naturals,
    damping_hold_down_ns=naturals,
    trackers=st.lists(st.builds(TrackerConfig, texts, texts, st.none() | st.integers(-253, 253)), max_size=2).map(
        tuple
    ),
)
runtimes = st.builds(NodeRuntime, generation=naturals, groups=st.lists(groups, max_size=2).map(tuple))

MEMBER = MemberConfig("web-0", "eth0", 4, 66, 2, (AddressConfig("10.0.0.100", 24, "eth0"),), peers=("10.0.0.28",))
RUNTIME = NodeRuntime(7, (GroupConfig("web-0", (MEMBER,)),))


@given(runtimes)
def test_what_is_written_is_read_back(runtime: NodeRuntime) -> None:
    assert from_json(to_json(runtime)) == runtime


def test_every_torn_file_is_refused() -> None:
    text = to_json(RUNTIME)
    for size in range(len(text)):
        with pytest.raises(ValueError, match=r"."):
            from_json(text[:size])


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", '"x"', '{"format": 1}', '{"format": 1, "groups": 3}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a configuration"):
        from_json(text)


@given(st.recursive(st.none() | st.integers() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)))
def test_no_file_raises_anything_but_value_error(value: object) -> None:
    for text in (json.dumps(value), json.dumps({"format": FORMAT, "generation": 1, "groups": value})):
        try:
            from_json(text)
        except ValueError:
            continue


def test_a_file_of_another_format_is_refused() -> None:
    raw = json.loads(to_json(RUNTIME))
    with pytest.raises(ValueError, match="another format"):
        from_json(json.dumps(raw | {"format": FORMAT + 1}))


def _member(raw: Any) -> Any:
    return raw["groups"][0]["members"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["groups"][0].update(colour="red"),
        lambda raw: _member(raw).update(colour="red"),
        lambda raw: _member(raw).update(accepted=[{"colour": "red"}]),
        lambda raw: _member(raw)["announcements"].update(colour="red"),
        lambda raw: _member(raw)["addresses"][0].update(colour="red"),
        lambda raw: _member(raw).pop("virtual_router_id"),
        lambda raw: _member(raw).update(addresses=7),
    ],
)
def test_a_group_that_only_another_release_can_run_costs_itself_alone(change: Callable[[Any], object]) -> None:
    other = replace(RUNTIME.groups[0], name="api-0")
    raw = json.loads(to_json(replace(RUNTIME, groups=(*RUNTIME.groups, other))))
    change(raw)
    text = json.dumps(raw | {"later": {"x": 1}})
    assert from_json(text) == NodeRuntime(7, (other,))
    assert unread(text) == ("web-0",)


FORM = FormConfig(67, 3, 100_000_000, peers=("10.0.0.28",), password="two")


def test_a_file_from_before_forms_is_read_and_one_without_forms_is_read_by_what_knows_none() -> None:
    plain = json.loads(to_json(RUNTIME))
    assert "accepted" not in plain["groups"][0]["members"][0]
    changing = replace(RUNTIME, groups=(replace(RUNTIME.groups[0], members=(replace(MEMBER, accepted=(FORM,)),)),))
    written = json.loads(to_json(changing))
    assert from_json(json.dumps(written)) == changing
    del written["groups"][0]["members"][0]["accepted"]
    assert written == plain


def test_no_password_is_shown() -> None:
    canary = "C4n4ry!"
    form = replace(FORM, password=canary)
    assert canary not in repr(replace(MEMBER, password=canary, accepted=(form,)))
    assert canary not in repr(form)


def test_a_version_without_trackers_reads_what_has_none() -> None:
    assert "trackers" not in to_json(RUNTIME)
    tracking = NodeRuntime(7, (GroupConfig("web-0", (MEMBER,), trackers=(TrackerConfig("db", "shop/db", -50),)),))
    assert from_json(to_json(tracking)) == tracking
