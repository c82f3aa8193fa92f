"""Addresses in the kernel by lease, against a kernel of our own that keeps what a batch says."""

import errno
import socket
import struct
from dataclasses import replace

import pytest

from mooring_node.kernel.addresses import AddressKey, LeasedAddress
from mooring_node.kernel.netlink import NLM_F_EXCL, NLM_F_REPLACE, Batch, attributes
from mooring_node.kernel.rtnetlink import Failure
from mooring_node.vrrp.holdings import AddressInUse, Holdings, KernelRefused

S = 1_000_000_000
NOW = 77 * S
RTM_NEWADDR, RTM_DELADDR = 20, 21
IFA_LOCAL, IFA_CACHEINFO = 2, 6


class Kernel:
    """Addresses by key with their lifetime in seconds, and the messages that came, in order."""

    def __init__(self) -> None:
        self.addresses: dict[AddressKey, int] = {}
        self.refuses: dict[AddressKey, int] = {}
        self.done: list[tuple[str, AddressKey]] = []
        self.deaf = False

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        if self.deaf:
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        failures = []
        for part in batch.parts:
            offset = 0
            while offset < len(part.data):
                length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", part.data, offset)
                body = part.data[offset + 16 : offset + length]
                offset += length + 3 & ~3
                code = self._one(kind, flags, body)
                if code:
                    failures.append(Failure(sequence - 1, code))
        return tuple(failures)

    def _one(self, kind: int, flags: int, body: bytes) -> int:
        family, prefix, _, _, index = struct.unpack_from("=BBBBI", body)
        members = attributes(body, 8)
        key = (index, family, members[IFA_LOCAL], prefix)
        if kind == RTM_DELADDR:
            self.done.append(("delete", key))
            return 0 if self.addresses.pop(key, None) is not None else errno.EADDRNOTAVAIL
        verb = "add" if flags & NLM_F_EXCL else "renew"
        assert verb == "add" or flags & NLM_F_REPLACE
        self.done.append((verb, key))
        if key in self.refuses:
            return self.refuses[key]
        if verb == "add" and key in self.addresses:
            return errno.EEXIST
        self.addresses[key] = struct.unpack_from("=IIII", members[IFA_CACHEINFO])[1]
        return 0

    def said(self) -> list[tuple[str, int]]:
        """What was done since the last call: verb and last byte of the address."""
        done = [(verb, key[2][-1]) for verb, key in self.done]
        self.done.clear()
        return done


def address(number: int) -> LeasedAddress:
    return LeasedAddress(7, socket.AF_INET, socket.inet_aton(f"10.0.0.{number}"), 24)


ABC = tuple(address(number) for number in (100, 101, 102))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def holdings(kernel: Kernel) -> Holdings:
    made = Holdings(kernel, 6)  # type: ignore[arg-type]
    made.prepare(ABC, 6)
    return made


def keys(addresses: tuple[LeasedAddress, ...]) -> frozenset[AddressKey]:
    return frozenset(each.key for each in addresses)


