"""What an instance will send, built ahead: read back by the codec."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from mooring_node.vrrp.config import DEFAULT_GROUPS, AddressConfig, FormConfig, GroupConfig, MemberConfig
from mooring_node.vrrp.frames import arp_claim
from mooring_node.vrrp.packet import Advert, Refused, decode
from mooring_node.vrrp.prepared import (
    Outgoing,
    advertised,
    announcement_frames,
    joined_groups,
    leased,
    multicast_group,
    packed,
    prepare,
)
from mooring_node.vrrp.receive import Datagram, judge, judge_any, parse_ipv4

SOURCE, PEERS = "10.0.0.18", ("10.0.0.28", "10.0.0.38")
MAC = bytes.fromhex("020000000001")
V4 = MemberConfig(
    "web-0", "eth0", 4, 66, 3, tuple(AddressConfig(f"10.0.0.{n}", 24, "eth0") for n in (100, 101)), peers=PEERS
)
V6 = MemberConfig(
    "web-6",
    "eth0",
    6,
    66,
    3,
    (AddressConfig("2001:db8::10", 64, "eth0"), AddressConfig("fe80::10", 64, "eth0")),
    peers=("fe80::28%eth0",),
)


def group(member: MemberConfig) -> GroupConfig:
    return GroupConfig("web-0", (member,), priority=150, interval_ns=100_000_000)


def read(each: Outgoing, member: MemberConfig, source: bytes) -> Advert:
    message = parse_ipv4(each.packet).message if member.family == 4 else each.packet
    return decode(message, source=source, destination=each.destination, pseudo_header=member.pseudo_header)


def test_unicast_takes_one_packet_for_each_peer() -> None:
    prepared = prepare(group(V4), V4, packed(SOURCE), 1500)
    assert [each.destination for each in prepared.adverts] == [packed(peer) for peer in PEERS]
    for each in prepared.adverts:
        datagram = parse_ipv4(each.packet)
        assert (datagram.source, datagram.destination, datagram.ttl) == (packed(SOURCE), each.destination, 255)
        advert = read(each, V4, packed(SOURCE))
        assert (advert.priority, advert.interval_ns, advert.virtual_router_id) == (150, 100_000_000, 66)
        assert advert.addresses == (packed("10.0.0.100"), packed("10.0.0.101"))


@pytest.mark.parametrize("version", [2, 3])
def test_priority_0_is_said_to_release_and_nowhere_else(version: int) -> None:
    member = replace(V4, version=version)
    prepared = prepare(replace(group(member), interval_ns=1_000_000_000), member, packed(SOURCE), 1500)
    assert {read(each, member, packed(SOURCE)).priority for each in prepared.adverts} == {150}
    assert {read(each, member, packed(SOURCE)).priority for each in prepared.releases} == {0}
    assert len(prepared.releases) == len(PEERS)


@pytest.mark.parametrize(("family", "chosen"), [(4, None), (6, None), (4, "239.1.2.3")])
def test_multicast_takes_one_packet_for_the_group(family: int, chosen: str | None) -> None:
    member = replace(V4 if family == 4 else V6, peers=None, group=chosen)
    source = packed(SOURCE if family == 4 else "fe80::18")
    prepared = prepare(group(member), member, source, 1500)
    target = packed(chosen or DEFAULT_GROUPS[family])
    assert [each.destination for each in prepared.adverts] == [target]
    assert multicast_group(member, family) == target
    assert (prepared.expectations[0].group, prepared.expectations[0].peers) == (target, None)


def test_two_members_understand_each_other() -> None:
    for member in (V4, replace(V4, version=2, password="666"), replace(V4, pseudo_header=False)):
        ours = replace(group(member), interval_ns=1_000_000_000)
        sent = prepare(ours, replace(member, peers=("10.0.0.28",)), packed(SOURCE), 1500)
        theirs = prepare(ours, replace(member, peers=(SOURCE,)), packed("10.0.0.28"), 1500)
        judged = judge(parse_ipv4(sent.adverts[0].packet), theirs.expectations[0])
        assert judged.advert.priority == 150
        assert judged.remarks == ()
    sent = prepare(group(V6), V6, packed("fe80::18"), 1500)
    theirs = prepare(group(V6), replace(V6, peers=("fe80::18",)), packed("fe80::28"), 1500)
    datagram = Datagram(packed("fe80::18"), packed("fe80::28"), 255, sent.adverts[0].packet)
    assert judge(datagram, theirs.expectations[0]).remarks == ()


def test_link_local_comes_first_in_ipv6() -> None:
    prepared = prepare(group(V6), V6, packed("fe80::18"), 1500)
    assert read(prepared.adverts[0], V6, packed("fe80::18")).addresses == (packed("fe80::10"), packed("2001:db8::10"))


@pytest.mark.parametrize(
    ("family", "version", "mtu", "fits"),
    [(4, 3, 1500, 255), (4, 3, 1047, 254), (4, 3, 1048, 255), (4, 2, 1056, 255), (4, 2, 1055, 254), (6, 3, 1500, 90)],
)
def test_an_advert_is_one_packet_of_the_link(family: int, version: int, mtu: int, fits: int) -> None:
    """20 or 40 bytes of IP, 8 of VRRP (16 with version 2's authentication), then 4 or 16 for each address."""
    first = ip_address("10.1.0.0" if family == 4 else "2001:db8::")
    many = tuple(AddressConfig(str(first + n), 32, "eth0") for n in range(500))
    listed = advertised(many, family, version, mtu)
    assert listed == tuple(packed(each.address) for each in many[:fits])
    member = replace(V4 if family == 4 else V6, version=version, addresses=many)
    source = packed(SOURCE if family == 4 else "fe80::18")
    prepared = prepare(replace(group(member), interval_ns=1_000_000_000), member, source, mtu)
    overhead = 0 if family == 4 else 40
    assert all(len(each.packet) + overhead <= mtu for each in prepared.adverts)


def test_some_addresses_are_held_unadvertised() -> None:
    hidden = (replace(V4.addresses[0], advertise=False), V4.addresses[1])
    assert advertised(hidden, 4, 3, 1500) == (packed("10.0.0.101"),)
    member = replace(V4, addresses=hidden)
    (expected,) = prepare(replace(group(member), interval_ns=1_000_000_000), member, packed(SOURCE), 1500).expectations
    assert (expected.addresses, expected.unlisted) == ((packed("10.0.0.101"),), {packed("10.0.0.100")})


def test_a_password_travels_in_eight_bytes() -> None:
    member = replace(V4, version=2, password="666")
    prepared = prepare(replace(group(member), interval_ns=1_000_000_000), member, packed(SOURCE), 1500)
    advert = read(prepared.adverts[0], member, packed(SOURCE))
    assert (advert.authentication_type, advert.authentication) == (1, b"666\0\0\0\0\0")
    assert prepared.expectations[0].password == b"666\0\0\0\0\0"


def test_labels_are_for_ipv4() -> None:
    four = leased(AddressConfig("10.0.0.100", 24, "eth0", label="eth0:1", scope=253), 7)
    assert (four.interface_index, four.label, four.scope, four.prefix_length) == (7, "eth0:1", 253, 24)
    assert leased(AddressConfig("fe80::1", 64, "eth0", label="eth0:1"), 7).label is None


def test_ipv4_is_announced_twice_and_ipv6_once() -> None:
    frames = announcement_frames(packed("10.0.0.100"), MAC, router=False)
    assert len(frames) == 2
    assert all(claim is not None and claim.mac == MAC for claim in map(arp_claim, frames))
    assert len(announcement_frames(packed("fe80::1"), MAC, router=True)) == 1


OLD = replace(V4, version=2, password="one")
FORMS = (
    FormConfig(67, 3, 100_000_000, peers=PEERS),
    FormConfig(66, 2, 1_000_000_000, peers=("10.0.0.48",), password="two"),
    FormConfig(66, 2, 1_000_000_000, peers=None, password="one"),
    FormConfig(66, 3, 1_000_000_000, peers=None, group="239.1.2.3", pseudo_header=False),
)


def test_what_is_also_accepted_is_not_sent() -> None:
    told = replace(group(OLD), interval_ns=1_000_000_000)
    plain = prepare(told, OLD, packed(SOURCE), 1500)
    prepared = prepare(told, replace(OLD, accepted=FORMS), packed(SOURCE), 1500)
    assert (prepared.adverts, prepared.releases) == (plain.adverts, plain.releases)
    assert prepared.expectations[0] == plain.expectations[0]


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_a_member_of_each_form_is_understood(number: int) -> None:
    form = FORMS[number]
    sends = replace(
        V4,
        virtual_router_id=form.virtual_router_id,
        version=form.version,
        password=form.password,
        pseudo_header=form.pseudo_header,
        peers=None if form.peers is None else (SOURCE,),
        group=form.group,
    )
    source = packed("10.0.0.48" if number == 1 else PEERS[0])
    told = GroupConfig("web-0", (sends,), priority=150, interval_ns=form.interval_ns)
    (sent,) = prepare(told, sends, source, 1500).adverts
    here = prepare(replace(group(OLD), interval_ns=10**9), replace(OLD, accepted=FORMS), packed(SOURCE), 1500)
    judged = judge_any(parse_ipv4(sent.packet), here.expectations)
    assert (judged.advert.virtual_router_id, judged.advert.version) == (form.virtual_router_id, form.version)
    assert judged.remarks == ()
    with pytest.raises(Refused):
        judge(parse_ipv4(sent.packet), here.expectations[0])


def test_the_groups_of_all_forms_are_joined() -> None:
    assert joined_groups(V4) == ()
    assert joined_groups(replace(V4, accepted=FORMS)) == (packed(DEFAULT_GROUPS[4]), packed("239.1.2.3"))
    assert joined_groups(replace(V6, peers=None, accepted=(replace(FORMS[0], peers=None),))) == (
        packed(DEFAULT_GROUPS[6]),
    )
