"""Our netlink messages and sockets against the real kernel, in a namespace of their own."""

import errno
import os
import select
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest

from mooring_node.kernel.addresses import (
    IFA_F_DEPRECATED,
    IFA_F_NOPREFIXROUTE,
    IFA_F_SECONDARY,
    AddressKey,
    KernelAddress,
    LeasedAddress,
    add_batch,
    delete_batch,
    renew_batch,
)
from mooring_node.kernel.exchange import Exchange
from mooring_node.kernel.links import settings_batch
from mooring_node.kernel.netlink import Message
from mooring_node.kernel.rtnetlink import (
    AddressGone,
    Change,
    LinkChanged,
    LinkGone,
    Monitor,
    Overrun,
    Rtnetlink,
)

pytestmark = pytest.mark.netns

Ip = Callable[..., None]


@pytest.fixture
def ip(own_namespace: Ip) -> Ip:
    own_namespace("link", "add", "eth0", "type", "veth", "peer", "name", "far0")
    own_namespace("link", "set", "far0", "up")
    own_namespace("link", "set", "eth0", "up")
    return own_namespace


@pytest.fixture
def rtnetlink(ip: Ip) -> Iterator[Rtnetlink]:  # noqa: ARG001 (the namespace must be there first)
    with Rtnetlink() as opened:
        yield opened


@pytest.fixture
def monitor(ip: Ip) -> Iterator[Monitor]:  # noqa: ARG001 (the namespace must be there first)
    opened = Monitor()
    opened.read()
    yield opened
    opened.close()


def _index(rtnetlink: Rtnetlink, name: str = "eth0") -> int:
    return next(link.index for link in rtnetlink.links() if link.name == name)


def _many(
    rtnetlink: Rtnetlink, family: int, count: int, prefix_length: int, interface: str = "eth0"
) -> list[LeasedAddress]:
    index = _index(rtnetlink, interface)
    first = int(ip_address("10.0.0.1" if family == AF_INET else "2001:db8::1"))
    kind = ip_address("10.0.0.1" if family == AF_INET else "2001:db8::1").__class__
    return [LeasedAddress(index, family, kind(first + step).packed, prefix_length) for step in range(count)]


def _present(rtnetlink: Rtnetlink) -> dict[AddressKey, KernelAddress]:
    index = _index(rtnetlink)
    return {each.key: each for each in rtnetlink.addresses() if each.interface_index == index}


def _held(rtnetlink: Rtnetlink) -> set[AddressKey]:
    """The addresses of eth0 but the link-local one, which the kernel sets."""
    return {key for key in _present(rtnetlink) if key[2][:2] != b"\xfe\x80"}


def _readable(monitor: Monitor) -> bool:
    return bool(select.select([monitor], [], [], 0)[0])


def _gone(changes: tuple[Change, ...]) -> set[AddressKey]:
    return {change.address.key for change in changes if isinstance(change, AddressGone)}


FAMILIES = pytest.mark.parametrize(("family", "prefix_length"), [(AF_INET, 16), (AF_INET6, 64)], ids=["v4", "v6"])


@FAMILIES
def test_500_addresses_come_are_renewed_and_go(rtnetlink: Rtnetlink, family: int, prefix_length: int) -> None:
    wanted = _many(rtnetlink, family, 500, prefix_length)
    assert rtnetlink.apply(add_batch(wanted, 100)) == ()
    present = _present(rtnetlink)
    for each in wanted:
        found = present[each.key]
        assert found.flags & IFA_F_NOPREFIXROUTE
        assert bool(found.flags & IFA_F_DEPRECATED) == (family == AF_INET6)
        assert found.valid_lifetime_s is not None
        assert found.valid_lifetime_s <= 100
        assert not found.permanent
    assert rtnetlink.apply(renew_batch(wanted, 1000)) == ()
    renewed = _present(rtnetlink)
    assert {key for key in renewed if (renewed[key].valid_lifetime_s or 0) > 100} == {each.key for each in wanted}
    assert rtnetlink.apply(delete_batch(wanted)) == ()
    assert _held(rtnetlink) == set()


