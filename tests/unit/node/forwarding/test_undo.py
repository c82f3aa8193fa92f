"""What is put back when forwarding goes, and what stays for another program."""

from pathlib import Path

import pytest
from tests.unit.node.forwarding.fake_rtnetlink import FakeRtnetlink

from mooring_node.forwarding import sysctls, wanted
from mooring_node.forwarding.ledger import Entries, LedgerSysctl
from mooring_node.forwarding.undo import KUBE_PROXY_INTERFACE, take_away
from mooring_node.kernel.links import Link

OF_IPVS, OF_SYNC, OF_ROUTING = wanted.CONNTRACK, wanted.SYNC_REFRESH, wanted.FORWARD[4]
ENTRIES = Entries(sysctls=frozenset(LedgerSysctl(each, "0", "1") for each in (OF_IPVS, OF_SYNC, OF_ROUTING)))


@pytest.fixture
def proc_sys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that have our values, in a folder."""
    for each in ENTRIES.sysctls:
        (tmp_path / each.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each.path).write_text(each.ours)
    undo = sysctls.undo
    monkeypatch.setattr(sysctls, "undo", lambda entries, _: undo(entries, tmp_path / "net"))
    return tmp_path


def link(name: str) -> Link:
    return Link(7, name, b"", False, 1500, None)


def test_settings_get_their_values_of_before(proc_sys: Path) -> None:
    take_away(FakeRtnetlink(link("eth0")), ENTRIES)
    assert [(proc_sys / path).read_text() for path in (OF_IPVS, OF_SYNC, OF_ROUTING)] == ["0", "0", "0"]


def test_those_of_ipvs_stay_for_kube_proxy_that_balances_with_it(proc_sys: Path) -> None:
    """It sets them at its own start only, so nobody would set them again. Those of connection sync it never sets."""
    take_away(FakeRtnetlink(link("eth0"), link(KUBE_PROXY_INTERFACE)), ENTRIES)
    assert [(proc_sys / path).read_text() for path in (OF_IPVS, OF_SYNC, OF_ROUTING)] == ["1", "0", "0"]
