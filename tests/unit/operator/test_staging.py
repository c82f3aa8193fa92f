"""Each kind of change, step by step: what is written when, what waits, and for whom."""

from dataclasses import replace

import pytest
from tests.unit.operator.fleet import Fleet, Wish

from mooring_api.nodeconfig import InstanceState, NodeConfig
from mooring_operator.stage.staging import stage
from mooring_operator.stage.standing import DROPPED, Standing, standing_of

BOTH = {"n1": (250, True), "n2": (240, True)}
WEB = Wish("web", 0, ("10.0.5.1/16",), BOTH, 7)
SECOND = Wish("web", 1, ("10.0.5.2/16",), BOTH, 8)
OTHER = Wish("other", 0, ("10.0.5.3/16",), BOTH, 9)


@pytest.fixture
def fleet():
    return Fleet(["n1", "n2", "n3"])


def running(fleet, *wishes):
    """The fleet with these in place."""
    fleet.aim(list(wishes))
    fleet.rounds_to_target()
    return fleet


def step(fleet, *names):
    """One round: written to all, taken and confirmed by these (left out: by all)."""
    staged = fleet.stage()
    fleet.write(staged)
    for name in names or fleet.nodes:
        fleet.nodes[name].take(fleet.secrets)
        fleet.nodes[name].states = {g: InstanceState.BACKUP for g in fleet.nodes[name].states}
        fleet.nodes[name].report()
    fleet.check()
    return staged


def share(fleet, node, group="web-0"):
    """The first instance of a group as it stands in the API."""
    instances = standing_of(fleet.nodes[node].written or {}).instances
    return next((i for i in instances if i.group_name == group), None)


def vrids(fleet, node, group="web-0"):
    """What it speaks, and what it accepts beside."""
    own = share(fleet, node, group)
    return own.virtual_router_id, [form.virtual_router_id for form in own.also_accept]


def why(staged, group="web-0"):
    return [(each.nodes, each.why) for each in staged.waiting if each.group == group]


# Beginning and end.


def test_a_new_group_starts_at_once(fleet):
    fleet.aim([WEB])
    staged = fleet.stage()
    assert staged.changed == {"n1", "n2", "n3"}
    assert staged.node_configs["n1"] is fleet.target["n1"]
    assert staged.moving == frozenset()
    assert staged.waiting == ()
    assert all(i.eligible for i in staged.node_configs["n2"].spec.instances)


def test_what_stands_is_not_written_again(fleet):
    staged = running(fleet, WEB, SECOND).stage()
    assert staged.changed == frozenset()
    assert staged.node_configs == fleet.target


def test_a_group_that_goes_lets_go_before_it_is_forgotten(fleet):
    running(fleet, WEB).aim([])
    step(fleet, "n1")
    assert not share(fleet, "n1").eligible
    assert not share(fleet, "n2").eligible
    staged = step(fleet, "n1")
    assert share(fleet, "n1") is None
    assert share(fleet, "n2") is not None
    assert why(staged) == [(("n2",), why(staged)[0][1])]
    assert "n2 leaves when it has confirmed that it lets go" in why(staged)[0][1]
    assert fleet.rounds_to_target()


def test_one_that_is_still_active_is_not_forgotten(fleet):
    running(fleet, WEB)
    fleet.nodes["n1"].states["web-0"] = InstanceState.ACTIVE
    fleet.aim([])
    fleet.write(fleet.stage())
    fleet.nodes["n1"].take(fleet.secrets)
    fleet.nodes["n1"].report()
    fleet.write(fleet.stage())
    assert share(fleet, "n1") is not None
    fleet.nodes["n1"].states = {}
    fleet.nodes["n1"].report()
    fleet.write(fleet.stage())
    assert share(fleet, "n1") is None


# Members.


def test_who_joins_listens_until_all_know_it(fleet):
    three = replace(WEB, members={**BOTH, "n3": (230, True)})
    running(fleet, WEB).aim([three])
    step(fleet, "n1", "n3")
    assert not share(fleet, "n3").eligible
    assert share(fleet, "n1").transport.peers == ("10.0.1.2", "10.0.1.3")
    staged = step(fleet, "n1", "n3")
    assert not share(fleet, "n3").eligible
    assert why(staged) == [(("n2",), "n3 may take the role when it is confirmed by n2 as one that is heard")]
    assert staged.moving == {"web"}
    step(fleet, "n2")
    step(fleet)
    assert share(fleet, "n3").eligible
    assert fleet.rounds_to_target() == 0