def test_a_batch_of_several_parts_arrives_whole(rtnetlink: Rtnetlink) -> None:
    wanted = _many(rtnetlink, AF_INET, 2000, 16)
    batch = add_batch(wanted, 100)
    assert len(batch.parts) == 3
    assert rtnetlink.apply(batch) == ()
    assert _held(rtnetlink) == {each.key for each in wanted}
    assert [each.index for each in rtnetlink.apply(batch)] == list(range(2000))
    assert rtnetlink.apply(delete_batch(wanted)) == ()
    assert [each.index for each in rtnetlink.apply(delete_batch(wanted))] == list(reversed(range(2000)))


@pytest.mark.parametrize("place", [0, 3, 9])
@FAMILIES
def test_what_somebody_else_set_is_found_by_its_index(
    rtnetlink: Rtnetlink, ip: Ip, family: int, prefix_length: int, place: int
) -> None:
    wanted = _many(rtnetlink, family, 10, prefix_length)
    foreign = wanted[place]
    ip("addr", "add", f"{ip_address(foreign.address)}/{prefix_length}", "dev", "eth0")
    before = _present(rtnetlink)[foreign.key]
    (failure,) = rtnetlink.apply(add_batch(wanted, 100))
    assert (failure.index, failure.errno) == (place, errno.EEXIST)
    assert _held(rtnetlink) == {each.key for each in wanted}
    after = _present(rtnetlink)[foreign.key]
    assert (after.valid_lifetime_s, after.permanent) == (before.valid_lifetime_s, True) == (None, True)


def test_a_deletion_of_what_is_gone_is_found_by_its_index(rtnetlink: Rtnetlink) -> None:
    wanted = _many(rtnetlink, AF_INET, 3, 24)
    assert rtnetlink.apply(add_batch(wanted[:1] + wanted[2:], 100)) == ()
    (failure,) = rtnetlink.apply(delete_batch(wanted))
    assert (failure.index, failure.errno) == (1, errno.EADDRNOTAVAIL)
    assert failure.reason
    assert _held(rtnetlink) == set()


def test_an_interface_that_is_gone_fails_each_message(rtnetlink: Rtnetlink) -> None:
    nowhere = [LeasedAddress(9999, AF_INET, bytes([10, 0, 0, last]), 24) for last in (1, 2)]
    failures = rtnetlink.apply(add_batch(nowhere, 100))
    assert [(each.index, each.errno) for each in failures] == [(0, errno.ENODEV), (1, errno.ENODEV)]


@FAMILIES
def test_a_lease_that_nobody_renews_runs_out(
    rtnetlink: Rtnetlink, monitor: Monitor, family: int, prefix_length: int
) -> None:
    ours, kept = _many(rtnetlink, family, 2, prefix_length)
    # Else a primary whose lease ends takes its secondaries with it, as in a deletion.
    assert rtnetlink.apply(settings_batch(_index(rtnetlink), {"promote_secondaries": 1})) == ()
    assert rtnetlink.apply(add_batch([ours], 1)) == ()
    assert rtnetlink.apply(add_batch([kept], 1000)) == ()
    gone: set[AddressKey] = set()
    while ours.key not in gone:
        assert select.select([monitor], [], [], 30)[0], "the kernel kept an address of 1 s for 30 s"
        gone |= _gone(monitor.read())
    assert gone == {ours.key}
    assert _held(rtnetlink) == {kept.key}


def test_without_a_lease_an_address_becomes_permanent(rtnetlink: Rtnetlink) -> None:
    wanted = _many(rtnetlink, AF_INET, 1, 32) + _many(rtnetlink, AF_INET6, 1, 128)
    assert rtnetlink.apply(add_batch(wanted, 100)) == ()
    assert rtnetlink.apply(renew_batch(wanted, None)) == ()
    present = _present(rtnetlink)
    assert all(present[each.key].permanent and present[each.key].valid_lifetime_s is None for each in wanted)


def test_labels_and_scopes_are_kept(rtnetlink: Rtnetlink) -> None:
    wanted = LeasedAddress(_index(rtnetlink), AF_INET, ip_address("10.0.0.100").packed, 24, "eth0:10", 253)
    assert rtnetlink.apply(add_batch([wanted], 100)) == ()
    found = _present(rtnetlink)[wanted.key]
    assert (found.label, found.scope) == ("eth0:10", 253)


def _dual_master(rtnetlink: Rtnetlink) -> list[LeasedAddress]:
    index = _index(rtnetlink)
    return [
        LeasedAddress(index, AF_INET, bytes([10, 0, 0, last]), 24, f"eth0:{last - 100}") for last in range(100, 111)
    ]


