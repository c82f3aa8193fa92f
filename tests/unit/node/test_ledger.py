"""The ledger: what may be set, on disk, and how it is undone."""

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring_node import ledger as module
from mooring_node.kernel import rtnetlink
from mooring_node.kernel.addresses import PROTOCOL, KernelAddress
from mooring_node.kernel.links import Link
from mooring_node.kernel.netlink import Batch
from mooring_node.ledger import (
    Entries,
    Ledger,
    LedgerAddress,
    LedgerSetting,
    addresses_of,
    undo_addresses,
    undo_settings,
)
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig

names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=15)
entries = st.builds(
    Entries,
    addresses=st.frozensets(st.builds(LedgerAddress, names, names, st.integers(0, 128)), max_size=5),
    settings=st.frozensets(st.builds(LedgerSetting, names, names, st.integers(), st.integers()), max_size=5),
)
HELD = LedgerAddress("eth0", "10.0.0.100", 24)
SET = LedgerSetting("eth0", "promote_secondaries", 0, 1)
ENTRIES = Entries(frozenset({HELD}), frozenset({SET}))


class Kernel:
    """Answers with what it was given; counts batches."""

    def __init__(self, links: tuple[Link, ...] = (), addresses: tuple[KernelAddress, ...] = ()) -> None:
        self._links, self._addresses = links, addresses
        self.batches: list[Batch] = []

    def links(self) -> tuple[Link, ...]:
        return self._links

    def addresses(self) -> tuple[KernelAddress, ...]:
        return self._addresses

    def apply(self, batch: Batch) -> tuple[()]:
        self.batches.append(batch)
        return ()


def kernel_address(
    text: str, lifetime_s: int | None, prefix: int = 24, index: int = 2, protocol: int = PROTOCOL
) -> KernelAddress:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return KernelAddress(
        index, family, socket.inet_pton(family, text), prefix, None, 0, lifetime_s, 0, not lifetime_s, protocol
    )


def link(settings: dict[str, int]) -> Link:
    return Link(2, "eth0", b"\2\0\0\0\0\1", True, 1500, None, settings)


@given(entries)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, written: Entries) -> None:
    ledger = Ledger(tmp_path_factory.getbasetemp() / "round-trip.json")
    ledger.write(written)
    assert ledger.read() == written


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"addresses": [], "settings": 3}', '{"addresses": [{"a": 1}], "settings": []}']
)
def test_a_corrupt_file_lists_nothing_and_can_be_replaced(content: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(content)
    assert Ledger(path).read() == Entries()
    Ledger(path).write(ENTRIES)
    assert Ledger(path).read() == ENTRIES


def test_settings_end_with_the_boot_and_addresses_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    Ledger(path).write(ENTRIES)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"boot": "another"}))
    assert Ledger(path).read() == Entries(frozenset({HELD}))


def test_nothing_is_written_where_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    ledger.write(ENTRIES)
    monkeypatch.setattr(module, "write_atomically", lambda *_: pytest.fail("written"))
    ledger.write(ENTRIES)


def test_it_lists_all_that_groups_may_set() -> None:
    addresses = (AddressConfig("10.0.0.100", 24, "eth0"), AddressConfig("10.0.0.101", 32, "eth1", advertise=False))
    member = MemberConfig("web-0", "eth0", 4, 66, 3, addresses)
    assert addresses_of([GroupConfig("web-0", (member,))]) == {HELD, LedgerAddress("eth1", "10.0.0.101", 32)}


def test_only_addresses_that_end_by_themselves_are_undone() -> None:
    listed = frozenset({HELD, LedgerAddress("eth0", "2001:db8::10", 64), LedgerAddress("eth0", "10.0.0.101", 24)})
    leased = (kernel_address("10.0.0.100", 3), kernel_address("2001:db8::10", 3, 64))
    others = (
        kernel_address("10.0.0.101", None),  # set for good by somebody
        kernel_address("10.0.0.100", 3, prefix=32),
        kernel_address("10.0.0.100", 3, index=9),
        kernel_address("10.0.0.200", 3),  # not ours
    )
    kernel = Kernel((link({}),), leased + others)
    assert undo_addresses(kernel, listed) == 2  # type: ignore[arg-type]
    assert [batch.count for batch in kernel.batches] == [2]


@pytest.mark.parametrize(("kernel_tells", "undone"), [(True, 0), (False, 1)])
def test_a_lease_of_somebody_else_is_spared_where_the_kernel_tells(
    kernel_tells: bool, undone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtnetlink, "_TELLS", kernel_tells)
    kernel = Kernel((link({}),), (kernel_address("10.0.0.100", 3, protocol=0),))
    assert undo_addresses(kernel, frozenset({HELD})) == undone  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("release", "tells"), [("5.15.0-91-generic", False), ("5.18.0", True), ("6.1.0-13-amd64", True), ("odd", False)]
)
def test_which_kernels_tell_who_set_an_address(release: str, tells: bool) -> None:
    assert rtnetlink.tells_who_set_an_address(release) is tells


def test_with_an_empty_ledger_the_kernel_is_not_even_asked() -> None:
    assert undo_addresses(None, frozenset()) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "undone"), [(1, 1), (0, 0), (2, 0)])
def test_a_setting_is_put_back_only_where_the_value_is_still_ours(value: int, undone: int) -> None:
    kernel = Kernel((link({"promote_secondaries": value}),))
    assert undo_settings(kernel, frozenset({SET})) == undone  # type: ignore[arg-type]
    assert len(kernel.batches) == undone


def test_a_setting_of_an_interface_that_is_gone_is_forgotten() -> None:
    assert undo_settings(Kernel(), frozenset({SET})) == 0  # type: ignore[arg-type]