def test_who_leaves_is_heard_until_it_has_let_go(fleet):
    running(fleet, replace(WEB, members={**BOTH, "n3": (230, True)}))
    fleet.aim([WEB])
    step(fleet, "n1", "n2")
    assert not share(fleet, "n3").eligible
    assert share(fleet, "n1").transport.peers == ("10.0.1.2", "10.0.1.3")
    step(fleet, "n1", "n2")
    assert share(fleet, "n1").transport.peers == ("10.0.1.2", "10.0.1.3")
    step(fleet, "n3")
    staged = step(fleet)
    assert share(fleet, "n3") is None
    assert share(fleet, "n1").transport.peers == ("10.0.1.2",)
    # It let go before, and said so: nobody must wait for what it had.
    assert staged.node_configs["n3"].metadata.annotations == {}


def test_who_leaves_keeps_the_role_until_somebody_else_can_have_it(fleet):
    running(fleet, replace(WEB, members={"n1": (250, True)}))
    fleet.aim([replace(WEB, members={"n2": (250, True)})])
    staged = step(fleet, "n1")
    assert share(fleet, "n1").eligible
    assert not share(fleet, "n2").eligible
    assert why(staged) == [(("n2",), "n1 keeps the role until one of the others can take it (n2)")]
    step(fleet, "n1")
    step(fleet)
    assert share(fleet, "n2").eligible
    assert share(fleet, "n1").eligible
    step(fleet)
    assert not share(fleet, "n1").eligible
    fleet.rounds_to_target()


def test_an_heir_in_fault_is_none(fleet):
    running(fleet, WEB)
    fleet.nodes["n2"].states["web-0"] = InstanceState.FAULT
    fleet.nodes["n2"].report()
    fleet.aim([replace(WEB, members={"n1": (250, False), "n2": (240, True)})])
    assert fleet.stage().changed == frozenset()
    assert why(fleet.stage()) == [(("n2",), "n1 keeps the role until one of the others can take it (n2)")]


def test_a_node_that_is_gone_is_forgotten_at_once(fleet):
    running(fleet, replace(WEB, members={**BOTH, "n3": (230, True)}))
    fleet.lose("n3")
    staged = fleet.stage()
    assert staged.changed == {"n1", "n2"}
    assert staged.node_configs["n1"].spec.instances[0].transport.peers == ("10.0.1.2",)
    assert "n3" not in staged.node_configs


def test_a_node_that_is_gone_is_forgotten_although_another_is_silent(fleet):
    running(fleet, replace(WEB, members={**BOTH, "n3": (230, True)}))
    fleet.aim([replace(fleet.wishes[0], interval="2s")])
    step(fleet, "n1")
    fleet.lose("n3")
    assert fleet.stage().node_configs["n1"].spec.instances[0].transport.peers == ("10.0.1.2",)


def test_the_last_one_is_alone_and_says_so(fleet):
    running(fleet, WEB)
    fleet.lose("n2")
    transport = fleet.stage().node_configs["n1"].spec.instances[0].transport
    assert (transport.peers, transport.alone) == ((), True)
    fleet.aim([replace(WEB, members={"n1": (250, True), "n3": (240, True)})])
    transport = fleet.stage().node_configs["n1"].spec.instances[0].transport
    assert (transport.peers, transport.alone) == (("10.0.1.3",), False)


def test_a_node_config_that_somebody_deleted_comes_back_with_its_role(fleet):
    running(fleet, WEB)
    fleet.nodes["n2"].written = None
    staged = fleet.stage()
    assert staged.changed == {"n2"}
    assert staged.node_configs["n2"] == fleet.target["n2"]


def test_more_joiners_than_there_is_room_for_come_later():
    old, new = ([f"n{i}" for i in range(k, k + 24)] for k in (1, 25))
    fleet = Fleet([*old, *new])
    running(fleet, replace(WEB, members={n: (250 - i, True) for i, n in enumerate(old)}))
    fleet.aim([replace(WEB, members={n: (250 - i, True) for i, n in enumerate(new)})])
    step(fleet)
    assert [n for n in new if share(fleet, n)] == ["n25"]
    assert len(share(fleet, "n1").transport.peers) == 24
    fleet.rounds_to_target()