def test_each_of_one_prefix_goes_alone_when_secondaries_are_promoted(rtnetlink: Rtnetlink, ip: Ip) -> None:
    wanted = _dual_master(rtnetlink)
    ip("addr", "add", "10.0.0.18/24", "dev", "eth0")
    assert rtnetlink.apply(settings_batch(_index(rtnetlink), {"promote_secondaries": 1})) == ()
    host = _held(rtnetlink)
    for turn in range(len(wanted)):
        order = wanted[turn:] + wanted[:turn]
        ip("addr", "del", "10.0.0.18/24", "dev", "eth0")
        assert rtnetlink.apply(add_batch(order, 100)) == ()
        ip("addr", "add", "10.0.0.18/24", "dev", "eth0")
        left = {each.key for each in order} | host
        for each in order:
            # The first of those that are left is the primary that the others depend on.
            assert not _present(rtnetlink)[each.key].flags & IFA_F_SECONDARY
            assert rtnetlink.apply(delete_batch([each])) == ()
            left.discard(each.key)
            assert _held(rtnetlink) == left
    assert _held(rtnetlink) == host


def test_without_promotion_the_first_takes_the_others_with_it(rtnetlink: Rtnetlink) -> None:
    """Why promote_secondaries is set: this is what the kernel does by itself."""
    wanted = _dual_master(rtnetlink)
    assert rtnetlink.apply(settings_batch(_index(rtnetlink), {"promote_secondaries": 0})) == ()
    assert rtnetlink.apply(add_batch(wanted, 100)) == ()
    assert rtnetlink.apply(delete_batch(wanted[:1])) == ()
    assert _held(rtnetlink) == set()
    assert rtnetlink.apply(add_batch(wanted, 100)) == ()
    assert rtnetlink.apply(delete_batch(wanted)) == ()


def test_settings_are_set_read_and_restored(rtnetlink: Rtnetlink) -> None:
    def settings() -> dict[str, int]:
        return next(dict(link.settings) for link in rtnetlink.links() if link.name == "eth0")

    before = settings()
    changed = {"promote_secondaries": 1, "arp_ignore": 1, "arp_announce": 2, "rp_filter": 2}
    assert {name: before[name] for name in changed} != changed
    assert rtnetlink.apply(settings_batch(_index(rtnetlink), changed)) == ()
    assert settings() == changed
    assert Path("/proc/sys/net/ipv4/conf/eth0/arp_announce").read_text().strip() == "2"
    assert rtnetlink.apply(settings_batch(_index(rtnetlink), before)) == ()
    assert settings() == before


def test_links_tell_carrier_and_kind(rtnetlink: Rtnetlink, ip: Ip) -> None:
    ip("link", "add", "br0", "address", "02:00:00:00:00:07", "mtu", "1400", "type", "bridge")
    links = {link.name: link for link in rtnetlink.links()}
    assert (links["br0"].mac.hex(":"), links["br0"].mtu, links["br0"].kind) == ("02:00:00:00:00:07", 1400, "bridge")
    assert (links["eth0"].up, links["eth0"].kind, links["br0"].up) == (True, "veth", False)
    ip("link", "set", "far0", "down")
    assert [link.up for link in rtnetlink.links() if link.name == "eth0"] == [False]


def test_default_interfaces_follow_the_lowest_metric(rtnetlink: Rtnetlink, ip: Ip) -> None:
    assert rtnetlink.default_interfaces() == {}
    ip("addr", "add", "10.0.0.18/24", "dev", "eth0")
    ip("addr", "add", "10.9.0.1/24", "dev", "far0")
    ip("route", "add", "default", "via", "10.0.0.1", "metric", "200")
    assert rtnetlink.default_interfaces() == {AF_INET: _index(rtnetlink)}
    ip("route", "add", "default", "via", "10.9.0.2", "metric", "100")
    ip("route", "add", "10.77.0.0/16", "via", "10.0.0.1")
    ip("route", "add", "default", "via", "10.0.0.1", "table", "100")
    ip("-6", "route", "add", "default", "dev", "eth0")
    assert rtnetlink.default_interfaces() == {
        AF_INET: _index(rtnetlink, "far0"),
        AF_INET6: _index(rtnetlink),
    }


