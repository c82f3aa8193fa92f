"""Facts in, findings out: what no network namespace shows, and that each code is described."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mooring_node import preflight
from mooring_node.preflight.facts import Facts, Heard, Interface, Rights, Wanted
from mooring_node.preflight.finding import Severity
from mooring_node.preflight.judging import judge, not_looked_at

WEB = Wanted("web", "eth0", 4, 51, "10.0.0.1", ("10.0.0.2",), addresses=(("10.0.0.100", 32),))
SIX = Wanted("web6", "eth0", 6, 51, None, group="ff02::12", addresses=(("2001:db8::100", 128),))
WELL = Facts(
    wanted=(WEB, SIX),
    balances=True,
    scripts=True,
    interfaces={"eth0": Interface("eth0")},
    tables=(),
    heard=(),
    kubelet=None,
)


def codes(facts: Facts) -> list[str]:
    return [each.code for each in judge(facts)]


def test_a_well_node_has_no_findings() -> None:
    assert judge(WELL) == ()
    assert not_looked_at(replace(WELL, heard=None, kubelet=("kubelet",))) == ("adverts of others (--listen SECONDS)",)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rights": Rights(capabilities=~(1 << 12))}, "MissingCapability"),
        ({"rights": Rights(capabilities=~(1 << 7))}, "MissingCapability"),
        ({"rights": Rights(real_time=False)}, "NoRealTime"),
        ({"rights": Rights(capabilities=~(1 << 14), memlock_unlimited=False)}, "MemoryNotLocked"),
        ({"rights": Rights(cpu_limited=True)}, "CpuLimit"),
        ({"rights": Rights(memory_limited=True)}, "MemoryLimit"),
        ({"rights": Rights(sys_net_writable=False)}, "SettingsReadOnly"),
        ({"ipvs": False, "modules_disabled": True}, "IpvsMissing"),
        ({"interfaces": {}}, "InterfaceMissing"),
        ({"interfaces": {"eth0": Interface("eth0", rp_filter=1)}, "ways_back": {"10.0.0.2": "x"}}, "ReversePathStrict"),
        ({"interfaces": {"eth0": Interface("eth0", arp_ignore=2)}}, "ArpIgnored"),
        ({"interfaces": {"eth0": Interface("eth0", mtu=1279)}}, "MtuTooSmall"),
        ({"interfaces": {"eth0": Interface("eth0", ipv6_off=True)}}, "Ipv6Off"),
        ({"interfaces": {"eth0": Interface("eth0", network_manager=True)}}, "AddressesManaged"),
        ({"set_by_others": frozenset({("10.0.0.100", "eth1")})}, "AddressInUse"),
        ({"node_ip": "10.0.0.100"}, "NodeAddressIsVirtual"),
        ({"kubelet": ("kubelet", "--v=2")}, "NodeAddressNotSet"),
        ({"nft_trouble": "there is no program nft"}, "FirewallUnknown"),
        ({"unread_tables": ("filter of IPv4: no",)}, "FirewallUnknown"),
        ({"heard": (Heard("eth0", 4, 51, "10.0.0.2", 2, 0),)}, "AdvertsLost"),
        ({"heard": (Heard("eth0", 4, 51, "10.0.0.9", 2, 2),)}, "ForeignRouter"),
        ({"conntrack": (95, 100)}, "ConntrackFull"),
        ({"clock_source": "hpet"}, "SlowClock"),
    ],
)
def test_each_is_found_alone(change: dict[str, object], code: str) -> None:
    assert codes(replace(WELL, **change)) == [code]  # type: ignore[arg-type]


def test_node_ip_is_asked_for_before_there_is_an_address() -> None:
    assert codes(replace(WELL, wanted=(), kubelet=("kubelet", "--v=2"))) == ["NodeAddressNotSet"]


def test_router_adverts_that_are_ignored() -> None:
    interface = Interface("eth0", default_route=True, forwards_ipv6=True, accept_ra=1)
    assert codes(replace(WELL, interfaces={"eth0": interface})) == ["RouterAdvertsIgnored"]
    assert codes(replace(WELL, interfaces={"eth0": replace(interface, accept_ra=2)})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"heard": (Heard("eth0", 4, 51, "10.0.0.2", 1, 0),)},
        {"heard": (Heard("eth0", 4, 51, "10.0.0.2", 9, 1),)},
        {"heard": (Heard("eth0", 4, 52, "10.0.0.9", 9, 0),)},
        {"heard": (Heard("eth0", 6, 51, "fe80::2", 9, 9),)},
        {"conntrack": (94, 100)},
        {"kubelet": ("kubelet", "--node-ip=10.0.0.1")},
        {"kubelet": ("kubelet", "--node-ip", "10.0.0.1")},
        {"node_ip": "10.0.0.1"},
        {"interfaces": {"eth0": Interface("eth0", rp_filter=2)}, "ways_back": {"10.0.0.2": "x"}},
        {"interfaces": {"eth0": Interface("eth0", networkd_file="/a.network", networkd_keeps=True)}},
        {"balances": False, "ipvs": False, "rights": Rights(sys_net_writable=False)},
    ],
)
def test_what_is_no_finding(change: dict[str, object]) -> None:
    assert codes(replace(WELL, **change)) == []  # type: ignore[arg-type]


def test_errors_come_first_and_nothing_twice() -> None:
    facts = replace(WELL, clock_source="hpet", node_ip="10.0.0.100", wanted=(WEB, WEB, SIX))
    assert [each.severity for each in judge(facts)] == [Severity.ERROR, Severity.WARNING]


def test_each_code_is_described() -> None:
    sources = "".join(path.read_text() for path in Path(preflight.__file__).parent.glob("*.py"))
    used = set(re.findall(r'(?:error|warning)\(\s*"([A-Za-z0-9]+)"', sources))
    page = (Path(__file__).parents[4] / "docs" / "preflight.md").read_text()
    table = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    assert used == {each.strip("`") for row in table for each in row.split(", ") if each[1].isupper()}
