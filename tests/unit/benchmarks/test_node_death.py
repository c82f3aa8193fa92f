"""What the benchmark of node death says of its rounds."""

from benchmarks.node_death import KUBE_VIP, Series, table, virtual_ip

from mooring_api.virtualip import VirtualIP
from mooring_api.wire import parse_object


def test_a_series_says_median_and_range() -> None:
    series = Series("100ms", [0.30, 0.21, 0.24], [280, 205, 199])
    assert series.name == "Mooring, adverts each 100ms"
    assert series.text == "240 ms (210 ms to 300 ms), 205 packets"
    assert Series(None, [2.06, 3.04], [2000, 3000]).text == "2.5 s (2.1 s to 3.0 s), 2500 packets"


def test_a_file_holds_every_round() -> None:
    document = Series(None, [2.5], [2400]).to_json()
    assert document == {"interval": "1s", "seconds": [2.5], "lost": [2400]}


def test_the_table_ends_with_what_is_cited() -> None:
    lines = table([Series(None, [2.5], [2400])]).splitlines()
    assert [line.split("  ")[0] for line in lines] == [Series(None).name, *(each.name for each in KUBE_VIP)]
    assert len({line.index(text) for line, text in zip(lines, ["2.5 s", "17.9", "4.1"], strict=True)}) == 1


def test_it_measures_the_defaults() -> None:
    defaults, fast = (parse_object(VirtualIP, virtual_ip(interval), "web") for interval in (None, "10ms"))
    assert "vrrp" not in virtual_ip(None)["spec"]
    assert str(defaults.spec.vrrp.advertisement_interval) == "1s"
    assert str(fast.spec.vrrp.advertisement_interval) == "10ms"