# Forms.


def test_a_change_of_vrid_goes_round_in_three_steps(fleet):
    running(fleet, WEB).aim([replace(WEB, vrid=17)])
    for expected in ((7, [17]), (17, [7]), (17, [])):
        assert step(fleet).waiting == ()
        assert vrids(fleet, "n1") == vrids(fleet, "n2") == expected
    assert fleet.stage().changed == frozenset()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"interval": "2s"}, "interval 1s to 2s"),
        ({"version": 2}, "version 3 to 2"),
        ({"multicast": True}, "transport Unicast to Multicast"),
        ({"version": 2, "secret": "red"}, "version 3 to 2 and authentication"),
    ],
)
def test_a_silent_member_holds_a_change_of_form_and_is_named(fleet, changed, words):
    running(fleet, WEB).aim([replace(WEB, **changed)])
    step(fleet, "n1")
    for _ in range(3):
        staged = step(fleet, "n1")
        ((nodes, text),) = why(staged)
        assert nodes == ("n2",)
        assert text.startswith(f"{words}: n2 has not confirmed yet to accept old and new;")
    assert share(fleet, "n1").also_accept
    assert fleet.rounds_to_target() == 2


def test_a_silent_member_holds_its_own_group_alone(fleet):
    running(fleet, WEB, replace(OTHER, members={"n1": (250, True), "n3": (240, True)}))
    fleet.aim([replace(WEB, vrid=17), replace(fleet.wishes[1], vrid=19)])
    for _ in range(4):
        step(fleet, "n1", "n3")
    assert vrids(fleet, "n1") == (7, [17])
    assert vrids(fleet, "n1", "other-0") == vrids(fleet, "n3", "other-0") == (19, [])
    fleet.lose("n2")
    fleet.rounds_to_target()


def test_what_no_election_depends_on_goes_at_once_beside_a_step(fleet):
    running(fleet, WEB)
    members = {"n1": (200, True), "n2": (100, True)}
    fleet.aim([replace(WEB, vrid=17, members=members, addresses=("10.0.5.1/16", "10.0.5.9/16"))])
    step(fleet, "n1")
    for node, priority in (("n1", 200), ("n2", 100)):
        assert vrids(fleet, node) == (7, [17])
        assert share(fleet, node).priority == priority
        assert len(share(fleet, node).addresses) == 2


def test_a_target_that_changes_again_in_the_middle_is_reached(fleet):
    running(fleet, WEB)
    for vrid in (17, 27, 7, 37):
        fleet.aim([replace(WEB, vrid=vrid)])
        step(fleet)
        step(fleet, "n1")
    assert fleet.rounds_to_target() <= 4
    assert vrids(fleet, "n2") == (37, [])


def test_more_changes_than_can_be_accepted_at_once_wait_for_the_silent_one(fleet):
    running(fleet, WEB)
    for vrid in (11, 12, 13, 14, 15):
        fleet.aim([replace(WEB, vrid=vrid)])
        staged = step(fleet, "n1")
    assert vrids(fleet, "n1") == (7, [11, 12, 13, 14])
    assert (("n2",), why(staged)[0][1]) == why(staged)[0]
    assert why(staged)[0][1].startswith("too many changes at once: n2 must confirm one of them first")
    fleet.rounds_to_target()


def test_a_member_that_was_left_at_the_old_form_is_brought_on(fleet):
    running(fleet, WEB).aim([replace(WEB, vrid=17)])
    step(fleet)
    fleet.write(fleet.stage(), ["n1"])
    fleet.everybody_follows()
    assert (vrids(fleet, "n1"), vrids(fleet, "n2")) == ((17, [7]), (7, [17]))
    step(fleet)
    assert (vrids(fleet, "n1"), vrids(fleet, "n2")) == ((17, [7]), (17, [7]))
    fleet.rounds_to_target()


