"""Settings of interfaces: noted before they are set, and put back when nobody needs them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mooring_node.agent import settings
from mooring_node.agent.settings import ensure, restore_unused, wanted
from mooring_node.kernel.links import Link
from mooring_node.ledger import Entries, Ledger, LedgerAddress, LedgerSetting
from mooring_node.vrrp.config import AddressConfig, GroupConfig, MemberConfig

NAME = "promote_secondaries"


def group(*addresses: tuple[str, str]) -> GroupConfig:
    held = tuple(AddressConfig(address, 24, interface) for address, interface in addresses)
    return GroupConfig("web", (MemberConfig("web", "eth0", 4, 1, 3, held),))


FOUR, SIX = group(("10.0.0.1", "eth0")), group(("2001:db8::1", "eth0"))


@dataclass
class Kernel:
    """Interfaces with one setting each; a batch is (interface index, settings), as patched below."""

    values: dict[str, int]
    ledger: Ledger
    listed_when_set: list[frozenset[LedgerSetting]] = field(default_factory=list)

    def links(self) -> tuple[Link, ...]:
        return tuple(
            Link(index, name, b"", True, 1500, None, {NAME: value})
            for index, (name, value) in enumerate(self.values.items(), start=1)
        )

    def apply(self, batch: Any) -> tuple[()]:
        index, chosen = batch
        self.listed_when_set.append(self.ledger.read().settings)
        self.values[list(self.values)[index - 1]] = chosen[NAME]
        return ()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    def as_pair(index: int, chosen: dict[str, int]) -> tuple[int, dict[str, int]]:
        return index, chosen

    monkeypatch.setattr(settings, "settings_batch", as_pair)
    monkeypatch.setattr("mooring_node.ledger.settings_batch", as_pair)
    return Kernel({"eth0": 0, "eth1": 0}, Ledger(tmp_path / "ledger.json"))


def test_only_interfaces_with_ipv4_addresses_want_it_and_only_where_it_lacks(kernel: Kernel) -> None:
    assert wanted([FOUR], kernel.links()) == {LedgerSetting("eth0", NAME, 0, 1)}
    assert wanted([SIX], kernel.links()) == frozenset()
    kernel.values["eth0"] = 1
    assert wanted([FOUR], kernel.links()) == frozenset()


def test_it_is_in_the_ledger_before_it_is_set(kernel: Kernel) -> None:
    ensure(kernel, kernel.ledger, [FOUR])  # type: ignore[arg-type]
    assert kernel.values == {"eth0": 1, "eth1": 0}
    assert kernel.listed_when_set == [frozenset({LedgerSetting("eth0", NAME, 0, 1)})]


def test_the_first_value_is_the_one_to_go_back_to(kernel: Kernel) -> None:
    ensure(kernel, kernel.ledger, [FOUR])  # type: ignore[arg-type]
    kernel.values["eth0"] = 2  # somebody else changed it meanwhile
    ensure(kernel, kernel.ledger, [FOUR])  # type: ignore[arg-type]
    assert kernel.values["eth0"] == 1
    assert kernel.ledger.read().settings == {LedgerSetting("eth0", NAME, 0, 1)}


def test_what_nobody_needs_is_put_back_and_the_ledger_narrowed(kernel: Kernel) -> None:
    both = group(("10.0.0.1", "eth0"), ("10.1.0.1", "eth1"))
    kernel.ledger.write(Entries(frozenset({LedgerAddress("eth1", "10.1.0.1", 24)})))
    ensure(kernel, kernel.ledger, [both])  # type: ignore[arg-type]
    assert kernel.values == {"eth0": 1, "eth1": 1}
    restore_unused(kernel, kernel.ledger, [FOUR])  # type: ignore[arg-type]
    assert kernel.values == {"eth0": 1, "eth1": 0}
    assert kernel.ledger.read() == Entries(
        frozenset({LedgerAddress("eth0", "10.0.0.1", 24)}), frozenset({LedgerSetting("eth0", NAME, 0, 1)})
    )


def test_a_value_that_somebody_changed_stays(kernel: Kernel) -> None:
    ensure(kernel, kernel.ledger, [FOUR])  # type: ignore[arg-type]
    kernel.values["eth0"] = 7
    restore_unused(kernel, kernel.ledger, [])  # type: ignore[arg-type]
    assert kernel.values["eth0"] == 7
    assert kernel.ledger.read() == Entries()