def test_all_are_taken_with_a_lease(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.held == keys(ABC)
    assert holdings.lease_end_ns == NOW + 6 * S


def test_a_third_of_the_lease_later_it_is_renewed(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    assert holdings.renew_at_ns == NOW + 2 * S
    kernel.addresses = dict.fromkeys(kernel.addresses, 4)
    kernel.said()
    holdings.renew(NOW + 2 * S)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.lease_end_ns == NOW + 8 * S
    assert kernel.said() == [("renew", 100), ("renew", 101), ("renew", 102)]


def test_one_in_use_leaves_nothing_of_ours_and_the_other_s_untouched(kernel: Kernel, holdings: Holdings) -> None:
    kernel.addresses = {ABC[1].key: 0xFFFFFFFF}
    with pytest.raises(AddressInUse) as error:
        holdings.take(NOW)
    assert error.value.addresses == (ABC[1],)
    assert kernel.addresses == {ABC[1].key: 0xFFFFFFFF}
    assert holdings.held == frozenset()
    assert ("delete", 101) not in kernel.said()


def test_one_refused_leaves_nothing(kernel: Kernel, holdings: Holdings) -> None:
    kernel.refuses = {ABC[2].key: errno.EACCES}
    with pytest.raises(KernelRefused, match="EACCES"):
        holdings.take(NOW)
    assert kernel.addresses == {}
    assert holdings.held == frozenset()


def test_release_deletes_the_last_first(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.release()
    assert kernel.said() == [("delete", 102), ("delete", 101), ("delete", 100)]
    assert (kernel.addresses, holdings.held) == ({}, frozenset())
    holdings.release()
    assert kernel.said() == []


def test_release_deletes_what_was_held_also_when_something_else_is_prepared(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.addresses[address(200).key] = 0xFFFFFFFF
    holdings.prepare((ABC[0], address(200)), 6)
    holdings.release()
    assert kernel.addresses == {address(200).key: 0xFFFFFFFF}


def test_adopted_addresses_are_held_and_kept_ones_are_not(kernel: Kernel, holdings: Holdings) -> None:
    holdings.adopt(NOW + 5 * S)
    assert (holdings.held, holdings.lease_end_ns) == (keys(ABC), NOW + 5 * S)
    assert kernel.said() == []
    holdings.keep()
    holdings.release()
    assert kernel.said() == []


def test_a_change_touches_only_what_differs(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change((ABC[0], ABC[2], address(103)), 9, NOW + S)
    assert kernel.said() == [("delete", 101), ("add", 103), ("renew", 100), ("renew", 102), ("renew", 103)]
    assert kernel.addresses == dict.fromkeys(keys((ABC[0], ABC[2], address(103))), 9)
    assert holdings.held == kernel.addresses.keys()
    assert holdings.lease_end_ns == NOW + 10 * S


def test_a_change_that_fails_leaves_nothing_of_ours(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.addresses[address(103).key] = 0xFFFFFFFF
    with pytest.raises(AddressInUse):
        holdings.change((*ABC[1:], address(103), address(104)), 6, NOW + S)
    assert kernel.addresses == {address(103).key: 0xFFFFFFFF}
    assert holdings.held == frozenset()


def test_a_change_of_nothing_renews_alone(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change(ABC, 6, NOW)
    assert {verb for verb, _ in kernel.said()} == {"renew"}


def test_a_deleted_address_is_put_back(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    del kernel.addresses[ABC[1].key]
    assert holdings.restore(NOW + S)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.lease_end_ns == NOW + 7 * S
    assert not holdings.restore(NOW + S)


def test_what_another_group_needs_is_dropped(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.drop_all_but([ABC[0], replace(ABC[2], prefix_length=32)])
    assert kernel.said() == [("delete", 102), ("delete", 101)]
    assert holdings.held == keys(ABC[:1])
    holdings.drop_all_but(ABC)
    assert kernel.said() == []


def test_another_label_goes_and_comes(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change((replace(ABC[0], label="eth0:7"), *ABC[1:]), 6, NOW)
    said = kernel.said()
    assert said[:2] == [("delete", 100), ("add", 100)]
    assert {verb for verb, _ in said[2:]} == {"renew"}


def test_a_refused_renewal_lengthens_no_lease_and_is_tried_again_soon(kernel: Kernel, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.deaf = True
    holdings.renew(NOW + 2 * S)
    assert holdings.lease_end_ns == NOW + 6 * S
    assert NOW + 2 * S < holdings.renew_at_ns < NOW + 3 * S
    kernel.deaf = False
    holdings.renew(NOW + 3 * S)
    assert holdings.lease_end_ns == NOW + 9 * S


def test_a_kernel_that_does_not_answer_is_a_refusal(kernel: Kernel, holdings: Holdings) -> None:
    kernel.deaf = True
    with pytest.raises(KernelRefused, match="ETIMEDOUT"):
        holdings.take(NOW)
    assert holdings.held == frozenset()