def test_members_that_somebody_set_apart_are_brought_together(fleet):
    """Not a state that the steps lead to: somebody wrote it by hand."""
    running(fleet, WEB)
    own = fleet.nodes["n2"]
    own.written = own.written | {"spec": aimed_at(replace(WEB, vrid=17))["n2"].spec.to_wire()}
    own.written["metadata"] |= {"generation": 100}
    own.take(fleet.secrets)
    own.report()
    fleet.aim([WEB])
    fleet.write(fleet.stage())
    assert (vrids(fleet, "n1"), vrids(fleet, "n2")) == ((7, [17]), (17, [7]))
    fleet.everybody_follows()
    fleet.rounds_to_target()


def aimed_at(*wishes):
    fleet = Fleet(["n1", "n2", "n3"])
    fleet.aim(list(wishes))
    return fleet.target


def test_a_form_that_a_member_refuses_can_be_taken_back(fleet):
    running(fleet, WEB)
    fleet.nodes["n2"].dislikes = {17}
    fleet.aim([replace(WEB, vrid=17)])
    for _ in range(3):
        step(fleet)
    assert vrids(fleet, "n1") == (7, [17])
    fleet.aim([WEB])
    fleet.rounds_to_target()


def test_what_a_member_refuses_can_be_deleted(fleet):
    running(fleet, WEB)
    fleet.nodes["n2"].dislikes = {17}
    fleet.aim([replace(WEB, vrid=17)])
    step(fleet)
    fleet.aim([])
    fleet.rounds_to_target()


def test_a_change_of_transport_is_heard_both_ways(fleet):
    running(fleet, WEB).aim([replace(WEB, multicast=True)])
    step(fleet)
    (form,) = share(fleet, "n1").also_accept
    assert (form.transport.type, share(fleet, "n1").transport.type) == ("Multicast", "Unicast")
    step(fleet)
    (form,) = share(fleet, "n1").also_accept
    assert (form.transport.type, form.transport.peers) == ("Unicast", ("10.0.1.2",))
    assert share(fleet, "n1").transport.peers == ()
    step(fleet)
    assert share(fleet, "n1").also_accept == ()


def test_one_that_joins_in_the_middle_speaks_what_the_others_speak(fleet):
    running(fleet, WEB)
    fleet.aim([replace(WEB, vrid=17)])
    step(fleet, "n1")
    fleet.aim([replace(WEB, vrid=17, members={**BOTH, "n3": (230, True)})])
    step(fleet, "n1", "n3")
    assert vrids(fleet, "n3") == (7, [17])
    assert not share(fleet, "n3").eligible
    fleet.rounds_to_target()


# Places and families.


def test_a_member_speaks_from_a_new_address_when_all_listen_there(fleet):
    running(fleet, WEB).aim([replace(WEB, lines={"n1": 1})])
    staged = step(fleet, "n1")
    assert share(fleet, "n1").transport.source == "10.0.1.1"
    assert share(fleet, "n2").transport.peers == ("10.0.1.1", "10.0.2.1")
    staged = step(fleet, "n1")
    assert share(fleet, "n1").transport.source == "10.0.1.1"
    assert why(staged) == [(("n2",), "n1 speaks from 10.0.2.1 when that is confirmed by n2")]
    step(fleet)
    step(fleet, "n2")
    assert (share(fleet, "n1").interface, share(fleet, "n1").transport.source) == ("eth1", "10.0.2.1")
    assert share(fleet, "n2").transport.peers == ("10.0.1.1", "10.0.2.1")
    step(fleet)
    step(fleet)
    assert share(fleet, "n2").transport.peers == ("10.0.2.1",)


def test_a_second_family_joins_and_the_first_one_may_go_then(fleet):
    running(fleet, WEB)
    fleet.aim([replace(WEB, addresses=("10.0.5.1/16", "2001:db8::1/64"))])
    staged = step(fleet)
    assert [i.name for i in staged.node_configs["n1"].spec.instances] == ["web-0-ipv4", "web-0-ipv6"]
    assert staged.moving == frozenset()
    fleet.aim([replace(WEB, addresses=("2001:db8::1/64",))])
    assert fleet.rounds_to_target() == 1


def test_one_family_for_the_other_overlaps(fleet):
    running(fleet, WEB).aim([replace(WEB, addresses=("2001:db8::1/64",))])
    staged = step(fleet, "n1")
    assert [i.family for i in staged.node_configs["n1"].spec.instances] == ["IPv4", "IPv6"]
    staged = step(fleet, "n1")
    assert [i.family for i in staged.node_configs["n1"].spec.instances] == ["IPv4", "IPv6"]
    fleet.rounds_to_target()


