"""Addresses in the kernel by lease, against a kernel that keeps what a batch says (see conftest)."""

import errno
import socket
from dataclasses import replace
from typing import Any

import pytest

from mooring_node.kernel.addresses import AddressKey, LeasedAddress
from mooring_node.vrrp.holdings import AddressInUse, Holdings, KernelRefused

S = 1_000_000_000
NOW = 77 * S


def address(number: int) -> LeasedAddress:
    return LeasedAddress(7, socket.AF_INET, socket.inet_aton(f"10.0.0.{number}"), 24)


ABC = tuple(address(number) for number in (100, 101, 102))


@pytest.fixture
def holdings(kernel: Any) -> Holdings:
    made = Holdings(kernel, 6)
    made.prepare(ABC, 6)
    return made


def keys(addresses: tuple[LeasedAddress, ...]) -> frozenset[AddressKey]:
    return frozenset(each.key for each in addresses)


def test_all_are_taken_with_a_lease(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.held == keys(ABC)
    assert holdings.lease_end_ns == NOW + 6 * S


def test_a_third_of_the_lease_later_it_is_renewed(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    assert holdings.renew_at_ns == NOW + 2 * S
    kernel.addresses = dict.fromkeys(kernel.addresses, 4)
    kernel.said()
    holdings.renew(NOW + 2 * S)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.lease_end_ns == NOW + 8 * S
    assert kernel.said() == [("renew", 100), ("renew", 101), ("renew", 102)]


def test_one_in_use_leaves_nothing_of_ours_and_the_other_s_untouched(kernel: Any, holdings: Holdings) -> None:
    kernel.addresses = {ABC[1].key: 0xFFFFFFFF}
    with pytest.raises(AddressInUse) as error:
        holdings.take(NOW)
    assert error.value.addresses == (ABC[1],)
    assert kernel.addresses == {ABC[1].key: 0xFFFFFFFF}
    assert holdings.held == frozenset()
    assert ("delete", 101) not in kernel.said()


def test_one_refused_leaves_nothing(kernel: Any, holdings: Holdings) -> None:
    kernel.refuses = {ABC[2].key: errno.EACCES}
    with pytest.raises(KernelRefused, match="EACCES"):
        holdings.take(NOW)
    assert kernel.addresses == {}
    assert holdings.held == frozenset()


def test_release_deletes_the_last_first(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.release()
    assert kernel.said() == [("delete", 102), ("delete", 101), ("delete", 100)]
    assert (kernel.addresses, holdings.held) == ({}, frozenset())
    holdings.release()
    assert kernel.said() == []


def test_release_deletes_what_was_held_also_when_something_else_is_prepared(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.addresses[address(200).key] = 0xFFFFFFFF
    holdings.prepare((ABC[0], address(200)), 6)
    holdings.release()
    assert kernel.addresses == {address(200).key: 0xFFFFFFFF}


def test_what_was_given_up_is_not_renewed(kernel: Any, holdings: Holdings) -> None:
    """The kernel would make it anew, and nobody would take it away again."""
    holdings.take(NOW)
    holdings.release()
    kernel.said()
    holdings.renew(NOW + 2 * S)
    assert (kernel.said(), kernel.addresses) == ([], {})


def test_adopted_addresses_are_held_and_kept_ones_are_not(kernel: Any, holdings: Holdings) -> None:
    holdings.adopt(NOW + 5 * S)
    assert (holdings.held, holdings.lease_end_ns) == (keys(ABC), NOW + 5 * S)
    assert kernel.said() == []
    holdings.keep()
    holdings.release()
    assert kernel.said() == []


def test_a_change_touches_only_what_differs(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change((ABC[0], ABC[2], address(103)), 9, NOW + S)
    assert kernel.said() == [("delete", 101), ("add", 103), ("renew", 100), ("renew", 102), ("renew", 103)]
    assert kernel.addresses == dict.fromkeys(keys((ABC[0], ABC[2], address(103))), 9)
    assert holdings.held == kernel.addresses.keys()
    assert holdings.lease_end_ns == NOW + 10 * S


def test_a_change_that_fails_leaves_nothing_of_ours(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.addresses[address(103).key] = 0xFFFFFFFF
    with pytest.raises(AddressInUse):
        holdings.change((*ABC[1:], address(103), address(104)), 6, NOW + S)
    assert kernel.addresses == {address(103).key: 0xFFFFFFFF}
    assert holdings.held == frozenset()


def test_a_change_of_nothing_renews_alone(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change(ABC, 6, NOW)
    assert {verb for verb, _ in kernel.said()} == {"renew"}


def test_a_deleted_address_is_put_back(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    del kernel.addresses[ABC[1].key]
    assert holdings.restore(NOW + S)
    assert kernel.addresses == dict.fromkeys(keys(ABC), 6)
    assert holdings.lease_end_ns == NOW + 7 * S
    assert not holdings.restore(NOW + S)


def test_what_another_group_needs_is_dropped(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.drop_all_but([ABC[0], replace(ABC[2], prefix_length=32)])
    assert kernel.said() == [("delete", 102), ("delete", 101)]
    assert holdings.held == keys(ABC[:1])
    holdings.drop_all_but(ABC)
    assert kernel.said() == []


def test_another_label_goes_and_comes(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    holdings.change((replace(ABC[0], label="eth0:7"), *ABC[1:]), 6, NOW)
    said = kernel.said()
    assert said[:2] == [("delete", 100), ("add", 100)]
    assert {verb for verb, _ in said[2:]} == {"renew"}


def test_a_refused_renewal_lengthens_no_lease_and_is_tried_again_soon(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.deaf = True
    holdings.renew(NOW + 2 * S)
    assert holdings.lease_end_ns == NOW + 6 * S
    assert NOW + 2 * S < holdings.renew_at_ns < NOW + 3 * S
    kernel.deaf = False
    holdings.renew(NOW + 3 * S)
    assert holdings.lease_end_ns == NOW + 9 * S


def test_a_kernel_that_does_not_answer_is_a_refusal(kernel: Any, holdings: Holdings) -> None:
    kernel.deaf = True
    with pytest.raises(KernelRefused, match="ETIMEDOUT"):
        holdings.take(NOW)
    assert holdings.held == frozenset()


def test_what_stands_before_the_nodes_own_is_set_again_and_nothing_else(kernel: Any, holdings: Holdings) -> None:
    holdings.take(NOW)
    kernel.said()
    assert holdings.put_behind(frozenset({ABC[1].key, address(200).key}), NOW + S)
    assert kernel.said() == [("delete", 101), ("add", 101)]
    assert holdings.held == keys(ABC)
    # The kernel lets that one live longer than we count on: the next renewal makes them equal.
    assert holdings.lease_end_ns == NOW + 6 * S


def test_nothing_is_set_again_that_is_not_held_or_whose_lease_has_ended(kernel: Any, holdings: Holdings) -> None:
    assert not holdings.put_behind(keys(ABC), NOW)
    holdings.take(NOW)
    kernel.said()
    assert not holdings.put_behind(frozenset({address(200).key}), NOW)
    assert not holdings.put_behind(keys(ABC), NOW + 6 * S)
    assert kernel.said() == []
