"""What a node's interfaces get of settings, and what of an administrator's stays."""

from pathlib import Path

import pytest
from tests.unit.node.forwarding.fake_rtnetlink import FakeRtnetlink

from mooring_node.balance.config import BackendAddressConfig, BalanceConfig
from mooring_node.forwarding import wanted
from mooring_node.forwarding.host import Host
from mooring_node.forwarding.ledger import ForwardingLedger
from mooring_node.kernel.links import Link, settings_batch
from mooring_node.ledger import LedgerSetting

DIRECT = BalanceConfig(1, (), (BackendAddressConfig("10.0.0.100", ("eth0",)),))


def eth0(**settings: int) -> Link:
    return Link(7, "eth0", b"\x02\x00\x00\x00\x00\x01", True, 1500, None, settings)


@pytest.mark.parametrize(
    ("there", "ours"),
    [
        pytest.param({"arp_ignore": 0, "arp_announce": 0}, {"arp_ignore": 1, "arp_announce": 2}, id="the defaults"),
        pytest.param({"arp_ignore": 8, "arp_announce": 0}, {"arp_announce": 2}, id="a stricter arp_ignore"),
        pytest.param({"arp_ignore": 2, "arp_announce": 2}, {}, id="both strict enough"),
    ],
)
def test_arp_is_silenced_and_what_is_stricter_already_stays(
    tmp_path: Path, there: dict[str, int], ours: dict[str, int]
) -> None:
    rtnetlink = FakeRtnetlink(Link(1, "lo", b"", True, 65536, None), eth0(**there))
    ledger = ForwardingLedger(tmp_path / "forwarding.json")
    assert Host(rtnetlink, ledger, lambda *_: None).ensure(DIRECT) == ()
    expected = {LedgerSetting("eth0", name, there[name], value) for name, value in ours.items()}
    assert ledger.read().settings == expected
    for name, value in wanted.ARP.items():
        assert (settings_batch(7, {name: value}) in rtnetlink.sent) == (name in ours)