# What may be in one group alone.


def test_an_address_is_dropped_and_confirmed_before_another_group_has_it(fleet):
    running(fleet, replace(WEB, addresses=("10.0.5.1/16", "10.0.5.2/16")))
    fleet.aim([WEB, SECOND])
    staged = step(fleet, "n1")
    assert [a.address for a in share(fleet, "n1").addresses] == ["10.0.5.1/16"]
    assert share(fleet, "n1", "web-1") is None
    assert staged.node_configs["n2"].metadata.annotations == {DROPPED: "web-0=10.0.5.2"}
    for _ in range(2):
        staged = step(fleet, "n1")
        assert share(fleet, "n1", "web-1") is None
        assert why(staged, "web-1") == [(("n2",), "10.0.5.2 is still used by group web-0 on n2 and comes after that")]
    fleet.nodes["n2"].take(fleet.secrets)
    fleet.nodes["n2"].report()
    step(fleet)
    assert share(fleet, "n1", "web-1").eligible
    fleet.rounds_to_target()


def test_what_a_silent_node_was_to_drop_is_remembered_over_later_changes(fleet):
    running(fleet, replace(WEB, addresses=("10.0.5.1/16", "10.0.5.2/16", "10.0.5.4/16")))
    fleet.aim([replace(WEB, addresses=("10.0.5.1/16", "10.0.5.4/16"))])
    step(fleet, "n1")
    fleet.aim([WEB])
    step(fleet, "n1")
    assert standing_of(fleet.nodes["n2"].written).dropped == {"web-0=10.0.5.2", "web-0=10.0.5.4"}
    fleet.aim([WEB, SECOND])
    for _ in range(3):
        step(fleet, "n1")
    assert share(fleet, "n1", "web-1") is None
    fleet.rounds_to_target()
    fleet.aim([replace(WEB, interval="2s"), SECOND])
    assert DROPPED not in fleet.stage().node_configs["n2"].metadata.annotations


def test_an_address_of_a_node_that_is_gone_is_free(fleet):
    running(fleet, replace(WEB, addresses=("10.0.5.1/16", "10.0.5.2/16")))
    fleet.aim([WEB, SECOND])
    step(fleet, "n1")
    fleet.lose("n2")
    step(fleet)
    assert share(fleet, "n1", "web-1").eligible


def test_two_groups_exchange_their_only_addresses(fleet):
    running(fleet, WEB, SECOND)
    fleet.aim([replace(WEB, addresses=SECOND.addresses), replace(SECOND, addresses=WEB.addresses)])
    assert fleet.rounds_to_target() <= 6


def test_an_address_is_kept_while_the_one_that_replaces_it_is_not_free(fleet):
    running(fleet, WEB, replace(OTHER, addresses=("10.0.5.3/16", "10.0.5.4/16")))
    fleet.aim([replace(WEB, addresses=("10.0.5.4/16",)), OTHER])
    step(fleet, "n1")
    assert [a.address for a in share(fleet, "n1").addresses] == ["10.0.5.1/16"]
    assert share(fleet, "n1").eligible
    fleet.rounds_to_target()


def test_two_groups_exchange_their_vrids(fleet):
    running(fleet, WEB, SECOND)
    fleet.aim([replace(WEB, vrid=8), replace(SECOND, vrid=7)])
    staged = step(fleet)
    # One of the two must let go altogether; the other one never does.
    assert [share(fleet, "n1", group).eligible for group in ("web-0", "web-1")] == [False, True]
    assert "virtual router ID 8 for IPv4 is still used by group web-1" in why(staged)[0][1]
    while fleet.stage().changed:
        step(fleet)
        assert share(fleet, "n1", "web-1").eligible
    fleet.check_target()


def test_a_vrid_of_another_group_comes_after_it_was_dropped(fleet):
    running(fleet, WEB)
    fleet.aim([replace(WEB, vrid=17), replace(OTHER, vrid=7)])
    for _ in range(3):
        step(fleet)
        assert share(fleet, "n1", "other-0") is None
    step(fleet)
    assert share(fleet, "n1", "other-0").virtual_router_id == 7


