"""What a node's interfaces get of settings, and what of an administrator's stays."""

from pathlib import Path

import pytest
from tests.unit.node.forwarding.fake_rtnetlink import FakeRtnetlink

from mooring_node.balance.config import BackendAddressConfig, BalanceConfig, SyncConfig
from mooring_node.forwarding import sysctls, wanted
from mooring_node.forwarding.host import Host
from mooring_node.forwarding.ledger import ForwardingLedger, LedgerSysctl
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


class Settings:
    """Stands for /proc/sys."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], *, read_only: bool = False) -> None:
        self.values = values
        self._read_only = read_only
        monkeypatch.setattr(sysctls, "read", lambda path, *_: self.values.get(path))
        monkeypatch.setattr(sysctls, "write", self._write)

    def _write(self, path: str, value: str, _sys_net: Path) -> sysctls.Refused | None:
        if self._read_only:
            return sysctls.Refused(path, missing=False, words="Read-only file system")
        self.values[path] = value
        return None


KERNELS = {wanted.SYNC_THRESHOLD: "3 50", wanted.SYNC_REFRESH: "0"}
SYNCED = BalanceConfig(1, sync=SyncConfig("eth0"))


def test_connection_syncs_settings_are_made_and_put_back_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(monkeypatch, dict(KERNELS))
    ledger = ForwardingLedger(tmp_path / "forwarding.json")
    host = Host(FakeRtnetlink(), ledger, lambda *_: None)
    for _ in range(2):
        assert host.ensure(SYNCED) == ()
        assert settings.values == {wanted.SYNC_THRESHOLD: "0 0", wanted.SYNC_REFRESH: "10"}
        assert ledger.read().sysctls == {
            LedgerSysctl(wanted.SYNC_THRESHOLD, "3 50", "0 0"),
            LedgerSysctl(wanted.SYNC_REFRESH, "0", "10"),
        }
    assert host.ensure(BalanceConfig(2)) == ()
    assert settings.values == KERNELS
    assert ledger.read().empty


def test_connection_sync_is_told_of_a_setting_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings(monkeypatch, dict(KERNELS), read_only=True)
    found = Host(FakeRtnetlink(), ForwardingLedger(tmp_path / "forwarding.json"), lambda *_: None).ensure(SYNCED)
    assert [(each.server, each.path) for each in found] == [("", "spec.connectionSync")] * 2
    assert any("set it on the node (net.ipv4.vs.sync_threshold=0 0)" in each.message for each in found)