def test_the_answers_of_a_broken_off_exchange_are_skipped(rtnetlink: Rtnetlink) -> None:
    wanted = _many(rtnetlink, AF_INET, 5, 24)
    again = add_batch(wanted, 100)
    assert rtnetlink.apply(again) == ()
    # What a call that was interrupted between send and receive leaves behind: refusals numbered as the next ones.
    rtnetlink._exchange._socket.send(again.parts[0].data)
    assert rtnetlink.apply(renew_batch(wanted, 100)) == ()
    rtnetlink._exchange._socket.send(again.parts[0].data)
    assert _held(rtnetlink) == {each.key for each in wanted}


def test_a_dump_that_was_disturbed_is_read_again(rtnetlink: Rtnetlink, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = _many(rtnetlink, AF_INET, 3, 24)
    assert rtnetlink.apply(add_batch(wanted, 100)) == ()
    real = Exchange._receive
    disturbed: list[int] = []

    def disturb(each: Message) -> Message:
        disturbed.append(each.sequence)
        return Message(each.kind, each.flags | 0x10, each.sequence, each.body, each.port)

    def receive(self: Exchange, flags: int = 0) -> list[Message]:
        received = real(self, flags)
        return [disturb(each) for each in received] if len(set(disturbed)) < most else received

    monkeypatch.setattr(Exchange, "_receive", receive)
    most = 3
    assert len([each for each in rtnetlink.addresses() if each.prefix_length == 24]) == 3
    assert len(set(disturbed)) == most
    most = 1000
    with pytest.raises(BlockingIOError):
        rtnetlink.addresses()


def test_the_monitor_hears_deletions_and_sleeps_through_renewals(own_namespace: Ip) -> None:
    # On lo, because a veth's carrier may be reported late and would wake the monitor too.
    monitor = Monitor()
    with Rtnetlink() as rtnetlink:
        wanted = [
            *_many(rtnetlink, AF_INET, 3, 24, "lo"),
            *_many(rtnetlink, AF_INET6, 3, 64, "lo"),
        ]
        assert rtnetlink.apply(add_batch(wanted, 100)) == ()
        assert rtnetlink.apply(renew_batch(wanted, 100)) == ()
    assert not _readable(monitor)
    assert monitor.read() == ()
    own_namespace("addr", "del", "10.0.0.2/24", "dev", "lo")
    own_namespace("addr", "del", "2001:db8::2/64", "dev", "lo")
    assert _readable(monitor)
    assert _gone(monitor.read()) == {wanted[1].key, wanted[4].key}
    assert not _readable(monitor)
    monitor.close()


def test_the_monitor_hears_links_change_and_go(rtnetlink: Rtnetlink, monitor: Monitor, ip: Ip) -> None:
    index = _index(rtnetlink)
    ip("link", "set", "eth0", "down")
    states = [
        change.link.up for change in monitor.read() if isinstance(change, LinkChanged) and change.link.index == index
    ]
    assert states
    assert not states[-1]
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "eth0", "master", "br0")
    ip("link", "set", "eth0", "nomaster")
    assert not [change for change in monitor.read() if isinstance(change, LinkGone)]
    ip("link", "del", "eth0")
    assert LinkGone(index, "eth0") in monitor.read()


def test_the_monitor_says_when_it_lost_something(rtnetlink: Rtnetlink) -> None:
    wanted = _many(rtnetlink, AF_INET, 500, 16)
    small = Monitor(buffer_bytes=4096)
    try:
        assert rtnetlink.apply(add_batch(wanted, 100)) == ()
        assert rtnetlink.apply(delete_batch(wanted)) == ()
        changes = small.read()
        assert Overrun() in changes
        assert len(_gone(changes)) < len(wanted)
        assert rtnetlink.apply(add_batch(wanted[:1], 100)) == ()
        assert rtnetlink.apply(delete_batch(wanted[:1])) == ()
        assert _gone(small.read()) == {wanted[0].key}
    finally:
        small.close()


def test_a_refused_dump_is_an_error_and_a_refused_setting_a_failure(rtnetlink: Rtnetlink) -> None:
    def never(_received: Message) -> None:
        return None

    unknown_kind = 99
    with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)):
        rtnetlink._exchange.dump(unknown_kind, bytes(4), never)
    # A body without even a family is answered by nothing at all.
    with pytest.raises(TimeoutError):
        rtnetlink._exchange.dump(unknown_kind, b"", never)
    (failure,) = rtnetlink.apply(settings_batch(9999, {"arp_ignore": 1}))
    assert (failure.index, failure.errno) == (0, errno.ENODEV)