def test_one_vrid_on_two_segments_is_nobodys_trouble(fleet):
    there = replace(OTHER, vrid=7, lines={"n1": 1, "n2": 1})
    running(fleet, there).aim([WEB, there])
    assert fleet.rounds_to_target() == 1


def test_a_family_joins_when_its_vrid_is_no_longer_another_groups(fleet):
    six = replace(WEB, addresses=("2001:db8::1/64",))
    running(fleet, six, replace(OTHER, vrid=7))
    fleet.aim([replace(WEB, addresses=("10.0.5.1/16", "2001:db8::1/64")), OTHER])
    for _ in range(3):
        step(fleet)
        assert share(fleet, "n1").family == "IPv6"
        assert len([i for i in standing_of(fleet.nodes["n1"].written).instances if i.virtual_ip == "web"]) == 1
    assert vrids(fleet, "n1", "other-0") == (9, [])
    fleet.rounds_to_target()


# Keys.


def test_a_key_is_named_as_soon_as_all_say_the_same(fleet):
    fleet.aim([replace(WEB, version=2, secret="red")])
    step(fleet, "n1")
    assert share(fleet, "n1").authentication.key_version is None
    step(fleet, "n1")
    assert share(fleet, "n1").authentication.key_version is None
    step(fleet)
    step(fleet)
    assert share(fleet, "n1").authentication.key_version == share(fleet, "n2").authentication.key_version == "1"
    assert share(fleet, "n1").also_accept == ()


def keys(fleet, node):
    own = share(fleet, node)
    return own.authentication.key_version, [form.authentication.key_version for form in own.also_accept]


def test_a_new_key_goes_round_when_all_have_it(fleet):
    running(fleet, replace(WEB, version=2, secret="red"))
    fleet.bump("red")
    fleet.nodes["n1"].fetch(fleet.secrets)
    fleet.nodes["n1"].report()
    staged = fleet.stage()
    assert staged.changed == frozenset()
    assert why(staged) == [(("n2",), "the new state of Secret red is not on n2 yet; the old one is kept")]
    fleet.everybody_follows()
    for expected in (("1", ["2"]), ("2", ["1"]), ("2", [])):
        step(fleet)
        assert keys(fleet, "n1") == keys(fleet, "n2") == expected


def test_a_member_without_the_key_holds_the_switch_and_is_named(fleet):
    running(fleet, WEB)
    del fleet.secrets["red"]
    fleet.secrets = {"red": "1"}
    lacking = fleet.nodes["n2"]
    lacking.fetch = lambda _secrets: None
    fleet.aim([replace(WEB, version=2, secret="red")])
    for _ in range(4):
        staged = step(fleet)
    assert share(fleet, "n1").version == 3
    words = "version 3 to 2 and authentication: no key of Secret red yet on n2"
    assert why(staged) == [(("n2",), words)]
    del lacking.fetch
    fleet.rounds_to_target()


def test_one_that_joins_without_the_old_key_takes_part_after_the_new_one_is_spoken(fleet):
    running(fleet, replace(WEB, version=2, secret="red"))
    fleet.bump("red")
    fleet.everybody_follows()
    fleet.aim([replace(WEB, version=2, secret="red", members={**BOTH, "n3": (230, True)})])
    while share(fleet, "n3") is None or not share(fleet, "n3").eligible:
        # It is always the first to take what is written, and must not be Active where it hears nobody.
        fleet.write(fleet.stage())
        for name in ("n3", "n2", "n1"):
            fleet.nodes[name].take(fleet.secrets)
            fleet.nodes[name].report()
            fleet.check()
    assert keys(fleet, "n1") == ("2", [])
    fleet.rounds_to_target()


def test_one_that_leaves_without_the_new_key_is_waited_for(fleet):
    running(fleet, WEB)
    fleet.nodes["n1"].fetch = lambda _secrets: None
    fleet.nodes["n2"].states["web-0"] = InstanceState.FAULT
    fleet.nodes["n2"].report()
    fleet.aim([replace(WEB, members={"n2": (240, True)}, version=2, secret="red")])
    for _ in range(4):
        fleet.write(fleet.stage())
        for node in fleet.nodes.values():
            node.take(fleet.secrets)
            node.report()
        fleet.check()
    assert (share(fleet, "n1").version, share(fleet, "n1").eligible) == (3, True)
    assert (("n1",), "version 3 to 2 and authentication: no key of Secret red yet on n1") in why(fleet.stage())
    del fleet.nodes["n1"].fetch
    fleet.everybody_follows()
    fleet.rounds_to_target()


def test_members_that_have_no_key_in_common_go_on_with_the_old_form(fleet):
    running(fleet, WEB)
    fleet.aim([replace(WEB, version=2, secret="red")])
    fleet.write(fleet.stage())
    for name, state in (("n1", "1"), ("n2", "2")):
        fleet.nodes[name].take({"red": state})
        fleet.nodes[name].report()
    for _ in range(2):
        fleet.write(fleet.stage())
        for name, state in (("n1", "1"), ("n2", "2")):
            fleet.nodes[name].take({"red": state})
            fleet.nodes[name].report()
        assert share(fleet, "n1").version == share(fleet, "n2").version == 3
    fleet.secrets["red"] = "2"
    fleet.everybody_follows()
    fleet.rounds_to_target()


# Kept, unreadable, missing.


def test_what_is_kept_is_kept_as_it_stands(fleet):
    running(fleet, WEB, OTHER)
    fleet.kept = frozenset({"web"})
    fleet.aim([replace(WEB, vrid=17, members={"n3": (250, True)}), replace(OTHER, interval="2s")])
    before = share(fleet, "n1")
    for _ in range(4):
        staged = step(fleet)
    assert share(fleet, "n1") == before
    assert share(fleet, "n3") is None
    assert (staged.moving, staged.waiting) == (frozenset(), ())
    assert str(share(fleet, "n1", "other-0").advertisement_interval) == "2s"
    fleet.kept = frozenset()
    fleet.rounds_to_target()


def test_what_cannot_be_read_keeps_its_addresses_to_itself(fleet):
    running(fleet, WEB)
    fleet.kept = frozenset({"web"})
    fleet.aim([replace(OTHER, addresses=WEB.addresses)])
    for _ in range(3):
        staged = step(fleet)
    assert share(fleet, "n1", "other-0") is None
    assert why(staged, "other-0")[0][1] == "10.0.5.1 is still used by group web-0 on n1, n2 and comes after that"
    assert share(fleet, "n1").eligible


def test_a_pause_in_the_middle_of_a_change_keeps_the_middle(fleet):
    running(fleet, WEB).aim([replace(WEB, vrid=17)])
    step(fleet)
    fleet.kept = frozenset({"web"})
    step(fleet)
    assert vrids(fleet, "n1") == (7, [17])
    fleet.kept = frozenset()
    assert fleet.rounds_to_target() == 2


def test_a_node_that_the_plan_does_not_name_keeps_what_it_runs(fleet):
    running(fleet, WEB)
    del fleet.target["n2"]
    staged = fleet.stage()
    assert staged.changed == frozenset()
    assert staged.node_configs["n2"].spec.instances == standing_of(fleet.nodes["n2"].written).instances


def test_a_node_without_a_plan_and_without_a_node_config_gets_none():
    staged = stage({}, {}, frozenset(), frozenset({"n1"}))
    assert (staged.node_configs, staged.changed) == ({}, frozenset())


def test_a_node_with_an_empty_plan_gets_an_empty_node_config(fleet):
    staged = fleet.stage()
    assert staged.changed == {"n1", "n2", "n3"}
    assert staged.node_configs["n1"].spec.instances == ()


def test_an_instance_that_nobody_can_read_is_written_anew(fleet):
    running(fleet, WEB)
    standings = fleet.standings()
    standings["n1"] = replace(standings["n1"], unreadable=("x",), unreadable_of=frozenset({"web"}))
    staged = stage(fleet.target, standings, frozenset(), frozenset(fleet.nodes))
    assert staged.changed == {"n1"}
    kept = stage(fleet.target, standings, frozenset({"web"}), frozenset(fleet.nodes))
    assert kept.changed == frozenset(), "it is a newer operator's, and stays as long as nobody can read its VirtualIP"


def test_a_node_has_no_more_instances_than_a_node_config_can_list(fleet, monkeypatch):
    monkeypatch.setattr("mooring_operator.stage.fitting.MAX_INSTANCES", 2)
    words = "a NodeConfig lists 2 instances at most"
    running(fleet, WEB, SECOND)
    fleet.aim([WEB, OTHER])
    staged = step(fleet)
    assert {i.group_name for i in staged.node_configs["n1"].spec.instances} == {"web-0", "web-1"}
    assert why(staged, "other-0") == [(("n1",), words), (("n2",), words)]
    assert staged.moving == {"web", "other"}
    fleet.rounds_to_target()


def test_what_does_not_fit_beside_what_a_node_runs_waits_until_it_does(fleet):
    """Two groups with one VRID on two segments that change places: on one node the one can't come before the other."""
    first = replace(WEB, multicast=True)
    second = replace(OTHER, vrid=7, lines={"n1": 1, "n3": 1}, members={"n1": (250, True), "n3": (240, True)})
    running(fleet, first, second)
    fleet.aim([replace(first, lines={"n1": 1, "n2": 1}), replace(second, lines={})])
    staged = step(fleet, "n1", "n2")
    assert share(fleet, "n1").interface == "eth0"
    assert why(staged)[-1][0] == ("n1",)
    assert "has virtual router ID 7 for IPv4 on eth1" in why(staged)[-1][1]
    assert "web" in staged.moving
    fleet.rounds_to_target()


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_a_group_without_a_virtual_ip_runs_is_withdrawn_like_any(confirmed):
    """Somebody wrote it by hand."""
    wire = aimed_at(WEB)["n1"].spec.instances[0].model_copy(update={"virtual_ip": None, "eligible": False})
    status = {"observedGeneration": 3 if confirmed else 2}
    document = {
        "metadata": {"name": "n1", "generation": 3},
        "spec": {"instances": [wire.to_wire()]},
        "status": status,
    }
    empty = NodeConfig(metadata={"name": "n1"})
    staged = stage({"n1": empty}, {"n1": standing_of(document)}, frozenset(), frozenset({"n1"}))
    assert bool(staged.node_configs["n1"].spec.instances) is not confirmed


def test_a_standing_of_another_name_binds_nobody():
    target = aimed_at(WEB)
    ghost = {"ghost": Standing("ghost", target["n1"].spec.instances, 1)}
    staged = stage(target, ghost, frozenset(), frozenset(target))
    assert staged.node_configs == target


def test_another_family_on_another_node(fleet):
    """Nobody of the old ones could hear the new one, and it not them: the old group goes first."""
    running(fleet, Wish("web", 0, ("2001:db8::1/64",), {"n1": (250, True)}, 7))
    fleet.aim([Wish("web", 0, ("10.0.5.1/16",), {"n2": (250, True)}, 7)])
    fleet.rounds_to_target()
    assert share(fleet, "n1") is None
    assert share(fleet, "n2").eligible


HERE = {"n1": (250, True)}
STAYS = replace(OTHER, vrid=1, members=HERE)


@pytest.mark.parametrize(
    ("members", "wish"),
    [
        pytest.param(HERE, replace(WEB, vrid=1, members={"n2": (240, True)}), id="leaves the node"),
        pytest.param(BOTH, replace(WEB, vrid=1, lines={"n1": 1, "n2": 1}), id="leaves the interface"),
    ],
)
def test_a_vrid_that_is_anothers_for_good_where_a_member_leaves(fleet, members, wish):
    """It can't listen for the new VRID there, so nobody can speak it beside: the group goes first."""
    running(fleet, replace(WEB, members=members), STAYS)
    fleet.aim([wish, STAYS])
    fleet.rounds_to_target()
    assert vrids(fleet, "n2") == (1, [])
    assert share(fleet, "n1", "other-0").virtual_router_id == 1


def test_who_takes_a_vrid_that_a_leaver_listens_for_waits_and_the_leaver_does_not(fleet):
    running(fleet, replace(WEB, members=HERE))
    wish = replace(WEB, vrid=1, members={"n2": (240, True)})
    fleet.aim([wish])
    step(fleet)
    assert vrids(fleet, "n1") == (1, [7])
    fleet.aim([wish, STAYS])
    staged = step(fleet)
    assert share(fleet, "n1", "other-0") is None
    assert [nodes for nodes, _ in why(staged, "other-0")] == [("n1",)]
    fleet.rounds_to_target()
